"""Table of claims with their figures, verdicts and measurement details, and the section on ablations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from interp.plotting import escape
from interp_reproduction.claims.ablation_findings import format_p
from interp_reproduction.claims.ablations import CONTROLS
from interp_reproduction.claims.finding import format_signed
from interp_reproduction.claims.judge import OPEN_QUESTION
from interp_reproduction.claims.verdict import ARCHITECTURAL, CAUSAL, CONTRADICTED, CORRELATIONAL
from interp_reproduction.report.markup import frame_table

if TYPE_CHECKING:
    import pandas as pd

    from interp_reproduction.claims.ablations import AblationTables
    from interp_reproduction.claims.finding import Finding
    from interp_reproduction.claims.judge import JudgedClaim, ReportNetworks

VERDICT_CLASSES = {
    CAUSAL: "learned", CORRELATIONAL: "learned", ARCHITECTURAL: "architectural", CONTRADICTED: "contradicted",
}  # fmt: skip
STUDY_ANSWER = "answer.json"


def columns(claims: Sequence[JudgedClaim]) -> dict[str, str]:
    """Return the heading of each column of figures, by its name."""
    heads = {"trained": "trained", "untrained": f"untrained, {len(claims[0].untrained)} networks"}
    return heads | ({"ablation": "ablation, nats of log-odds"} if any(claim.ablation for claim in claims) else {})


def describe_columns(networks: ReportNetworks, with_ablations: bool) -> str:
    """Return the sentences that explain the columns."""
    ablation = (
        " Ablation: decrease of the log-odds of the correct output if the units that the claim names get the values "
        "that they had at the same letter in another sentence; p against 999 random groups of the same layer, uniform "
        "/ of equal strength."
        if with_ablations
        else " No unit was ablated here; interp reproduce --with-ablations does that."
    )
    return (
        f"All networks processed the same {networks.run.samples:,} samples. Units are selected on one half of the "
        f"sources and measured on the other; brackets are 95 % intervals.{ablation}"
    )


def column_heads(claims: Sequence[JudgedClaim]) -> str:
    """Return the ``<th>`` of the columns with figures."""
    return "".join(f'<th scope="col">{escape(head)}</th>' for head in columns(claims).values())


def claim_bodies(claims: Sequence[JudgedClaim]) -> str:
    """Return one ``<tbody>`` per claim, and one for the open question."""
    heads = columns(claims)
    verdict, reason = study_answer()
    first, last = _claim_cell(*OPEN_QUESTION), _verdict_cell(verdict)
    row = f'<tr>{first}<td colspan="{len(heads)}">{escape(reason)}</td>{last}</tr>'
    return "\n".join([*(_body(claim, heads) for claim in claims), f"<tbody>{row}</tbody>"])


def study_answer() -> tuple[str, str]:
    """Return the verdict of the shipped study of regularisation, and the sentences that explain it."""
    path = files("interp_models") / "study" / STUDY_ANSWER
    if not path.is_file():
        return "Open: not measured yet.", "–"
    answer = json.loads(path.read_text(encoding="utf-8"))
    return answer["verdict"], answer["explanation"]


def _claim_cell(key: str, text: str) -> str:
    return f'<td><span class="key">{escape(key)}</span>{escape(text)}</td>'


def _verdict_cell(verdict: str) -> str:
    return f'<td><span class="verdict {VERDICT_CLASSES.get(verdict, "")}">{escape(verdict)}</span></td>'


def _body(claim: JudgedClaim, heads: dict[str, str]) -> str:
    cells = "".join(_figure_cell(claim, name, head) for name, head in heads.items())
    first, verdict = _claim_cell(claim.claim.key, claim.claim.text), _verdict_cell(claim.verdict)
    details = f'<tr class="behind"><td colspan="{len(heads) + 2}">{_details(claim)}</td></tr>'
    return f'<tbody id="{escape(claim.claim.key)}">\n<tr>{first}{cells}{verdict}</tr>\n{details}\n</tbody>'


def _figure_cell(claim: JudgedClaim, name: str, head: str) -> str:
    if name == "ablation":
        text, n = claim.ablation.text if claim.ablation is not None else "–", ""
    else:
        finding: Finding = claim.findings[name]
        text, n = finding.text, finding.n if name == "trained" else ""
    lines = escape(text).replace("; ", ";<br>")  # one line per network or pair
    under = f'<span class="n">n = {escape(n)}</span>' if n else ""
    return f'<td class="{name}" data-label="{escape(head)}"><span class="figure">{lines}</span>{under}</td>'


def _details(claim: JudgedClaim) -> str:
    entries = [("statistic", claim.claim.statistic), ("it holds if", f"{claim.claim.rule}.")]
    entries += [(name, " ".join([f"{finding.text}.", *finding.details])) for name, finding in claim.findings.items()
                if name != "untrained"]  # fmt: skip
    entries.append(("comparison", claim.comparison))
    if claim.ablation is not None:
        status = {True: "Used.", False: "Not shown to be used.", None: "Not measured."}[claim.ablation.is_used]
        rule = f"The units count as used if {claim.claim.ablation_rule}."
        entries.append(("ablation", " ".join([status, rule, *claim.ablation.details])))
    body = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in entries)
    return f"<details><summary>Definition, details and sample sizes</summary><dl>{body}</dl></details>"


def ablation_section(tables: AblationTables) -> str:
    """Return the section on ablations: effects, number of units, and agreement of measures."""
    if not len(tables.effects):
        return '<section id="cause"><h2>Cause</h2><p class="left-out">Left out: too few tokens.</p></section>'
    page_tables = (effect_table(tables.effects), curve_table(tables.curves), agreement_table(tables.agreement))
    effects, curves, agreement = (
        f'<div class="scroller">{frame_table(table, is_prose=True)}</div>' for table in page_tables
    )
    return f"""<section id="cause">
