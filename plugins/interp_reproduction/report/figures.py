"""Figures of the article, drawn from a network run. A figure that cannot be drawn gives the reason instead."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from interp import View, draw, select
from interp_reproduction.claims.evidence import distances
from interp_reproduction.claims.suffix_claim import suffix_units
from interp_reproduction.estimators import top_indices
from interp_reproduction.settings import GRAPH_PAIRS, MIN_TOKENS, SUFFIX, pair_name

if TYPE_CHECKING:
    from interp_reproduction.network_run import NetworkRun

FORMATS = (".html", ".png", ".svg")
MAX_STRIPS = 6  # sentences
MAX_CHARACTERS = 400  # more than any sentence has on one side of the suffix, so that none is cut
HISTOGRAMS = (("t", "ծ", "h"), ("t", "ծ", "out"), ("s", "_", "h"))


@dataclass(frozen=True)
class Figure:
    """A figure of the report.

    Attributes
    ----------
    name : str
        Name of its files.
    group : str
        Heading of its section.
    description : str
        Description for the reader.
    view : View or None
        Picture with its data; None if the figure is left out.
    reason : str
        Reason why it is left out.
    """

    name: str
    group: str
    description: str
    view: View | None = None
    reason: str = ""

    def save(self, folder: Path) -> None:
        """Write the view in all formats, and its data as CSV."""
        if self.view is None:
            return
        for suffix in FORMATS:
            self.view.save(folder / "figures" / f"{self.name}{suffix}")
        for table, frame in self.view.tables().items():
            frame.to_csv(folder / "tables" / f"{self.name}-{slug(table)}.csv", index=False)


def slug(text: str) -> str:
    """Return a file name of ASCII letters; other letters are replaced by their Unicode names.

    Examples
    --------
    >>> slug("t ծ"), slug("_")
    ('t-ca', 'placeholder')
    """
    names = {" ": " ", "_": " placeholder "}
    ascii_only = (names.get(char, char if char.isascii() else _unicode_name(char)) for char in text)
    return "-".join("".join(char if char.isalnum() else " " for char in "".join(ascii_only)).lower().split())


def _unicode_name(char: str) -> str:
    return f" {unicodedata.name(char, 'letter').split()[-1]} "


def figure_steps(network: NetworkRun) -> Iterator[Callable[[], Figure]]:
    """Yield one function per figure, in the order of the report."""
    for pair in GRAPH_PAIRS:
        yield partial(draw_graph, network, pair)
    for letter, symbol, quantity in HISTOGRAMS:
        yield partial(draw_histograms, network, (letter, symbol), quantity)
    yield partial(draw_top_pairs, network)
    yield partial(draw_strips, network)


def draw_graph(network: NetworkRun, pair: tuple[str, str]) -> Figure:
    """Return the layered graph of a pair."""
    letter, symbol = pair
    output = "only the second letter of a sound (the placeholder _)" if symbol == "_" else symbol
    empty = Figure(
        name=slug(f"graph {letter} {symbol}"),
        group="Layered graphs",
        description=f"Units that separate the inputs {letter} that are {output} from the others, and the outputs that "
        "they push up and down.",
    )
    if _is_missing(network, pair):
        return _too_few_tokens(empty, network, pair)
    acts = select(network.acts, input=letter)
    view = draw("layered-graph", acts, network.raw_distances, connectivity=network.connectivity, pair=pair)
    return replace(empty, view=view)


def draw_histograms(network: NetworkRun, pair: tuple[str, str], quantity: str) -> Figure:
    """Return the histogram pair of the unit that separates a pair best, among the h or the hidden units."""
    kind = "h" if quantity == "h" else "hidden unit"
    empty = Figure(
        name=slug(f"histograms {' '.join(pair)} {kind}"),
        group="Histogram pairs",
        description=f"Activations of the {kind} with the largest distance for {pair_name(pair)}: where the input "
        f"{pair[0]} becomes {pair[1]}, and where it becomes something else.",
    )
    if _is_missing(network, pair):
        return _too_few_tokens(empty, network, pair)
    dist = network.raw_distances
    mask = (dist["quantity"].values == quantity) & (dist["symbol"].values == "")
    values = dist["distance"].sel(pair=pair_name(pair)).values[mask]
    unit = str(dist["unit"].values[mask][top_indices(values, 1)[0]])
    return replace(empty, view=draw("histogram-pair", select(network.acts, input=pair[0]), dist, unit=unit, pair=pair))


def draw_top_pairs(network: NetworkRun) -> Figure:
    """Return the pairs that the best forward unit for s=>_ separates."""
    pair = ("s", "_")
    empty = Figure(
        name="top-pairs-s-placeholder",
        group="One neuron",
        description="The pairs that one unit separates best: the forward h with the largest distance for s=>_. In the "
        "article it is number 70; numbers of neurons in different networks are unrelated.",
    )
    if _is_missing(network, pair):
        return _too_few_tokens(empty, network, pair)
    dist = network.raw_distances
    names = dist["unit"].values[(dist["quantity"].values == "h") & (dist["direction"].values == "forward")]
    unit = str(names[top_indices(distances(dist, pair, "forward"), 1)[0]])
    return replace(empty, view=draw("top-pairs", dist, unit=unit))


def draw_strips(network: NetworkRun) -> Figure:
    """Return text around the suffix, coloured by the activations of the units that fire most on it."""
    units, sentences = suffix_units(network.windows), network.suffix_sentences
    empty = Figure(
        name=slug(f"strips {SUFFIX}"),
        group="Cell strips",
        description=f"Letter by letter around {SUFFIX}: the backward cell, the forward cell and the hidden unit that "
        "fire most on it, and the cell that does the opposite most, all by the AUC of C6.",
    )
    if not units or not sentences.sizes["token"]:
        return replace(empty, reason=f"Left out: {SUFFIX} does not occur in these samples; raise --limit.")
    sources = list(dict.fromkeys(sentences["source"].values.tolist()))[:MAX_STRIPS]
    view = draw("cell-strips", sentences, units=units, around=SUFFIX, sources=sources, max_characters=MAX_CHARACTERS,
                show_predictions=0)  # fmt: skip
    return replace(empty, view=view)


def _is_missing(network: NetworkRun, pair: tuple[str, str]) -> bool:
    return not np.isin(pair_name(pair), network.raw_distances["pair"].values)


def _too_few_tokens(empty: Figure, network: NetworkRun, pair: tuple[str, str]) -> Figure:
    target, rest = count_sides(network, pair)
    reason = (
        f"Left out: {pair_name(pair)} has {target:,} against {rest:,} tokens; {MIN_TOKENS} are required on each side. "
        "Raise --limit or use a larger corpus."
    )
    return replace(empty, reason=reason)


def count_sides(network: NetworkRun, pair: tuple[str, str]) -> tuple[int, int]:
    """Return the number of tokens of a pair, and of the other tokens of its input."""
    is_input = network.acts["input"].values == pair[0]
    is_target = is_input & (network.acts["output"].values == pair[1])
    return int(is_target.sum()), int(is_input.sum() - is_target.sum())
