"""The section on ablations: effects, how many units do the work, and whether measures of units agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from interp_reproduction.causes import KINDS
from interp_reproduction.findings import signed
from interp_reproduction.markup import frame_table
from interp_reproduction.used import p_said

if TYPE_CHECKING:
    import pandas as pd

    from interp_reproduction.causes import Ablated


def section(ablated: Ablated) -> str:
    """Return the section, as HTML."""
    if not len(ablated.effects):
        return '<section id="cause"><h2>Cause</h2><p class="left-out">Left out: too few tokens.</p></section>'
    tables = (effect_table(ablated.effects), curve_table(ablated.curves), agreement_table(ablated.agreement))
    effects, curves, agreed = (f'<div class="scroller">{frame_table(table, words=True)}</div>' for table in tables)
    return f"""<section id="cause">
<h2>Cause</h2>
<p>A unit that knows need not be used. Here the units of a group get the values that they had at the same letter in
another sentence, all from the same one, for what reads them, and not through the recurrence. Effect: what the right
output loses against what else the letter can become, in nats of log-odds, with its 95 % interval; specificity: that
minus the effect on the other outputs of the letter; elsewhere: the effect on other letters. p: the share of 999 random
groups of as many units of the same layer that have as large an effect, of any units / of units of equal strength
(weights x standard deviation); Holm: the larger of the two, adjusted for all rows.</p>
{effects}
<h3>How many units do the work</h3>
<p>k80: the fewest units, best first by the honest distance, whose ablation has 80 % of the effect of ablating the whole
layer. Rotated: the same for directions of a random basis of the layer.</p>
{curves}
<h3>Do measures agree on which units matter?</h3>
<p>Spearman's rank correlation over all units of a layer: honest distance, weight in a linear classifier, effect of
ablating the unit alone; absolute values. Median over the pairs, and the smallest and largest.</p>
{agreed}
</section>"""


def effect_table(effects: pd.DataFrame) -> pd.DataFrame:
    """Return the effects as the page shows them."""
    import pandas as pd

    rows = [
        {
            "ablated": row["units"],
            "pair": row["pair"],
            "n": f"{row['tokens']:,} / {row['sources']:,}",
            "effect": _ends(row, "effect", "low", "high"),
            "specificity": _ends(row, "specificity", "specificity_low", "specificity_high"),
            "elsewhere": "–" if np.isnan(row["elsewhere"]) else signed(row["elsewhere"]),
            "accuracy": f"{100 * row['accuracy']:.0f} to {100 * row['accuracy_ablated']:.0f} %",
            "p": " / ".join(p_said(row[f"p_{kind}"]) for kind in KINDS),
            "Holm": p_said(max(row["p_uniform_holm"], row["p_matched_holm"])),
        }
        for _, row in effects.iterrows()
    ]
    return pd.DataFrame(rows)


def _ends(row: pd.Series, value: str, low: str, high: str) -> str:
    return f"{signed(row[value])} [{signed(row[low])}, {signed(row[high])}]"


def curve_table(curves: pd.DataFrame) -> pd.DataFrame:
    """Return k80 by pair and layer, units beside directions."""
    import pandas as pd

    rows = []
    for (pair, layer), mine in curves.groupby(["pair", "layer"], sort=False):
        k = mine.set_index("basis")["k80"]
        told = {"pair": pair, "layer": layer, "units": int(mine["units"].iloc[0])}
        told |= {"effect of all": signed(float(mine["whole"].iloc[0]))}
        rows.append(told | {"k80": _k(k["units"]), "k80 rotated": _k(k["rotated"])})
    return pd.DataFrame(rows)


def _k(number: int) -> str:
    return str(number) if number >= 0 else "–"


def agreement_table(agreement: pd.DataFrame) -> pd.DataFrame:
    """Return the rank correlation of each two measures, by layer: the median over pairs, and the ends."""
    import pandas as pd

    rows = []
    for (first, second), both in agreement.groupby(["measure", "measure_2"], sort=False):
        told = {"measures": f"{first}, {second}"}
        for layer, mine in both.groupby("layer", sort=False):
            values = mine["correlation"]
            ends = f"{signed(values.min())} to {signed(values.max())}"
            told[f"{layer}, {mine['n'].max()} units"] = f"{signed(values.median())} ({ends})"
        rows.append(told)
    return pd.DataFrame(rows)
