"""The viewer ``hypothesis``: units that share a pattern, and the places where they show it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, SceneView, SchemaError, viewer
from interp.plotting import (
    GREY_NOTE,
    colors,
    format_caption,
    format_counts,
    has_enough_data,
    scene,
    show_invisible,
    truncate_middle,
)

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

LINE, UNIT_LINE = 27.0, 24.0  # pixels from one place to the next, and from one unit to the next
LETTER = 9.2  # pixels per letter of a place's text
MAX_CONTEXT, MAX_TEXT = 22, 12  # letters of a place's context and of its own text
MIN_DOTS, DOT = 150.0, 11.0  # pixels of the dots of a place, and of one dot
STATES = {1: ("on +", "positive"), -1: ("on −", "negative")}
SCORES = ("precision", "recall")
VARIABLES = {"state", "active", "n_agreeing", "expected"}  # of a result of the probe


@dataclass(frozen=True, kw_only=True)
class Hypothesis(SceneView):
    """Units and their thresholds, and below them a line for each place: active units, text and position."""

    max_places: int

    @property
    def _result(self) -> xr.Dataset:
        result: Any = self.data["hypothesis"]
        return result  # type: ignore[no-any-return]

    def compose(self) -> scene.Scene:
        """Return the units, the counts and the places."""
        result = self._result
        shapes = _unit_rows(result)
        y = 44 + result.sizes["unit"] * UNIT_LINE
        shapes += _level_rows(result, 490, 12)
        y = max(y, 44 + 2 * UNIT_LINE + 40) + 24
        x = max(MIN_DOTS, result.sizes["unit"] * DOT + 74)
        shapes += [scene.Text(0, y, "units on", 13, color="muted"), scene.Text(x, y, "place", 13, color="muted")]
        n = min(self.max_places, result.sizes["place"])
        for at in range(n):
            shapes += _place_row(result.isel(place=at), x, y + (at + 1) * LINE)
        if not n:
            text = "No place: try fewer units, a lower min_agreement= or a larger quantile=."
            shapes.append(scene.Text(0, y + LINE, text, 14))
        return scene.Scene(950, y + (max(n, 1) + 1) * LINE, tuple(shapes))

    def style(self) -> str:
        """Return CSS with the width below which the page scrolls, so that small text stays readable."""
        return ".scene { min-width: 740px; }"

    def holoviews(self) -> Any:
        """Return place by unit as a HoloViews ``HeatMap``, 1 where the unit is active."""
        import holoviews as hv

        result = self._result
        names = result["unit"].values.astype(str).tolist()
        cells = (np.arange(result.sizes["place"]), names, result["active"].values.T.astype(int))
        return hv.HeatMap(cells, ["place", "unit"], "active", label=self.title)

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return the units, the counts, and one row per listed place."""
        result = self._result
        columns = ["state", "threshold", "rate"]
        levels, places = (
            result[[name for name in result.data_vars if result[name].dims == (dim,)]] for dim in ("level", "place")
        )
        return {
            "units": result[columns].to_dataframe().reset_index()[["unit", *columns]],
            "counts": levels.to_dataframe().reset_index(),
            "places": places.to_dataframe().reset_index(drop=True),
        }


def _unit_rows(result: xr.Dataset) -> list[scene.Shape]:
    shapes: list[scene.Shape] = [
        scene.Text(0, 12, "unit", 13, color="muted"),
        scene.Text(372, 12, "threshold", 13, "end", "muted"),
        scene.Text(470, 12, "elsewhere", 13, "end", "muted"),
    ]
    columns = (result[name].values.tolist() for name in ("unit", "state", "threshold", "rate"))
    for at, (unit, state, threshold, rate) in enumerate(zip(*columns, strict=True)):
        y = 38 + at * UNIT_LINE
        text, color = STATES[state]
        level = f"{'>' if state > 0 else '<'} {threshold:.2f}".replace("-", "−")
        shapes += [
            scene.Box(0, y - 6, DOT, DOT, color, round=DOT / 2 if state > 0 else 0),
            scene.Text(20, y, truncate_middle(str(unit), 28), 13.5, mono=True),
            scene.Text(270, y, text, 13),
            scene.Text(372, y, level, 13, "end", mono=True),
            scene.Text(470, y, f"{100 * rate:.2g} %", 13, "end", mono=True),
        ]
    return shapes