<h2>Cause</h2>
<p>A unit can encode something that the network never uses. Here the units of a group are replaced, all together, by the
values that they had at the same letter in another sentence. The readout sees the replacement, the recurrence does not.
Effect: decrease of the log-odds of the correct output against the other outputs of the letter, in nats, with its 95 %
interval. Specificity: the effect minus the effect on the other outputs of the letter. Other letters: the effect on
other letters. p: the fraction of 999 random groups of as many units of the same layer with at least as large an effect,
of any units / of units of equal strength (weights x standard deviation). Holm: the larger of the two, adjusted for all
rows.</p>
{effects}
<h3>How many units have most of the effect</h3>
<p>k80: the smallest number of units, in the order of their debiased distance, whose ablation has 80 % of the effect of
ablating the whole layer. Rotated: the same for directions of a random basis of the layer.</p>
{curves}
<h3>Do measures agree on which units matter?</h3>
<p>Spearman's rank correlation, over all units of a layer, between the absolute values of: debiased distance, weight in
a linear classifier, effect of ablating the unit alone, and attribution. Median over the pairs, with the smallest and
the largest.</p>
{agreement}
</section>"""


def effect_table(effects: pd.DataFrame) -> pd.DataFrame:
    """Return the table of effects as text for the page."""
    import pandas as pd

    rows = [
        {
            "ablated": row["group"],
            "pair": row["pair"],
            "n": f"{row['tokens']:,} / {row['sources']:,}",
            "effect": _with_interval(row, "effect", "ci_low", "ci_high"),
            "specificity": _with_interval(row, "specificity", "specificity_ci_low", "specificity_ci_high"),
            "other letters": "–" if np.isnan(row["effect_other_inputs"]) else format_signed(row["effect_other_inputs"]),
            "accuracy": f"{100 * row['accuracy']:.0f} to {100 * row['accuracy_ablated']:.0f} %",
            "p": " / ".join(format_p(row[f"p_{control}"]) for control in CONTROLS),
            "Holm": format_p(max(row["p_uniform_holm"], row["p_matched_holm"])),
        }
        for _, row in effects.iterrows()
    ]
    return pd.DataFrame(rows)


def _with_interval(row: pd.Series, value: str, low: str, high: str) -> str:
    return f"{format_signed(row[value])} [{format_signed(row[low])}, {format_signed(row[high])}]"


def curve_table(curves: pd.DataFrame) -> pd.DataFrame:
    """Return k80 by pair and layer, for units and for directions of a random basis."""
    import pandas as pd

    rows = []
    for (pair, layer), bases in curves.groupby(["pair", "layer"], sort=False):
        k80 = bases.set_index("basis")["k80"]
        row = {"pair": pair, "layer": layer, "units": int(bases["units"].iloc[0])}
        row |= {"effect of all": format_signed(float(bases["whole"].iloc[0]))}
        rows.append(row | {"k80": _format_k80(k80["units"]), "k80 rotated": _format_k80(k80["rotated"])})
    return pd.DataFrame(rows)


def _format_k80(k80: int) -> str:
    return str(k80) if k80 >= 0 else "–"


def agreement_table(agreement: pd.DataFrame) -> pd.DataFrame:
    """Return the rank correlation of each two measures by layer: the median over pairs, and the range."""
    import pandas as pd

    rows = []
    for (first, second), layers in agreement.groupby(["measure_a", "measure_b"], sort=False):
        row = {"measures": f"{first}, {second}"}
        for layer, pairs in layers.groupby("layer", sort=False):
            values = pairs["correlation"]
            value_range = f"{format_signed(values.min())} to {format_signed(values.max())}"
            row[f"{layer}, {pairs['n'].max()} units"] = f"{format_signed(values.median())} ({value_range})"
        rows.append(row)
    return pd.DataFrame(rows)
