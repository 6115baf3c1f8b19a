"""The viewer ``hypothesis``: the units that share a pattern, and the places where they show it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, SceneView, SchemaError, captions, lettering, palette, scene, viewer

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

LINE, UNIT_LINE = 27.0, 24.0
LETTER = 9.2  # pixels a letter of a place's text takes
BEFORE, HERE = 22, 12  # the most letters shown of a place's context and of itself
AGREE, DOT = 150.0, 11.0
STATES = {1: ("on +", "positive"), -1: ("on −", "negative")}


@dataclass(frozen=True, kw_only=True)
class Hypothesis(SceneView):
    """Units with their thresholds above; below a line for each place: which units are on, its text, where it is."""

    n_places: int

    @property
    def _found(self) -> xr.Dataset:
        found: Any = self.data["hypothesis"]
        return found  # type: ignore[no-any-return]

    def compose(self) -> scene.Scene:
        """Return the units, the counts and the places."""
        found = self._found
        shapes = _units(found)
        y = 44 + found.sizes["unit"] * UNIT_LINE
        shapes += _levels(found, 490, 12)
        y = max(y, 44 + 2 * UNIT_LINE + 40) + 24
        x = max(AGREE, found.sizes["unit"] * DOT + 74)
        shapes += [scene.Text(0, y, "units on", 13, color="muted"), scene.Text(x, y, "place", 13, color="muted")]
        for at in range(min(self.n_places, found.sizes["place"])):
            shapes += _place(found.isel(place=at), x, y + (at + 1) * LINE)
        if not found.sizes["place"]:
            shapes.append(
                scene.Text(0, y + LINE, "No place: fewer units, a lower fuzzy= or a larger share= give more.", 14)
            )
        lines = max(min(self.n_places, found.sizes["place"]), 1)
        return scene.Scene(950, y + (lines + 1) * LINE, tuple(shapes))

    def style(self) -> str:
        """Return the width below which the page scrolls, so that small text can be read."""
        return ".scene { min-width: 740px; }"

    def holoviews(self) -> Any:
        """Return place by unit as a HoloViews ``HeatMap``, 1 where the unit is on."""
        import holoviews as hv

        found = self._found
        names = found["unit"].values.astype(str).tolist()
        grid = (np.arange(found.sizes["place"]), names, found["on"].values.T.astype(int))
        return hv.HeatMap(grid, ["place", "unit"], "on", label=self.title)

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return the units, the counts, and one row for each place that was listed."""
        found = self._found
        units = found[["state", "threshold", "rate"]].to_dataframe().reset_index()
        levels = found[[name for name in found.data_vars if found[name].dims == ("level",)]]
        places = found[[name for name in found.data_vars if found[name].dims == ("place",)]]
        counts = levels.to_dataframe().reset_index()
        return {
            "units": units[["unit", "state", "threshold", "rate"]],
            "counts": counts,
            "places": places.to_dataframe().reset_index(drop=True),
        }


def _units(found: xr.Dataset) -> list[scene.Shape]:
    shapes: list[scene.Shape] = [
        scene.Text(0, 12, "unit", 13, color="muted"),
        scene.Text(372, 12, "threshold", 13, "end", "muted"),
        scene.Text(470, 12, "elsewhere", 13, "end", "muted"),
    ]
    columns = (found[name].values.tolist() for name in ("unit", "state", "threshold", "rate"))
    for at, (unit, state, threshold, rate) in enumerate(zip(*columns, strict=True)):
        y = 38 + at * UNIT_LINE
        word, color = STATES[state]
        level = f"{'>' if state > 0 else '<'} {threshold:.2f}".replace("-", "−")
        shapes += [
            scene.Box(0, y - 6, DOT, DOT, color, round=DOT / 2 if state > 0 else 0),
            scene.Text(20, y, lettering.short(str(unit), 28), 13.5, mono=True),
            scene.Text(270, y, word, 13),
            scene.Text(372, y, level, 13, "end", mono=True),
            scene.Text(470, y, f"{100 * rate:.2g} %", 13, "end", mono=True),
        ]
    return shapes


def _levels(found: xr.Dataset, x: float, y: float) -> list[scene.Shape]:
    """Return the counts of both levels, with precision and recall where they were measured."""
    asked, columns = "precision" in found, ("places", "precision", "recall")
    shapes: list[scene.Shape] = []
    for column, name in enumerate(columns[: 3 if asked else 1]):
        shapes.append(scene.Text(x + 150 + 150 * column, y, name, 13, "end", "muted"))
    for row, level in enumerate(found["level"].values.tolist()):
        one, at = found.sel(level=level), y + (row + 1) * UNIT_LINE + 2
        n = (int(one["places"]), int(one["sources"]))
        color = "ink" if captions.enough(*n) else "muted"
        shapes.append(scene.Text(x, at, str(level), 13))
        shapes.append(scene.Text(x + 150, at, captions.counts(*n), 13, "end", color, mono=True))
        for column, name in enumerate(columns[1:] if asked else (), 1):
            text = share(*(float(one[name + end]) for end in ("", "_low", "_high")))
            shapes.append(scene.Text(x + 150 + 150 * column, at, text, 13, "end", color, mono=True))
    if asked:
        n = (int(found["matches"]), int(found["match_sources"]))
        words = f"matches of the expression: {captions.counts(*n)}"
        shapes.append(scene.Text(x, y + 3 * UNIT_LINE + 2, words, 13, color="ink" if captions.enough(*n) else "muted"))
    return shapes


