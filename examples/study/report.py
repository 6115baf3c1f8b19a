"""The results of the study in words and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interp_reproduction.study.analysis import column, paired, verdicts
from interp_reproduction.study.protocol import BASELINE
from interp_reproduction.study.results import answer, listed, share

if TYPE_CHECKING:
    import pandas as pd

SECONDARY = {
    "mig": "mutual information gap", "disentanglement": "DCI disentanglement", "completeness": "DCI completeness",
    "informativeness": "DCI informativeness", "total_correlation": "total correlation, nats",
    "participation": "participation ratio",
}  # fmt: skip
EFFECTS = {
    "l1": "mean of abs(activation)", "total-correlation": "total correlation, nats",
    "infogan": "information of a fresh Q, nats a code", "vib": "divergence with fitted noise, nats",
}  # fmt: skip

MATCHED = 0.0005  # mean gap in CER up to which a snapshot counts as matched


def told(rows: pd.DataFrame, claims: pd.DataFrame) -> str:
    """Return the results as Markdown: the answer, the outcome with intervals, secondary outcomes, the claims."""
    seeds = rows["seed"].nunique()
    return "\n\n".join([
        "# Regularisation and readable units: results",
        "`PLAN.md` was fixed before. `interp reproduce --study` makes this page again; `networks.csv` has a row for "
        "each network.",
        answer(rows),
        "![Errors and readability](trade-off.png)",
        "## Outcome",
        f"Difference to the baseline of the same seed, mean of {seeds} with 95 % intervals. k80: fewest units whose "
        "ablation has 80 % of the effect of ablating the layer, geometric mean over 12 pairs; its ratio is 1 where "
        "nothing changed. CER-matched: against the baseline's snapshot nearest in errors." + unmatched(rows),
        outcome_table(rows),
        "## What each penalty did",
        effect_table(rows),
        "## Secondary outcomes",
        f"Mean over {seeds} seeds, units as they are / randomly rotated; difference to the baseline with its interval "
        "below. No verdict hangs on them.",
        secondary_table(rows),
        "## Claims C1 to C7 over the baselines",
        "Verdicts of the same rules as in a report, on 5,000 sentences of test text, without ablations.",
        claims_table(claims),
    ]) + "\n"  # fmt: skip


def unmatched(rows: pd.DataFrame) -> str:
    """Return which arms make fewer errors than every snapshot of the baseline, so that none is really matched."""
    arms = [arm for arm in dict.fromkeys(rows["arm"]) if arm != BASELINE.name]
    gaps = {arm: (column(rows, "cer", arm, "matched") - column(rows, "cer", arm)).mean() for arm in arms}
    better = [arm for arm, gap in gaps.items() if gap > MATCHED]
    if not better:
        return ""
    points = [f"{100 * gaps[arm]:.2f}" for arm in better]
    return (
        f" With {listed(better)} no snapshot makes as few errors: the nearest makes {listed(points)} points more, and "
        "what is due to fewer errors is not told from what is due to the penalty."
    )


def markdown(heads: list[str], body: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def outcome_table(rows: pd.DataFrame) -> str:
    """Return the table of the primary outcome and the errors."""
    table = verdicts(rows)
    heads = [
        "arm",
        "CER, %",
        "k80",
        "ratio of k80",
        "p (Holm)",
        "CER, points",
        "ratio, CER-matched",
        "smallest found",
        "",
    ]
    body = [[BASELINE.name, *_level(rows, BASELINE.name), *[""] * 6]]
    for arm, row in table.iterrows():
        ratio, matched = ([np.exp(row[f"{kind}{end}"]) for end in ("difference", "low", "high")]
                          for kind in ("", "matched_"))  # fmt: skip
        errors = [100 * row[f"cer_{end}"] for end in ("difference", "low", "high")]
        p = "oracle" if row["oracle"] else f"{row['p_holm']:.2g}"
        more = within(errors, "+.2f"), within(matched), share(row["detectable"]), "yes" if row["yes"] else ""
        body.append([str(arm), *_level(rows, str(arm)), within(ratio), p, *more])
    return markdown(heads, body)


def _level(rows: pd.DataFrame, arm: str) -> list[str]:
    errors, outcome = column(rows, "cer", arm).mean(), column(rows, "log_k80", arm).mean()
    return [f"{100 * errors:.2f}", f"{np.exp(outcome):.1f}"]


def within(values: Any, form: str = ".2f") -> str:
    """Return a figure with its interval: ``0.94 [0.90, 0.98]``."""
    mean, low, high = (format(float(value), form).replace("-", "−") for value in values)
    return f"{mean} [{low}, {high}]"


def effect_table(rows: pd.DataFrame) -> str:
    """Return the table of what each penalty is about, in its own networks and the baseline."""
    body = []
    for arm, what in EFFECTS.items():
        before, after = (column(rows, f"effect {arm}", of) for of in (BASELINE.name, arm))
        closed = arm == "infogan"
        change = ((after - before) / (np.log(2) - before) if closed else 1 - after / before).mean()
        words = f"{100 * change:.0f} % of the gap to ln 2 closed" if closed else f"{100 * change:.0f} % lower"
        body.append([arm, what, f"{before.mean():.3g}", f"{after.mean():.3g}", words])
    return markdown(["arm", "measure", "baseline", "with it", "change"], body)


def secondary_table(rows: pd.DataFrame) -> str:
    """Return the table of readability: each measure beside its rotated value, and its difference to the baseline."""
    arms = list(dict.fromkeys(rows["arm"]))
    body = [[arm, *(_readable(rows, arm, name) for name in SECONDARY), f"{column(rows, 'dead', arm).mean():.0f}"]
            for arm in arms]  # fmt: skip
    return markdown(["arm", *SECONDARY.values(), "dead units"], body)


def _readable(rows: pd.DataFrame, arm: str, name: str) -> str:
    mine, turned = (column(rows, f"{name} {basis}", arm) for basis in ("units", "rotated"))
    figures = f"{mine.mean():.3g} / {turned.mean():.3g}"
    if arm == BASELINE.name:
        return figures
    found = paired(mine, column(rows, f"{name} units", BASELINE.name))
    return f"{figures}<br>{within((found.mean, found.low, found.high), '+.2g')}"


def claims_table(claims: pd.DataFrame) -> str:
    """Return the verdict on each claim, and in how many baselines it came out."""
    body = []
    for key, held in claims.groupby("claim", sort=True):
        counts = held["verdict"].value_counts().items()
        figures = "<br>".join(held.sort_values("seed")["figure"])
        body.append([str(key), "<br>".join(f"{verdict}: {n} of {len(held)}" for verdict, n in counts), figures])
    return markdown(["claim", "verdict", "figure in each"], body)