def _level_rows(result: xr.Dataset, x: float, y: float) -> list[scene.Shape]:
    """Return the counts of strict and fuzzy places, with precision and recall if they were measured."""
    scored = "precision" in result
    shapes: list[scene.Shape] = []
    for column, name in enumerate(("places", *SCORES) if scored else ("places",)):
        shapes.append(scene.Text(x + 150 + 150 * column, y, name, 13, "end", "muted"))
    for row, level in enumerate(result["level"].values.tolist()):
        one, line = result.sel(level=level), y + (row + 1) * UNIT_LINE + 2
        n = (int(one["n_places"]), int(one["sources"]))
        color = "ink" if has_enough_data(*n) else "muted"
        shapes.append(scene.Text(x, line, str(level), 13))
        shapes.append(scene.Text(x + 150, line, format_counts(*n), 13, "end", color, mono=True))
        for column, name in enumerate(SCORES if scored else (), 1):
            text = format_share(*(float(one[name + end]) for end in ("", "_ci_low", "_ci_high")))
            shapes.append(scene.Text(x + 150 + 150 * column, line, text, 13, "end", color, mono=True))
    if scored:
        n = (int(result["matches"]), int(result["match_sources"]))
        text = f"matches of the expression: {format_counts(*n)}"
        shapes.append(scene.Text(x, y + 3 * UNIT_LINE + 2, text, 13, color="ink" if has_enough_data(*n) else "muted"))
    return shapes


def format_share(value: float, low: float, high: float) -> str:
    """Return a share with its interval, such as ``0.86 (0.71–1.00)``; a dash for NaN.

    Parameters
    ----------
    value : float
        Share, 0..1.
    low, high : float
        Ends of its interval; left out if not finite.
    """
    if np.isnan(value):
        return "–"
    return f"{value:.2f}" + (f" ({low:.2f}–{high:.2f})" if np.isfinite(low) else "")


def _place_row(place: xr.Dataset, x: float, y: float) -> list[scene.Shape]:
    """Return one line: a dot for each unit, the number of active ones, the text on a background, and the position."""
    active, states = place["active"].values, place["state"].values.tolist()
    n_agreeing, sample, step, source = (int(place[name]) for name in ("n_agreeing", "sample", "step", "source"))
    before, text, after = (show_invisible(str(place[name].values)) for name in ("before", "match_text", "after"))
    text, left = truncate_middle(text, MAX_TEXT), x + MAX_CONTEXT * LETTER + 14
    width = max(scene.text_width(text, 15), 14) + 8
    note = f"sample {sample}, step {step}, source {source}\n{n_agreeing} units on"
    color = colors.sequential(0.15 + 0.55 * n_agreeing / len(states))
    is_match = bool(place["is_match"]) if "is_match" in place else None
    outline = "wrong" if is_match is False else ""
    box = (left, y - 12, width, 24, color, 2, outline, 2)
    shapes = [
        *_dots(active.tolist(), states, y),
        scene.Text(active.size * DOT + 8, y, f"{n_agreeing} / {len(states)}", 12.5, color="muted", mono=True),
        scene.Text(left - 6, y, before[-MAX_CONTEXT:], 15, "end", "muted", mono=True),
        scene.Box(*box, key=f"{sample} {step}", note=note, label=text, label_size=15),
        scene.Text(left + width + 6, y, after[:MAX_CONTEXT], 15, color="muted", mono=True),
        scene.Text(940, y, f"sample {sample:,}, step {step:,}", 12.5, "end", "muted"),
    ]
    if is_match is not None:
        verdict, ink = ("matches", "ink") if is_match else ("no match", "wrong")
        shapes.append(scene.Text(775, y, verdict, 12.5, "end", ink))
    return shapes


