"""C2 and C3: what the hidden units push, and which gate is the most confident."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from interp_reproduction.estimates import Estimate
from interp_reproduction.evidence import distances, n_of, of_kind, with_groups
from interp_reproduction.findings import Claim, Finding, from_parts, missing
from interp_reproduction.numbers import as_said, best, lead, sign_test
from interp_reproduction.settings import CONTROLS, GRAPHS, LEVEL, TOP, TOP_HIDDEN, arrow

if TYPE_CHECKING:
    from interp_reproduction.evidence import Evidence

SIGNS = {"ծ": 1, "ց": 1, "տ": -1, "թ": -1}
"""What t=>ծ pushes up and down, by the claim."""

PAIR = GRAPHS[0]
HALF = 0.5  # C2 holds where more than half of the units do as said


def contributions(evidence: Evidence) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the hidden units, which of them are the top ones for t=>ծ, and what each adds to four logits.

    Returns
    -------
    units : list of str
        Names.
    top : array of int
        Places of those with the largest distance on one half of the sources, largest first.
    contribution : array (unit, output)
        The contrast, on the other half; outputs in the order of `SIGNS`.
    """
    units = [str(name) for name in evidence.chosen["unit"].values[of_kind(evidence.chosen, quantity="out")]]
    added = evidence.pushed.sel(pair=arrow(PAIR), lower_unit=units)
    symbols = added["upper_symbol"].values.tolist()
    values = added["contribution"].transpose("lower_unit", "upper_unit").values
    return (
        units,
        best(distances(evidence.chosen, PAIR, quantity="out"), TOP_HIDDEN),
        values[:, [symbols.index(symbol) for symbol in SIGNS]],
    )


def push(evidence: Evidence) -> Finding:
    """Return the share of the top hidden units for t=>ծ that push ծ and ց up and տ and թ down."""
    lacking = missing(evidence, PAIR)
    if lacking:
        return lacking
    signs = np.array(list(SIGNS.values()))
    units, top, added = contributions(evidence)
    right = as_said(added[top], signs)
    share, (p, chance) = float(right.mean()), sign_test(added, top, signs, CONTROLS, evidence.seed)
    shares = dict(zip(SIGNS, (added[top] * signs > 0).mean(axis=0).tolist(), strict=True))
    parts = [f"{symbol} {'up' if SIGNS[symbol] > 0 else 'down'} {one:.0%}" for symbol, one in shares.items()]
    listed = ", ".join(units[at] for at, fits in zip(top, right, strict=True) if fits) or "none"
    certain = p < LEVEL
    return Finding(
        text=f"{right.sum()} of {right.size} ({share:.0%}), p = {p:.3f}",
        holds=certain if share > HALF and certain else None if share > HALF else False,
        why=f"more than half of them do, but p = {p:.3f} against shuffled columns",
        n=n_of(evidence.measured, PAIR),
        more=(
            f"One output at a time: {', '.join(parts)} of them. All four: {listed}. With each column of contributions "
            f"shuffled among the {len(units)} hidden units, {chance:.1f} of {right.size} would do so.",
        ),
        numbers={"share": share, "p": p, "by chance": chance / right.size}
        | {f"share {symbol}": one for symbol, one in shares.items()},
    )


def leads(evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """Return H(g) - max(H(i), H(f), H(o)) of the neurons shown, from all sources and without each group of them.

    Returns
    -------
    array (neuron,), array (group, neuron)
        The top ten forward and the top ten backward h for t=>ծ.
    """
    values, lefts = [], []
    for direction in ("forward", "backward"):
        top = best(distances(evidence.chosen, PAIR, direction), TOP)
        held = [with_groups(evidence.gates, PAIR, direction, gate) for gate in "gifo"]
        values.append(lead(*(value[top] for value, _ in held)))
        lefts.append(lead(*(left[:, top] for _, left in held)))
    return np.concatenate(values), np.concatenate(lefts, axis=1)


def confident(evidence: Evidence) -> Finding:
    """Return by how much H of the cell input g exceeds H of every gate, over the neurons shown."""
    lacking = missing(evidence, PAIR)
    if lacking:
        return lacking
    margin, left = leads(evidence)
    said = (
        f"From {signed_ends(margin)}, above 0 in {(margin > 0).sum()} of {margin.size} neurons; their standard "
        f"deviation is {margin.std(ddof=1):.2f}."
    )
    mean = Estimate(float(margin.mean()), left.mean(axis=1))
    return from_parts({arrow(PAIR): mean}, 1, n_of(evidence.gates, PAIR), [said])


def signed_ends(values: np.ndarray) -> str:
    """Return the smallest and the largest of some numbers: ``−0.20 to +0.11``."""
    return " to ".join(f"{value:+.2f}".replace("-", "−") for value in (values.min(), values.max()))


CLAIMS = {
    "C2": Claim(
        "C2",
        "For t=>ծ the top hidden units push ծ and ց up, and տ, թ and the rest down.",
        f"The share of the top {TOP_HIDDEN} hidden units whose contrast contribution is above 0 for ծ and ց and below "
        "0 for տ and թ: (weight − mean weight to all that t becomes) x activation, its mean over t=>ծ minus that over "
        f"the other t. p: the share of {CONTROLS} shuffles of each output's column among all hidden units in which as "
        "many do.",
        f"more than half of them do, and p < {LEVEL}",
        push,
    ),
    "C3": Claim(
        "C3",
        "Among the gates, the cell inputs g are the most confident.",
        f"H(g) − max(H(i), H(f), H(o)) of t=>ծ, its mean over the {2 * TOP} neurons shown.",
        "the interval of the mean lies above 0",
        confident,
    ),
}
