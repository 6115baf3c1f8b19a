"""C2 and C3: what the hidden units push, and which gate is the most confident."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from interp import measure
from interp_reproduction.findings import Claim, Finding, distances, missing, n_of, signed
from interp_reproduction.numbers import as_said, best, lead
from interp_reproduction.settings import GRAPHS, TOP, TOP_HIDDEN, arrow

if TYPE_CHECKING:
    from interp_reproduction.runs import Run

SIGNS = {"ծ": 1, "ց": 1, "տ": -1, "թ": -1}
"""What t=>ծ pushes up and down, by the claim."""

HALF = 0.5  # C2 holds where more than half of the units do as said; one of 16 would by chance


def contributions(run: Run, pair: tuple[str, str]) -> tuple[list[str], np.ndarray]:
    """Return the top hidden units of a pair and what each adds to the logits that the claim names.

    Returns
    -------
    units : list of str
        Names, largest distance first.
    contribution : array (unit, output)
        Weight x mean activation over the tokens of the pair; outputs in the order of `SIGNS`.
    """
    hidden = np.flatnonzero((run.dist["quantity"].values == "out") & (run.dist["symbol"].values == ""))
    top = hidden[best(run.dist["distance"].sel(pair=arrow(pair)).values[hidden], TOP_HIDDEN)]
    units = [str(name) for name in run.dist["unit"].values[top]]
    symbols = run.dist["symbol"].values.tolist()
    outputs = [str(run.dist["unit"].values[symbols.index(symbol)]) for symbol in SIGNS]
    read = run.wiring.sel(lower_unit=units)
    added = measure("contributions", run.acts, wiring=read, pairs=[arrow(pair)], article=True, minimum=1)
    return units, added["contribution"].sel(lower_unit=units, upper_unit=outputs, pair=arrow(pair)).values


def push(run: Run) -> Finding:
    """Return the share of the top hidden units for t=>ծ that push ծ and ց up and տ and թ down."""
    pair = ("t", "ծ")
    lacking = missing(run, pair)
    if lacking:
        return lacking
    signs = np.array(list(SIGNS.values()))
    units, added = contributions(run, pair)
    right = as_said(added, signs)
    single = (added * signs > 0).mean(axis=0)
    shares = dict(zip(SIGNS, single.tolist(), strict=True))
    parts = [f"{symbol} {'up' if SIGNS[symbol] > 0 else 'down'} {share:.0%}" for symbol, share in shares.items()]
    listed = ", ".join(name for name, fits in zip(units, right, strict=True) if fits) or "none"
    return Finding(
        text=f"{right.sum()} of {right.size} ({right.mean():.0%})",
        holds=bool(right.mean() > HALF),
        n=n_of(run.dist, pair),
        more=(f"One output at a time: {', '.join(parts)} of them. All four: {listed}.",),
        numbers={"share": float(right.mean())} | {f"share {symbol}": share for symbol, share in shares.items()},
    )


def confident(run: Run) -> Finding:
    """Return by how much H of the cell input g exceeds H of every gate, over the neurons shown."""
    pair = GRAPHS[0]
    lacking = missing(run, pair)
    if lacking:
        return lacking
    margin = leads(run, pair)
    mean, sd, above = float(margin.mean()), float(margin.std(ddof=1)), int((margin > 0).sum())
    others = {arrow(other): float(leads(run, other).mean()) for other in GRAPHS[1:] if not missing(run, other)}
    listed = ", ".join(f"{name} {signed(value)}" for name, value in others.items())
    return Finding(
        text=f"{signed(mean)} (sd {sd:.2f})",
        holds=mean > 0,
        n=n_of(run.dist, pair),
        more=(
            f"From {signed(float(margin.min()))} to {signed(float(margin.max()))}, above 0 in {above} of {margin.size} "
            "neurons; sd is over neurons.",
            f"The mean for the other pairs: {listed or 'too few tokens'}.",
        ),
        numbers={"mean": mean, "sd": sd, "above 0": above} | {f"mean {name}": value for name, value in others.items()},
    )


def leads(run: Run, pair: tuple[str, str]) -> np.ndarray:
    """Return H(g) - max(H(i), H(f), H(o)) for the neurons that a layered graph of a pair shows: (neuron,)."""
    parts = []
    for direction in ("forward", "backward"):
        top = best(distances(run.dist, pair, direction), TOP)
        parts.append(lead(*(distances(run.dist, pair, direction, quantity)[top] for quantity in "gifo")))
    return np.concatenate(parts)


CLAIMS = {
    "C2": Claim(
        "C2",
        "For t=>ծ the top hidden units push ծ and ց up, and տ, թ and the rest down.",
        f"The share of the top {TOP_HIDDEN} hidden units whose mean contribution over the tokens of t=>ծ (weight x "
        "activation) is above 0 for ծ and ց and below 0 for տ and թ.",
        "more than half of them do; one in 16 would by chance",
        push,
    ),
    "C3": Claim(
        "C3",
        "Among the gates, the cell inputs g are the most confident.",
        f"H(g) − max(H(i), H(f), H(o)) of t=>ծ, its mean over the {2 * TOP} neurons shown.",
        "the mean is above 0",
        confident,
    ),
}
