"""What ablations say of each claim: whether the units that it names are used, beyond random ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from interp_reproduction.causes import GATES, KINDS, median_k80
from interp_reproduction.findings import signed
from interp_reproduction.layers import BEST, NEURONS, OTHERS
from interp_reproduction.settings import GRAPHS, LEVEL, TOP, arrow

if TYPE_CHECKING:
    import pandas as pd

    from interp_reproduction.causes import Ablated


@dataclass(frozen=True)
class Cause:
    """What ablations say of a claim.

    Attributes
    ----------
    text : str
        As it stands in the table.
    passes : bool or None
        Whether what the claim names is used, as it says; None where it could not be measured.
    more : tuple of str
        What lies behind it.
    """

    text: str
    passes: bool | None
    more: tuple[str, ...] = ()


NOTHING = Cause("not measured", None)


def causes(ablated: Ablated) -> dict[str, Cause]:
    """Return what ablations say of C1 to C7."""
    rows = ablated.effects
    t, s, h = GRAPHS[0], GRAPHS[1], GRAPHS[3]
    return {
        "C1": directions(rows, [t], "backward h", "forward h"),
        "C2": groups(rows, [(f"top {TOP} hidden", t)]),
        "C3": confident(rows),
        "C4": directions(rows, [s, h], "forward h", "backward h"),
        "C5": groups(rows, [("the forward h of C5", pair) for pair in (BEST, *OTHERS)]),
        "C6": groups(rows, [("the cell of C6", GRAPHS[2])]),
        "C7": many(ablated.curves),
    }


def at(rows: pd.DataFrame, units: str, pair: tuple[str, str]) -> Any:
    """Return the row of a group and a pair, or None."""
    found = rows[(rows["units"] == units) & (rows["pair"] == arrow(pair))] if len(rows) else rows
    return found.iloc[0] if len(found) else None


def certain(row: Any) -> bool:
    """Return whether an effect lies above 0 and above random groups of both kinds, over all tests of the report."""
    return bool(row["low"] > 0 and all(row[f"p_{kind}_holm"] < LEVEL for kind in KINDS))


def said(row: Any) -> str:
    """Return an effect with its interval and both p: ``+5.9 [+5.6, +6.2], p = .001 / .001``."""
    ps = " / ".join(p_said(row[f"p_{kind}"]) for kind in KINDS)
    return f"{signed(row['effect'])} [{signed(row['low'])}, {signed(row['high'])}], p {ps}"


def p_said(p: float) -> str:
    """Return a p with three decimals and no zero before them."""
    return f"{p:.3f}".removeprefix("0")


def groups(rows: pd.DataFrame, wanted: list[tuple[str, tuple[str, str]]]) -> Cause:
    """Return what the ablation of some groups shows: all must matter."""
    found = [at(rows, units, pair) for units, pair in wanted]
    if any(row is None for row in found):
        return NOTHING
    several = len(found) > 1
    texts = [(f"{row['pair']} " if several else "") + said(row) for row in found]
    return Cause("; ".join(texts), all(certain(row) for row in found), tuple(map(behind, found)))


def behind(row: Any) -> str:
    """Return what else there is to say of an ablation, in a sentence."""
    return (
        f"{row['units'][:1].upper()}{row['units'][1:]}, {row['pair']}: specificity {signed(row['specificity'])} "
        f"[{signed(row['specificity_low'])}, {signed(row['specificity_high'])}], accuracy {row['accuracy']:.3f} to "
        f"{row['accuracy_ablated']:.3f}, n {row['tokens']:,} / {row['sources']:,}."
    )


def directions(rows: pd.DataFrame, pairs: list[tuple[str, str]], mine: str, other: str) -> Cause:
    """Return whether the top units of one direction matter, and more than those of the other."""
    found = groups(rows, [(f"top {TOP} {mine}", pair) for pair in pairs])
    others = groups(rows, [(f"top {TOP} {other}", pair) for pair in pairs])
    if found.passes is None or others.passes is None:
        return NOTHING
    ahead = all(
        at(rows, f"top {TOP} {mine}", pair)["low"] > at(rows, f"top {TOP} {other}", pair)["high"] for pair in pairs
    )
    text = f"{mine} {found.text}; {other} {others.text}"
    return Cause(text, found.passes and ahead, found.more + others.more)


def confident(rows: pd.DataFrame) -> Cause:
    """Return whether the cell inputs of the neurons shown matter more than each of their gates."""
    found = {gate: at(rows, f"{gate} of the {2 * TOP} neurons shown", GRAPHS[0]) for gate in GATES}
    if any(row is None for row in found.values()):
        return NOTHING
    ahead = all(found["g"]["low"] > found[gate]["high"] for gate in "ifo")
    texts = [f"{gate} {signed(row['effect'])}" for gate, row in found.items()]
    more = tuple(f"{said(row)}. {behind(row)}" for row in found.values())
    return Cause(", ".join(texts), certain(found["g"]) and ahead, more)


def many(curves: pd.DataFrame) -> Cause:
    """Return whether the work of a pair is spread over as many units as C7 asks for."""
    if not len(curves):
        return NOTHING
    k, size = median_k80(curves, "h")
    turned, _ = median_k80(curves, "h", "rotated")
    low, of = median_k80(curves, "hidden")
    return Cause(
        f"k80: {k:.0f} of {size} h, {low:.0f} of {of} hidden",
        bool(k >= NEURONS * size) if size else None,
        (
            "How many units, best first, have 80 % of the effect of the whole layer: medians over the pairs of the "
            f"article. In a random basis {turned:.0f} of {size} h. C7 asks for at least {NEURONS:.0%}.",
        ),
    )


RULES: dict[str, str] = {
    "C1": "the effect of the backward units exceeds random groups and that of the forward ones",
    "C2": "the effect of the hidden units exceeds random groups",
    "C3": "the effect of g exceeds random groups and that of each gate",
    "C4": "the effect of the forward units exceeds random groups and that of the backward ones, for both pairs",
    "C5": "the effect of the unit exceeds random units, for all three pairs",
    "C6": "the effect of the cell exceeds random cells",
    "C7": f"the median k80 of the h is at least {NEURONS:.0%} of them",
}
"""When a claim's units count as used; exceeding is p < .05 against both kinds of groups, Holm over all tests."""
