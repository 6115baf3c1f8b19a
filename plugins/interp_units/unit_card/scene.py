"""Parts of a unit card as shapes relative to their upper left corner; each function also returns the height."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from interp.plotting import (
    colors,
    format_counts,
    format_counts_short,
    has_enough_data,
    scene,
    show_invisible,
    truncate_middle,
)

if TYPE_CHECKING:
    import pandas as pd

Part = tuple[list[scene.Shape], float]
WIDTH = 500.0
BAR = 110.0
ROW = 23.0
SIDES = {"target": ("positive", ()), "rest": ("negative", (5.0, 3.0))}  # colour and dashes
MAX_CONTEXT = 16  # letters on either side


def with_heading(name: str, part: Part, reason: str = "") -> Part:
    """Return a part under its heading; if it is empty, the reason instead."""
    shapes, height = part
    title = scene.Text(0, 10, name, 15, bold=True)
    if not shapes:
        lines = scene.wrap_text(reason or "None.", 0, 36, WIDTH)
        return [title, *lines], 36 + 20.0 * len(lines)
    return [title, *scene.Scene(WIDTH, height, tuple(shapes)).shifted(0, 28)], 28 + height


def distribution(table: pd.DataFrame, names: Mapping[str, str]) -> Part:
    """Return the histogram of all tokens in grey, and of both sides of a pair if the table has them, as shares.

    Parameters
    ----------
    table : DataFrame
        Counts per bin, from `interp_units.unit_card.data.distribution`.
    names : mapping of str to str
        Names of the sides ``target`` and ``rest`` for the legend.
    """
    sides = [side for side in SIDES if side in table]
    height, top = 130.0, 24.0 * len(sides)
    low, high = float(table["low"].iloc[0]), float(table["high"].iloc[-1])
    x = (np.append(table["low"].to_numpy(), high) - low) / (high - low) * WIDTH
    shares = {name: (table[name] / max(table[name].sum(), 1)).to_numpy() for name in ("all", *sides)}
    largest = max(float(values.max()) for values in shares.values()) or 1.0
    shapes: list[scene.Shape] = []
    for name, values in shares.items():
        shapes.append(_histogram(name, x, top + height * (1 - values / largest), top + height))
    shapes += _histogram_legend(sides, names)
    for value in scene.nice_ticks(low, high, 5):
        tick = (value - low) / (high - low) * WIDTH
        shapes.append(scene.Text(tick, top + height + 14, f"{value:g}".replace("-", "−"), 12, "middle", "muted"))
    return shapes, top + height + 26


def _histogram(name: str, x: np.ndarray, y: np.ndarray, bottom: float) -> scene.Area:
    """Return the outline of a histogram with bin edges ``x (edge,)`` and upper ends ``y (bin,)``."""
    points = [(0.0, bottom)]
    for at in range(len(y)):
        points += [(float(x[at]), float(y[at])), (float(x[at + 1]), float(y[at]))]
    color, dash = SIDES.get(name, ("missing", ()))
    line = color if name in SIDES else ""
    return scene.Area((*points, (WIDTH, bottom)), color, 0.28 if line else 0.5, line, dash)


def _histogram_legend(sides: list[str], names: Mapping[str, str]) -> list[scene.Shape]:
    shapes: list[scene.Shape] = []
    if sides:
        shapes += [scene.Box(WIDTH - 126, 1, 26, 14, "missing", alpha=0.5), scene.Text(WIDTH - 90, 8, "all tokens", 13)]
    for row, side in enumerate(sides):
        color, dash = SIDES[side]
        shapes += [
            scene.Edge(0, 8 + 22.0 * row, 26, 8 + 22.0 * row, color, 3, dash),
            scene.Text(36, 8 + 22.0 * row, names[side], 13),
        ]
    return shapes


def pairs(table: pd.DataFrame) -> Part:
    """Return a bar for each pair with its interval, whether the unit is selective for it, and n."""
    shapes: list[scene.Shape] = []
    for at, row in enumerate(table.to_dict("records")):
        y, sides = at * ROW + 10, [(row[f"n_{side}"], row[f"sources_{side}"]) for side in SIDES]
        enough = all(has_enough_data(*side) for side in sides)
        ink, color = ("ink", colors.sequential(row["distance"])) if enough else ("muted", "missing")
        name = " ⇒ ".join(truncate_middle(show_invisible(str(row[f"pair_{end}"])), 4) for end in ("input", "output"))
        n = f"{format_counts(*sides[0])} target, {format_counts(*sides[1])} rest"
        note = f"{truncate_middle(str(row['pair']))}\nn = {n}\ndistance {row['distance']:.3f}"
        note += f" ({row['ci_low']:.3f} to {row['ci_high']:.3f})\nq = {row['q']:.2g}" if "q" in row else ""
        shapes += [
            scene.Text(0, y, name, 14, color=ink, mono=True),
            scene.Box(96, y - 8, BAR, 16, "panel"),
            scene.Box(96, y - 8, BAR * _clipped(row["distance"]), 16, color, key=str(row["pair"]), note=note),
        ]
        if np.isfinite(row.get("ci_low", np.nan)):
            ends = [96 + BAR * _clipped(row[end]) for end in ("ci_low", "ci_high")]
            shapes.append(scene.Edge(ends[0], y, ends[1], y, "muted", 1.5))
        value = f"{row['distance']:.2f}".replace("-", "−") + " selective" * (bool(row.get("selective")) and enough)
        shapes.append(scene.Text(104 + BAR, y, value, 12.5, color=ink))
        counts = " : ".join(format_counts_short(*side) for side in sides)
        shapes.append(scene.Text(WIDTH, y, counts, 11, "end", ink, mono=True))
    return shapes, len(table) * ROW


def _clipped(value: float) -> float:
    """Return a value clipped to 0..1, NaN as 0."""
    return min(max(float(np.nan_to_num(value)), 0.0), 1.0)


def gates(table: pd.DataFrame) -> Part:
    """Return a bar for each gate: the shares of tokens nearly closed, in between, and nearly open."""
    shapes: list[scene.Shape] = []
    for at, row in enumerate(table.to_dict("records")):
        y, low, high = at * ROW + 10, row["frac_saturated_low"], row["frac_saturated_high"]
        closed, opened = 300 * _clipped(low), 300 * _clipped(high)
        note = f"{row['unit']}\nnearly closed {100 * low:.1f} %\nnearly open {100 * high:.1f} %"
        shapes += [
            scene.Text(0, y, truncate_middle(str(row["quantity"]), 6), 14, mono=True),
            scene.Box(60, y - 8, 300, 16, "panel", key=str(row["unit"]), note=truncate_middle(note, 200)),
            scene.Box(60, y - 8, closed, 16, "negative"),
            scene.Box(360 - opened, y - 8, opened, 16, "positive"),
            scene.Text(WIDTH, y, f"shut {100 * low:.0f} %, open {100 * high:.0f} %", 12.5, "end"),
        ]
    return shapes, len(table) * ROW


def contexts(table: pd.DataFrame, scale: float, gate: bool) -> Part:
    """Return a line of text for each example: part of the range, value, and the token on its colour.

    Parameters
    ----------
    table : DataFrame
        Examples, from `interp_units.unit_card.data.text_examples`.
    scale : float
        Absolute activation at the ends of the diverging colour scale.
    gate : bool
        Use the sequential colour scale from 0 to 1 instead.
    """
    shapes: list[scene.Shape] = []
    previous = ""
    for at, row in enumerate(table.to_dict("records")):
        y, value = at * ROW + 10, float(row["value"])
        shapes += [scene.Text(0, y, str(row["row"]), 12.5, color="muted")] * (row["row"] != previous)
        previous = row["row"]
        letter = truncate_middle(show_invisible(str(row["here"])), 4)
        width = max(20.0, scene.text_width(letter, 13) + 6)
        note = f"sample {row['sample']}, step {row['step']}, source {row['source']}\n{value:+.3f}"
        color = colors.sequential(value) if gate else colors.diverging(value / scale)
        before, after = (show_invisible(str(row[name])) for name in ("before", "after"))
        shapes += [
            scene.Text(142, y, f"{value:+.2f}".replace("-", "−"), 12.5, "end", mono=True),
            scene.Text(286, y, before[-MAX_CONTEXT:], 14, "end", "muted", mono=True),
            scene.Box(292, y - 10, width, 20, color, key=f"text {at}", note=note, label=letter, label_size=13),
            scene.Text(298 + width, y, after[:MAX_CONTEXT], 14, color="muted", mono=True),
        ]
    return shapes, len(table) * ROW


def signed_bars(table: pd.DataFrame, column: str, names: list[str]) -> Part:
    """Return a named bar for each row, to the right for positive and to the left for negative numbers.

    Parameters
    ----------
    table : DataFrame
        Units, in the column ``unit``, and their numbers.
    column : str
        Column of the numbers. The scale of ``r`` ends at 1, that of other columns at the largest absolute number.
    names : list of str
        Label of each row.
    """
    scale = float(np.nanmax(np.abs(table[column].to_numpy(float)), initial=1e-12)) if column != "r" else 1.0
    shapes: list[scene.Shape] = []
    for at, (name, value) in enumerate(zip(names, table[column].tolist(), strict=True)):
        y, length = at * ROW + 10, 90 * abs(value) / scale
        color = "positive" if value > 0 else "negative"
        note = f"{truncate_middle(str(table['unit'].iloc[at]))}\n{column.replace('_', ' ')} {value:+.3f}"
        shapes += [
            scene.Text(0, y, truncate_middle(name, 28), 13.5, mono=True),
            scene.Box(350 if value > 0 else 350 - length, y - 8, length, 16, color, key=f"{column} {at}", note=note),
            scene.Text(WIDTH, y, f"{value:+.2f}".replace("-", "−"), 12.5, "end", mono=True),
        ]
    return shapes, len(table) * ROW
