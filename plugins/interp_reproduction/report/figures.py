"""The article's figures, drawn from a run; one that can't be drawn says why."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from interp import View, draw, pick
from interp_reproduction.evidence import distances
from interp_reproduction.findings import sides
from interp_reproduction.numbers import best
from interp_reproduction.settings import GRAPHS, MINIMUM, SUFFIX, arrow
from interp_reproduction.suffix import speaking

if TYPE_CHECKING:
    from interp_reproduction.runs import Run

FORMATS = (".html", ".png", ".svg")
STRIPS, MOST = 6, 400  # sentences, and more characters than they have around the suffix: none is cut
HISTOGRAMS = (("t", "ծ", "h"), ("t", "ծ", "out"), ("s", "_", "h"))


@dataclass(frozen=True)
class Figure:
    """A figure of the report.

    Attributes
    ----------
    name : str
        Of its files.
    group : str
        The heading that it stands under.
    words : str
        What it shows, for the reader.
    view : View or None
        None where it is left out.
    reason : str
        Why, if so.
    """

    name: str
    group: str
    words: str
    view: View | None = None
    reason: str = ""

    def save(self, folder: Path) -> None:
        """Write the view in all formats, and its numbers as CSV."""
        if self.view is None:
            return
        for suffix in FORMATS:
            self.view.save(folder / "figures" / f"{self.name}{suffix}")
        for table, frame in self.view.tables().items():
            frame.to_csv(folder / "tables" / f"{self.name}-{slug(table)}.csv", index=False)


def slug(text: str) -> str:
    """Return a name for a file in plain letters; other letters by their Unicode names.

    Examples
    --------
    >>> slug("t ծ"), slug("_")
    ('t-ca', 'placeholder')
    """
    words = {" ": " ", "_": " placeholder "}
    plain = (words.get(char, char if char.isascii() else _named(char)) for char in text)
    return "-".join("".join(char if char.isalnum() else " " for char in "".join(plain)).lower().split())


def _named(char: str) -> str:
    return f" {unicodedata.name(char, 'letter').split()[-1]} "


def each_figure(run: Run) -> Iterator[Callable[[], Figure]]:
    """Yield a function for each figure, in the order of the report."""
    for pair in GRAPHS:
        yield partial(graph, run, pair)
    for letter, symbol, quantity in HISTOGRAMS:
        yield partial(histograms, run, (letter, symbol), quantity)
    yield partial(one_neuron, run)
    yield partial(strips, run)


def graph(run: Run, pair: tuple[str, str]) -> Figure:
    """Return the layered graph of a pair."""
    letter, symbol = pair
    shown = "only the second letter of a sound (the placeholder _)" if symbol == "_" else symbol
    empty = Figure(
        name=slug(f"graph {letter} {symbol}"),
        group="Layered graphs",
        words=f"Which units tell that an input {letter} is {shown}, and what they push up and down.",
    )
    if _absent(run, pair):
        return _without(empty, run, pair)
    acts = pick(run.acts, input=letter)
    return _with(empty, draw("layered-graph", acts, run.dist, wiring=run.wiring, pair=pair))


def histograms(run: Run, pair: tuple[str, str], quantity: str) -> Figure:
    """Return the histogram pair of the unit that separates a pair best, among the h or the hidden units."""
    kind = "h" if quantity == "h" else "hidden unit"
    empty = Figure(
        name=slug(f"histograms {' '.join(pair)} {kind}"),
        group="Histogram pairs",
        words=f"The {kind} with the largest distance for {arrow(pair)}: its activations where the input {pair[0]} "
        f"becomes {pair[1]}, and where it becomes something else.",
    )
    if _absent(run, pair):
        return _without(empty, run, pair)
    wanted = (run.dist["quantity"].values == quantity) & (run.dist["symbol"].values == "")
    names = run.dist["unit"].values[wanted]
    unit = str(names[best(run.dist["distance"].sel(pair=arrow(pair)).values[wanted], 1)[0]])
    acts = pick(run.acts, input=pair[0])
    return _with(empty, draw("histogram-pair", acts, run.dist, unit=unit, pair=pair))


def one_neuron(run: Run) -> Figure:
    """Return the pairs that the forward unit best for s=>_ separates."""
    pair = ("s", "_")
    empty = Figure(
        name="top-pairs-s-placeholder",
        group="One neuron",
        words="The pairs that one unit tells apart best: the forward h with the largest distance for s=>_. In the "
        "article it is number 70; numbers of two trainings have nothing to do with each other.",
    )
    if _absent(run, pair):
        return _without(empty, run, pair)
    names = run.dist["unit"].values[(run.dist["quantity"].values == "h") & (run.dist["direction"].values == "forward")]
    unit = str(names[best(distances(run.dist, pair, "forward"), 1)[0]])
    return _with(empty, draw("top-pairs", run.dist, unit=unit))


def strips(run: Run) -> Figure:
    """Return text around the suffix on the activations of the units that speak of it."""
    units = speaking(run)
    empty = Figure(
        name=slug(f"strips {SUFFIX}"),
        group="Cell strips",
        words=f"Letter by letter around {SUFFIX}: the backward cell, the forward cell and the hidden unit that fire "
        "most on it, and the cell that is most its opposite, all by the AUC of C6.",
    )
    if not units or not run.strips.sizes["token"]:
        return replace(empty, reason=f"Left out: {SUFFIX} does not stand in these samples; raise --limit.")
    shown = list(dict.fromkeys(run.strips["source"].values.tolist()))[:STRIPS]
    return _with(
        empty, draw("cell-strips", run.strips, units=units, around=SUFFIX, sources=shown, limit=MOST, predictions=0)
    )


def _absent(run: Run, pair: tuple[str, str]) -> bool:
    return not np.isin(arrow(pair), run.dist["pair"].values)


def _with(empty: Figure, view: View) -> Figure:
    return replace(empty, view=view)


def _without(empty: Figure, run: Run, pair: tuple[str, str]) -> Figure:
    a, b = sides(run, pair)
    few = f"{arrow(pair)} has {a:,} against {b:,} tokens; {MINIMUM} are needed on each side"
    return replace(empty, reason=f"Left out: {few}: raise --limit or give a larger corpus.")