def _dots(active: list[bool], states: list[int], y: float) -> list[scene.Shape]:
    """Return a dot for each unit: round for on+, square for on-, coloured if the unit is active."""
    return [
        scene.Box(
            at * DOT, y - 5, DOT - 2, DOT - 2, STATES[state][1] if on else "panel", round=(DOT - 2) / 2 * (state > 0)
        )
        for at, (on, state) in enumerate(zip(active, states, strict=True))
    ]


@viewer(name="hypothesis")
def hypothesis_view(hypothesis: xr.Dataset, *, max_places: int = 25) -> Hypothesis:
    """Draw the units that are active through a span of text, and the places where they are active together again.

    Parameters
    ----------
    hypothesis : Dataset
        Result of the probe ``hypothesis``.
    max_places : int
        Maximum number of places, 1 to 100.

    Raises
    ------
    SchemaError
        Another kind of result.
    OptionError
        A number of places out of range, or no unit.
    """
    if not set(hypothesis.data_vars) >= VARIABLES:
        names = ", ".join(map(str, hypothesis.data_vars)) or "no variables"
        raise SchemaError(f"Expected a result of interp.measure('hypothesis', acts, span=…); got {names}.")
    if not hypothesis.sizes["unit"]:
        raise OptionError("This result has no unit: measure 'hypothesis' again, or select more units.")
    if not 1 <= max_places <= 100:
        raise OptionError(f"max_places= must be 1 to 100; got {max_places}.")
    text = truncate_middle(show_invisible(str(hypothesis.attrs.get("span_text", ""))), 30)
    options = json.loads(str(hypothesis.attrs.get("options") or "{}"))
    used = {name: value for name, value in options.items() if value not in (None, "", 0, "input")}
    return Hypothesis(
        title=f"{text or 'span'} · places where the pattern recurs",
        caption=format_caption(hypothesis, *_method(hypothesis), GREY_NOTE, **used),
        summary=_summary(hypothesis, text, str(options.get("regex") or "")),
        data={"hypothesis": hypothesis},
        max_places=max_places,
    )


def _method(result: xr.Dataset) -> list[str]:
    n = [result.attrs.get(name, 0) for name in ("n_tokens", "n_sources")]
    searched = [f"searched n = {format_counts(*map(int, n))} tokens / sources"] if all(n) else []
    n_units, n_with_pattern = result.sizes["unit"], int(result["n_with_pattern"])
    return [
        *searched,
        f"{n_units} of {n_with_pattern:,} units with a pattern, the rarest in other text",
        "places / sources without the span's own source",
        f"fuzzy: at least {int(result['n_required'])} units",
    ]


def _summary(result: xr.Dataset, text: str, regex: str) -> str:
    n, of, expected = (result[name].item() for name in ("n_with_pattern", "n_candidates", "expected"))
    strict, fuzzy = (
        format_counts(*map(int, level))
        for level in zip(result["n_places"].values, result["sources"].values, strict=True)
    )
    n_units, n_required = result.sizes["unit"], int(result["n_required"])
    sentence = (
        f"{n:,} of {of:,} units have one state throughout {text or 'the span'} (mean at spans of other text: "
        f"{expected:.1f}). All of the {n_units} rarest are on together at {strict} places / sources, at least "
        f"{n_required} of them at {fuzzy}."
    )
    if "precision" not in result:
        return sentence
    precision, recall = (format_share(float(result[name].sel(level="fuzzy")), np.nan, np.nan) for name in SCORES)
    return (
        f"{sentence} The fuzzy places have precision {precision} and recall {recall} against {truncate_middle(regex)}."
    )
