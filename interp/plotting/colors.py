"""Colours of pictures: named colours, a sequential and two diverging scales, in a light and a dark theme.

A colour has a name (``ink``, ``positive``, ``s17``, ``d-8``), which is also its CSS class; `LIGHT` and `DARK` map names
to values. Scales have a few dozen steps, so that the style sheet of a page can define all colours. Text is readable
on each of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

SEQUENTIAL_STEPS = 32
DIVERGING_STEPS = 24
UNDER_STEPS = 12

# Unlike orange and green in most palettes, these two differ for protanopes. Negative lines are dashed as well.
_LIGHT = {
    "ground": "#ffffff",
    "panel": "#eeeff5",
    "ink": "#1b2130",
    "muted": "#626a80",
    "line": "#d4d7e1",
    "positive": "#e69f00",
    "negative": "#00665a",
    "wrong": "#c1121f",
    "missing": "#bdbdbd",
}
_DARK = {
    "ground": "#12151d",
    "panel": "#1f2430",
    "ink": "#e8eaf2",
    "muted": "#9aa2b8",
    "line": "#3a4152",
    "positive": "#e69f00",
    "negative": "#35b7b0",
    "wrong": "#ff6b6b",
    "missing": "#7c7c7c",
}
_SEQUENTIAL_LIGHT = ("#f3f1f9", "#cbc4e2", "#8d80bd", "#5847a0", "#2a1264")
_SEQUENTIAL_DARK = ("#262936", "#453d78", "#6f5cc0", "#a493ee", "#e6deff")
_DIVERGING_LIGHT = ("#0b5c7e", "#4e97b2", "#a9cdd9", "#f6f6f6", "#f4c6a2", "#e08649", "#b8420e")
_DIVERGING_DARK = ("#8fd8f4", "#3d93b5", "#285064", "#2a2d38", "#6b4128", "#c9692b", "#ffb27a")
# For lines under letters whose background has a colour of the scales above: other hues, to avoid confusion.
_UNDER_LIGHT = ("#3f6b0b", "#8fb54d", "#dbe7c4", "#f3f3f3", "#f2c9e2", "#d04fa6", "#9c0f70")
_UNDER_DARK = ("#b9e26b", "#7ba336", "#3c4a2a", "#2a2d38", "#57304c", "#c54f9b", "#ff86cf")

# Linear sRGB to the cone responses of OKLab, and their cube roots to its axes (B. Ottosson, 2020).
_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_AXES = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def linear(color: str) -> np.ndarray:
    """Return a colour ``#rrggbb`` in linear sRGB, as array (3,) of 0..1."""
    levels = np.array([int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)])
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)


def luminance(color: str) -> float:
    """Return the relative luminance of ``#rrggbb``, 0..1 (WCAG 2.2)."""
    return float(linear(color) @ [0.2126, 0.7152, 0.0722])


def contrast(a: str, b: str) -> float:
    """Return the contrast ratio of two colours, 1..21 (WCAG 2.2); text needs 4.5."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def readable(background: str) -> str:
    """Return black or white: the one with more contrast on ``#rrggbb``, which is at least 4.58."""
    return max(("#000000", "#ffffff"), key=lambda ink: contrast(ink, background))


def oklab_ramp(stops: Sequence[str], steps: int) -> list[str]:
    """Return a colour scale through evenly spaced stops, interpolated in OKLab so that equal steps look equal.

    Parameters
    ----------
    stops : sequence of str
        Colours ``#rrggbb``.
    steps : int
        Number of colours, including both ends.
    """
    axes = np.array([_AXES @ np.cbrt(_CONES @ linear(stop)) for stop in stops])
    positions = np.linspace(0, len(stops) - 1, steps)
    mixed = np.stack([np.interp(positions, np.arange(len(stops)), column) for column in axes.T], axis=1)
    levels = (mixed @ np.linalg.inv(_AXES).T) ** 3 @ np.linalg.inv(_CONES).T
    levels = np.clip(levels, 0, 1)
    encoded = np.where(levels <= 0.0031308, levels * 12.92, 1.055 * levels ** (1 / 2.4) - 0.055)
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in np.rint(encoded * 255).astype(int).tolist()]


def _theme(
    named: Mapping[str, str], sequential: Sequence[str], diverging: Sequence[str], under: Sequence[str]
) -> dict[str, str]:
    scales = (("s", sequential, 0, SEQUENTIAL_STEPS), ("d", diverging, -DIVERGING_STEPS, DIVERGING_STEPS))
    theme = dict(named)
    for letter, stops, low, high in (*scales, ("u", under, -UNDER_STEPS, UNDER_STEPS)):
        theme |= {f"{letter}{low + step}": color for step, color in enumerate(oklab_ramp(stops, high - low + 1))}
    return theme


LIGHT: Mapping[str, str] = _theme(_LIGHT, _SEQUENTIAL_LIGHT, _DIVERGING_LIGHT, _UNDER_LIGHT)
DARK: Mapping[str, str] = _theme(_DARK, _SEQUENTIAL_DARK, _DIVERGING_DARK, _UNDER_DARK)
POSITIVE, NEGATIVE, MISSING = LIGHT["positive"], LIGHT["negative"], LIGHT["missing"]


def sequential(value: float) -> str:
    """Return the colour name of a value in 0..1, such as a gate; others are clipped, NaN is ``missing``."""
    if math.isnan(value):
        return "missing"
    return f"s{round(min(max(value, 0.0), 1.0) * SEQUENTIAL_STEPS)}"


def diverging(value: float) -> str:
    """Return the colour name of a value in -1..1, warm if positive; others are clipped, NaN is ``missing``."""
    if math.isnan(value):
        return "missing"
    return f"d{round(min(max(value, -1.0), 1.0) * DIVERGING_STEPS)}"


def underline(value: float) -> str:
    """Return the colour name of an underline for a value in -1..1, magenta if positive; otherwise as `diverging`."""
    if math.isnan(value):
        return "missing"
    return f"u{round(min(max(value, -1.0), 1.0) * UNDER_STEPS)}"


@cache
def css() -> str:
    """Return the CSS rules of all colours, those of the dark theme under ``prefers-color-scheme: dark``.

    The class ``NAME`` is for fills, ``on-NAME`` for text on them, ``line-NAME`` for lines.
    """
    dark = _rules(DARK)
    return f"{_rules(LIGHT)}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}"


def _rules(theme: Mapping[str, str]) -> str:
    named = {name: color for name, color in theme.items() if name in _LIGHT}
    root = "".join(f"--{name}:{color};" for name, color in named.items())
    rules = [f":root{{{root}}}"]
    for name, color in theme.items():
        ink = readable(color)
        rules.append(f".{name}{{fill:{color};background-color:{color};color:{ink}}}.on-{name}{{fill:{ink}}}")
    rules += [f".line-{name}{{stroke:{color}}}" for name, color in named.items()]
    return "\n".join(rules)
