"""Results of the study: data files, the answer in a paragraph, and the page with its tables."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from study.analysis import column, paired_difference, verdicts
from study.protocol import ALPHA, BASELINE
from study.tradeoff import draw_trade_off

if TYPE_CHECKING:
    import pandas as pd

NETWORKS, CLAIMS, ANSWER, PAGE, PICTURE = "networks.csv", "claims.csv", "answer.json", "RESULTS.md", "trade-off"
SECONDARY = {
    "mig": "mutual information gap", "disentanglement": "DCI disentanglement", "completeness": "DCI completeness",
    "informativeness": "DCI informativeness", "total_correlation": "total correlation, nats",
    "participation": "participation ratio",
}  # fmt: skip
EFFECTS = {
    "l1": "mean of abs(activation)", "total-correlation": "total correlation, nats",
    "infogan": "information of a fresh Q, nats per code", "vib": "divergence with fitted noise, nats",
}  # fmt: skip

MATCHED_CER = 0.0005  # mean difference in CER up to which a snapshot counts as matched


def load_networks(folder: Path | None = None) -> pd.DataFrame:
    """Return the networks of the study, one per row.

    Parameters
    ----------
    folder : Path, optional
        Directory of results; by default those that are shipped.

    Returns
    -------
    DataFrame
        ``arm``, ``strength``, ``seed``, ``role`` (``arm``, or ``matched``: the baseline's snapshot nearest in errors),
        ``oracle``, ``cer``, ``words``, ``log_k80``, ``k80 t=>ծ`` and so on, and the secondary outcomes.
    """
    import pandas as pd

    path = (files("interp_models") / "study" if folder is None else folder) / NETWORKS
    with path.open(encoding="utf-8") as file:
        return pd.read_csv(file)


def write_results(rows: pd.DataFrame, claims: pd.DataFrame, folder: Path) -> Path:
    """Write the networks, the claims on the baselines, the answer, the picture and the page; return the page's path."""
    rows.to_csv(folder / NETWORKS, index=False)
    claims.to_csv(folder / CLAIMS, index=False)
    view = draw_trade_off(rows)
    for suffix in (".png", ".svg"):
        view.save(folder / f"{PICTURE}{suffix}")
    verdict, explanation = answer(rows)
    content = json.dumps({"verdict": verdict, "explanation": explanation}, ensure_ascii=False, indent=1)
    (folder / ANSWER).write_text(content + "\n", encoding="utf-8")
    page = folder / PAGE
    page.write_text(format_page(rows, claims), encoding="utf-8")
    return page


def answer(rows: pd.DataFrame) -> tuple[str, str]:
    """Return the answer to the open question of the article: the verdict, and the sentences that explain it.

    Parameters
    ----------
    rows : DataFrame
        Table as of `load_networks`.
    """
    table = verdicts(rows)
    tested = table[~table["oracle"]]
    is_significant = tested["p_holm"] < ALPHA
    fewer, more = (
        list(tested.index[is_significant & mask]) for mask in (tested["difference"] < 0, tested["difference"] > 0)
    )
    yes = list(tested.index[tested["yes"]])
    detectable = sorted(format_decrease(effect) for effect in (tested["detectable"].min(), tested["detectable"].max()))
    parts = [f"Fewer units share a decision with {join_names(fewer)}."] if fewer else []
    parts += [f"More units share a decision with {join_names(more)}."] if more else []
    parts.append(
        f"{rows['seed'].nunique()} seeds, paired with the baseline, Holm over {len(tested)}. The smallest decrease of "
        f"k80 that this design detects with a power of 80 % is {' to '.join(detectable)}, depending on the penalty."
    )
    return f"Yes, with {join_names(yes)}." if yes else "No evidence that it does.", " ".join(parts)


def format_decrease(effect: float) -> str:
    """Return the relative decrease of k80 for a decrease of ln k80: ``18 %``."""
    return f"{100 * (1 - np.exp(-effect)):.0f} %"


def join_names(names: list[str]) -> str:
    """Return names as an enumeration in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def format_page(rows: pd.DataFrame, claims: pd.DataFrame) -> str:
    """Return the results as Markdown: the answer, the outcome with intervals, secondary outcomes, the claims."""
    seeds = rows["seed"].nunique()
    return "\n\n".join([
        "# Regularisation and readable units: results",
        "`PLAN.md` was fixed before. `python examples/study/run.py --corpus DIR --output DIR` reproduces this page; "
        "`networks.csv` has one row per network.",
        " ".join(answer(rows)),
        "![Errors and readability](trade-off.png)",
        "## Outcome",
        f"Difference to the baseline of the same seed, mean of {seeds} with 95 % intervals. k80: smallest number of "
        "units whose ablation has 80 % of the effect of ablating the layer, geometric mean over 12 pairs; its ratio is "
        "1 if nothing changed. CER-matched: compared with the baseline's snapshot nearest in errors."
        + describe_unmatched(rows),
        outcome_table(rows),
        "## Effects of the penalties",
        effect_table(rows),
        "## Secondary outcomes",
        f"Mean over {seeds} seeds, in the basis of the units / in a random rotation; below it the difference to the "
        "baseline with its interval. No verdict depends on them.",
        secondary_table(rows),
        "## Claims C1 to C7 on the baselines",
        "Verdicts by the same rules as in a report, on 5,000 sentences of test text, without ablations.",
        claims_table(claims),
    ]) + "\n"  # fmt: skip


def describe_unmatched(rows: pd.DataFrame) -> str:
    """Return a sentence on the arms with fewer errors than every snapshot of the baseline, or an empty string."""
    arms = [arm for arm in dict.fromkeys(rows["arm"]) if arm != BASELINE.name]
    gaps = {arm: (column(rows, "cer", arm, "matched") - column(rows, "cer", arm)).mean() for arm in arms}
    unmatched = [arm for arm, gap in gaps.items() if gap > MATCHED_CER]
    if not unmatched:
        return ""
    points = [f"{100 * gaps[arm]:.2f}" for arm in unmatched]
    return (
        f" With {join_names(unmatched)} no snapshot makes as few errors: the nearest makes {join_names(points)} points "
        "more, so the effect of fewer errors cannot be separated from the effect of the penalty."
    )


def markdown_table(heads: list[str], body: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def outcome_table(rows: pd.DataFrame) -> str:
    """Return the table of the primary outcome and the errors."""
    table = verdicts(rows)
    heads = ["arm", "CER, %", "k80", "ratio of k80", "p (Holm)", "CER, points", "ratio, CER-matched", "detectable",
             "yes"]  # fmt: skip
    body = [[BASELINE.name, *_levels(rows, BASELINE.name), *[""] * 6]]
    for arm, row in table.iterrows():
        ratio, matched = ([np.exp(row[f"{prefix}{end}"]) for end in ("difference", "ci_low", "ci_high")]
                          for prefix in ("", "matched_"))  # fmt: skip
        errors = [100 * row[f"cer_{end}"] for end in ("difference", "ci_low", "ci_high")]
        p = "oracle" if row["oracle"] else f"{row['p_holm']:.2g}"
        last = format_interval(matched), format_decrease(row["detectable"]), "yes" if row["yes"] else ""
        body.append([str(arm), *_levels(rows, str(arm)), format_interval(ratio), p, format_interval(errors, "+.2f"),
                     *last])  # fmt: skip
    return markdown_table(heads, body)


def _levels(rows: pd.DataFrame, arm: str) -> list[str]:
    errors, outcome = column(rows, "cer", arm).mean(), column(rows, "log_k80", arm).mean()
    return [f"{100 * errors:.2f}", f"{np.exp(outcome):.1f}"]


def format_interval(values: Any, form: str = ".2f") -> str:
    """Return a figure with its interval: ``0.94 [0.90, 0.98]``."""
    mean, low, high = (format(float(value), form).replace("-", "−") for value in values)
    return f"{mean} [{low}, {high}]"


def effect_table(rows: pd.DataFrame) -> str:
    """Return the table of each penalty's own measure, in the baseline and in the networks trained with it."""
    body = []
    for arm, measure in EFFECTS.items():
        before, after = (column(rows, f"effect {arm}", name) for name in (BASELINE.name, arm))
        is_gap = arm == "infogan"
        change = ((after - before) / (np.log(2) - before) if is_gap else 1 - after / before).mean()
        text = f"{100 * change:.0f} % of the gap to ln 2 closed" if is_gap else f"{100 * change:.0f} % lower"
        body.append([arm, measure, f"{before.mean():.3g}", f"{after.mean():.3g}", text])
    return markdown_table(["arm", "measure", "baseline", "with penalty", "change"], body)


def secondary_table(rows: pd.DataFrame) -> str:
    """Return the table of readability: each measure and its rotated value, and its difference to the baseline."""
    arms = list(dict.fromkeys(rows["arm"]))
    body = [[arm, *(_readability(rows, arm, name) for name in SECONDARY), f"{column(rows, 'dead', arm).mean():.0f}"]
            for arm in arms]  # fmt: skip
    return markdown_table(["arm", *SECONDARY.values(), "dead units"], body)


def _readability(rows: pd.DataFrame, arm: str, name: str) -> str:
    values, rotated = (column(rows, f"{name} {basis}", arm) for basis in ("units", "rotated"))
    figures = f"{values.mean():.3g} / {rotated.mean():.3g}"
    if arm == BASELINE.name:
        return figures
    difference = paired_difference(values, column(rows, f"{name} units", BASELINE.name))
    return f"{figures}<br>{format_interval((difference.mean, difference.ci_low, difference.ci_high), '+.2g')}"


def claims_table(claims: pd.DataFrame) -> str:
    """Return the table of claims: the verdicts with the number of baselines, and the figure of each."""
    body = []
    for key, rows in claims.groupby("claim", sort=True):
        counts = rows["verdict"].value_counts().items()
        figures = "<br>".join(rows.sort_values("seed")["figure"])
        body.append([str(key), "<br>".join(f"{verdict}: {n} of {len(rows)}" for verdict, n in counts), figures])
    return markdown_table(["claim", "verdict", "figure in each"], body)
