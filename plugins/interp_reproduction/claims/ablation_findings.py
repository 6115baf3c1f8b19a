"""Findings from ablations: whether the network uses the units that a claim names, more than random units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from interp_reproduction.claims.ablations import CONTROLS
from interp_reproduction.claims.finding import format_signed
from interp_reproduction.settings import ALPHA, pair_name

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class AblationFinding:
    """Result of the ablations that belong to a claim.

    Attributes
    ----------
    text : str
        Figure as the table shows it.
    is_used : bool or None
        Whether the units that the claim names are used as it says; None if this could not be measured.
    details : tuple of str
        Sentences with further figures.
    """

    text: str
    is_used: bool | None
    details: tuple[str, ...] = ()


NOT_MEASURED = AblationFinding("not measured", None)


def find_row(effects: pd.DataFrame, group: str, pair: tuple[str, str]) -> Any:
    """Return the row of a group and a pair, or None if there is none."""
    rows = effects
    if len(rows):
        rows = effects[(effects["group"] == group) & (effects["pair"] == pair_name(pair))]
    return rows.iloc[0] if len(rows) else None


def exceeds_random_groups(row: Any) -> bool:
    """Return whether an effect is above 0 and above random groups of both kinds, adjusted for all tests."""
    return bool(row["ci_low"] > 0 and all(row[f"p_{control}_holm"] < ALPHA for control in CONTROLS))


def group_finding(effects: pd.DataFrame, groups: list[tuple[str, tuple[str, str]]]) -> AblationFinding:
    """Return the finding of some groups, each on one pair. They count as used if every one exceeds random groups."""
    rows = [find_row(effects, group, pair) for group, pair in groups]
    if any(row is None for row in rows):
        return NOT_MEASURED
    several = len(rows) > 1
    texts = [(f"{row['pair']} " if several else "") + format_effect(row) for row in rows]
    return AblationFinding(
        "; ".join(texts), all(exceeds_random_groups(row) for row in rows), tuple(map(describe_effect, rows))
    )


def format_effect(row: Any) -> str:
    """Return an effect with its interval and both p-values: ``+5.9 [+5.6, +6.2], p .001 / .001``."""
    p = " / ".join(format_p(row[f"p_{control}"]) for control in CONTROLS)
    return f"{format_signed(row['effect'])} [{format_signed(row['ci_low'])}, {format_signed(row['ci_high'])}], p {p}"


def format_p(p: float) -> str:
    """Return a p-value with three decimals and no leading zero."""
    return f"{p:.3f}".removeprefix("0")


def describe_effect(row: Any) -> str:
    """Return a sentence with specificity, accuracy and n of an ablation."""
    low, high = format_signed(row["specificity_ci_low"]), format_signed(row["specificity_ci_high"])
    return (
        f"{row['group'][:1].upper()}{row['group'][1:]}, {row['pair']}: specificity "
        f"{format_signed(row['specificity'])} [{low}, {high}], accuracy {row['accuracy']:.3f} to "
        f"{row['accuracy_ablated']:.3f}, n {row['tokens']:,} / {row['sources']:,}."
    )
