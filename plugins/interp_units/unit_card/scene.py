"""The parts of a unit card, as shapes from their upper left corner: each returns its height too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from interp import captions, lettering, palette, scene

if TYPE_CHECKING:
    import pandas as pd

Part = tuple[list[scene.Shape], float]
WIDTH = 500.0
BAR = 110.0
ROW = 23.0
SIDES = {"with": ("positive", ()), "without": ("negative", (5.0, 3.0))}
LETTERS = 16  # of context on either side


def headed(name: str, part: Part, missing: str = "") -> Part:
    """Return a part under its heading; where it is empty, what is missing instead."""
    shapes, height = part
    title = scene.Text(0, 10, name, 15, bold=True)
    if not shapes:
        lines = scene.paragraph(missing or "None.", 0, 36, WIDTH)
        return [title, *lines], 36 + 20.0 * len(lines)
    return [title, *scene.Scene(WIDTH, height, tuple(shapes)).shifted(0, 28)], 28 + height


def distribution(table: pd.DataFrame, names: Mapping[str, str]) -> Part:
    """Return the histogram of all tokens in grey, and both sides of a pair where the table has them, as shares."""
    height, top = 130.0, 24.0 * len([side for side in SIDES if side in table])
    low, high = float(table["low"].iloc[0]), float(table["high"].iloc[-1])
    shares = {name: table[name] / max(table[name].sum(), 1) for name in ("all", *SIDES) if name in table}
    most = max(float(held.max()) for held in shares.values()) or 1.0
    edges = np.append(table["low"].to_numpy(), high)
    x = (edges - low) / (high - low) * WIDTH
    shapes: list[scene.Shape] = []
    for name, held in shares.items():
        y = top + height * (1 - held.to_numpy() / most)
        points = [(0.0, top + height)]
        for at in range(len(held)):
            points += [(float(x[at]), float(y[at])), (float(x[at + 1]), float(y[at]))]
        color, dash = SIDES.get(name, ("missing", ()))
        line = color if name in SIDES else ""
        shapes.append(scene.Area((*points, (WIDTH, top + height)), color, 0.28 if line else 0.5, line, dash))
    if top:
        shapes += [scene.Box(WIDTH - 126, 1, 26, 14, "missing", alpha=0.5), scene.Text(WIDTH - 90, 8, "all tokens", 13)]
    for row, side in enumerate(side for side in SIDES if side in table):
        color, dash = SIDES[side]
        shapes += [
            scene.Edge(0, 8 + 22.0 * row, 26, 8 + 22.0 * row, color, 3, dash),
            scene.Text(36, 8 + 22.0 * row, names[side], 13),
        ]
    for value in scene.ticks(low, high, 5):
        spot = (value - low) / (high - low) * WIDTH
        shapes.append(scene.Text(spot, top + height + 14, f"{value:g}".replace("-", "−"), 12, "middle", "muted"))
    return shapes, top + height + 26


def pairs(table: pd.DataFrame) -> Part:
    """Return a bar for each pair with its interval, a dot where the unit knows it, and n."""
    shapes: list[scene.Shape] = []
    for at, row in enumerate(table.to_dict("records")):
        y, sides = at * ROW + 10, [(row[f"n_{side}"], row[f"sources_{side}"]) for side in SIDES]
        enough = all(captions.enough(*side) for side in sides)
        ink, color = ("ink", palette.sequential(row["distance"])) if enough else ("muted", "missing")
        name = " ⇒ ".join(lettering.short(lettering.visible(str(row[f"pair_{end}"])), 4) for end in ("input", "output"))
        whole = " against ".join(captions.counts(*side) for side in sides)
        note = f"{lettering.short(str(row['pair']))}\nn = {whole}\ndistance {row['distance']:.3f}"
        note += f" ({row['low']:.3f} to {row['high']:.3f})\nq = {row['q']:.2g}" if "q" in row else ""
        shapes += [
            scene.Text(0, y, name, 14, color=ink, mono=True),
            scene.Box(96, y - 8, BAR, 16, "panel"),
            scene.Box(96, y - 8, BAR * _unit(row["distance"]), 16, color, key=str(row["pair"]), note=note),
        ]
        if np.isfinite(row.get("low", np.nan)):
            ends = [96 + BAR * _unit(row[end]) for end in ("low", "high")]
            shapes.append(scene.Edge(ends[0], y, ends[1], y, "muted", 1.5))
        said = f"{row['distance']:.2f}".replace("-", "−") + " knows" * (bool(row.get("knows")) and enough)
        shapes.append(scene.Text(104 + BAR, y, said, 12.5, color=ink))
        counted = " : ".join(captions.brief_counts(*side) for side in sides)
        shapes.append(scene.Text(WIDTH, y, counted, 11, "end", ink, mono=True))
    return shapes, len(table) * ROW


def _unit(value: float) -> float:
    return min(max(float(np.nan_to_num(value)), 0.0), 1.0)


def gates(table: pd.DataFrame) -> Part:
    """Return for each gate a bar of the share of tokens nearly shut, between, nearly open."""
    shapes: list[scene.Shape] = []
    for at, row in enumerate(table.to_dict("records")):
        y, below, above = at * ROW + 10, 300 * _unit(row["below"]), 300 * _unit(row["above"])
        note = f"{row['unit']}\nnearly shut {100 * row['below']:.1f} %\nnearly open {100 * row['above']:.1f} %"
        shapes += [
            scene.Text(0, y, lettering.short(str(row["quantity"]), 6), 14, mono=True),
            scene.Box(60, y - 8, 300, 16, "panel", key=str(row["unit"]), note=lettering.short(note, 200)),
            scene.Box(60, y - 8, below, 16, "negative"),
            scene.Box(360 - above, y - 8, above, 16, "positive"),
            scene.Text(WIDTH, y, f"shut {100 * row['below']:.0f} %, open {100 * row['above']:.0f} %", 12.5, "end"),
        ]
    return shapes, len(table) * ROW


def contexts(table: pd.DataFrame, full: float, gate: bool) -> Part:
    """Return a line of text for each example: part of the range, value, and the token on its colour."""
    shapes: list[scene.Shape] = []
    seen = ""
    for at, row in enumerate(table.to_dict("records")):
        y, value = at * ROW + 10, float(row["value"])
        shapes += [scene.Text(0, y, str(row["row"]), 12.5, color="muted")] * (row["row"] != seen)
        seen = row["row"]
        letter = lettering.short(lettering.visible(str(row["here"])), 4)
        wide = max(20.0, scene.advance(letter, 13) + 6)
        note = f"sample {row['sample']}, step {row['step']}, source {row['source']}\n{value:+.3f}"
        color = palette.sequential(value) if gate else palette.diverging(value / full)
        before, after = (lettering.visible(str(row[name])) for name in ("before", "after"))
        shapes += [
            scene.Text(142, y, f"{value:+.2f}".replace("-", "−"), 12.5, "end", mono=True),
            scene.Text(286, y, before[-LETTERS:], 14, "end", "muted", mono=True),
            scene.Box(292, y - 10, wide, 20, color, key=f"text {at}", note=note, label=letter, label_size=13),
            scene.Text(298 + wide, y, after[:LETTERS], 14, color="muted", mono=True),
        ]
    return shapes, len(table) * ROW


def signed(table: pd.DataFrame, column: str, names: list[str]) -> Part:
    """Return a bar to the right for positive and to the left for negative numbers, with a name each."""
    size = float(np.nanmax(np.abs(table[column].to_numpy(float)), initial=1e-12)) if column != "r" else 1.0
    shapes: list[scene.Shape] = []
    for at, (name, value) in enumerate(zip(names, table[column].tolist(), strict=True)):
        y, length = at * ROW + 10, 90 * abs(value) / size
        color = "positive" if value > 0 else "negative"
        note = f"{lettering.short(str(table['unit'].iloc[at]))}\n{column} {value:+.3f}"
        shapes += [
            scene.Text(0, y, lettering.short(name, 28), 13.5, mono=True),
            scene.Box(350 if value > 0 else 350 - length, y - 8, length, 16, color, key=f"{column} {at}", note=note),
            scene.Text(WIDTH, y, f"{value:+.2f}".replace("-", "−"), 12.5, "end", mono=True),
        ]
    return shapes, len(table) * ROW