def share(value: float, low: float, high: float) -> str:
    """Return a share with its interval: ``.86 (.71–1.0)``; a dash where there is none."""
    if np.isnan(value):
        return "–"
    return f"{value:.2f}" + (f" ({low:.2f}–{high:.2f})" if np.isfinite(low) else "")


def _place(place: xr.Dataset, x: float, y: float) -> list[scene.Shape]:
    """Return one line: a dot for each unit that is on, then the text, its span on a background, then where it is."""
    on, states = place["on"].values, place["state"].values.tolist()
    before, here, after = (str(place[name].values) for name in ("before", "here", "after"))
    shapes: list[scene.Shape] = []
    for at, (lit, state) in enumerate(zip(on.tolist(), states, strict=True)):
        box = (at * DOT, y - 5, DOT - 2, DOT - 2)
        color = STATES[state][1] if lit else "panel"
        shapes.append(scene.Box(*box, color, round=(DOT - 2) / 2 if state > 0 else 0))
    agree = int(place["agree"])
    text, where = lettering.short(lettering.visible(here), HERE), x + BEFORE * LETTER + 14
    wide = max(scene.advance(text, 15), 14) + 8
    note = f"sample {int(place['sample'])}, step {int(place['step'])}, source {int(place['source'])}\n{agree} units on"
    color = palette.sequential(0.15 + 0.55 * agree / len(states))
    right = bool(place["right"]) if "right" in place else None
    outline = "wrong" if right is False else ""
    key = f"{int(place['sample'])} {int(place['step'])}"
    shapes += [
        scene.Text(on.size * DOT + 8, y, f"{agree} / {len(states)}", 12.5, color="muted", mono=True),
        scene.Text(where - 6, y, lettering.visible(before)[-BEFORE:], 15, "end", "muted", mono=True),
        scene.Box(where, y - 12, wide, 24, color, 2, outline, 2, key=key, note=note, label=text, label_size=15),
        scene.Text(where + wide + 6, y, lettering.visible(after)[:BEFORE], 15, color="muted", mono=True),
        scene.Text(940, y, f"sample {int(place['sample']):,}, step {int(place['step']):,}", 12.5, "end", "muted"),
    ]
    if right is not None:
        shapes.append(scene.Text(775, y, "matches" if right else "no match", 12.5, "end", "ink" if right else "wrong"))
    return shapes


@viewer(name="hypothesis")
def hypothesis_view(found: xr.Dataset, *, n_places: int = 25) -> Hypothesis:
    """Draw what a hypothesis found: units that are on through a span of text, and where they are on together again.

    Parameters
    ----------
    found : Dataset
        Of the probe ``hypothesis``.
    n_places : int
        The most places, 1 to 100.

    Raises
    ------
    SchemaError
        Another kind of result.
    OptionError
        Too many places, no unit.
    """
    if not {"state", "on", "agree", "expected"} <= set(found.data_vars):
        got = ", ".join(map(str, found.data_vars)) or "no variables"
        raise SchemaError(f"Expected a result of interp.measure('hypothesis', acts, span=…); got {got}.")
    if not found.sizes["unit"]:
        raise OptionError("No unit is left in this result. Measure 'hypothesis' again, or select less.")
    if not 1 <= n_places <= 100:
        raise OptionError(f"n_places= is 1 to 100; got {n_places}.")
    text = lettering.short(lettering.visible(str(found.attrs.get("span_text", ""))), 30)
    options = json.loads(str(found.attrs.get("options") or "{}"))
    told = {name: held for name, held in options.items() if held not in (None, "", 0, "input")}
    n = [found.attrs.get(name, 0) for name in ("n_tokens", "n_sources")]
    searched = [f"searched n = {captions.counts(*map(int, n))} tokens / sources"] if all(n) else []
    method = [
        f"{found.sizes['unit']} of {int(found['with_pattern']):,} units with the pattern, the rarest elsewhere",
        "places / sources without the span's own source",
        f"fuzzy: at least {int(found['needed'])} units",
    ]
    return Hypothesis(
        title=f"{text or 'span'} · where the pattern comes back",
        caption=captions.caption(found, *searched, *method, captions.GREY, **told),
        summary=_summary(found, text, str(options.get("regex") or "")),
        data={"hypothesis": found},
        n_places=n_places,
    )


def _summary(found: xr.Dataset, text: str, regex: str) -> str:
    having, of, expected = (found[name].item() for name in ("with_pattern", "of_units", "expected"))
    strict, fuzzy = (
        captions.counts(*map(int, pair)) for pair in zip(found["places"].values, found["sources"].values, strict=True)
    )
    said = (
        f"{having:,} of {of:,} units keep one state through {text or 'the span'} (at a span of other text "
        f"{expected:.1f} in the mean); the {found.sizes['unit']} rarest do so together at {strict} places / sources, "
        f"and {int(found['needed'])} or more of them at {fuzzy}"
    )
    if "precision" not in found:
        return f"{said}."
    shares = [share(float(found[name].sel(level="fuzzy")), np.nan, np.nan) for name in ("precision", "recall")]
    return f"{said}; of these {shares[0]} match {lettering.short(regex)}, and of its matches {shares[1]} are found."
