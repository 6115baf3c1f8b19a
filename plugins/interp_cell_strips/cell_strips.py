"""The viewer ``cell-strips`` and its view."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from interp import OptionError, SceneView, captions, lettering, render, scene, viewer
from interp_cell_strips.cells import Row, Scale, lines, scales
from interp_cell_strips.markup import markup
from interp_cell_strips.minimap import minimap
from interp_cell_strips.picture import picture
from interp_cell_strips.tables import GATES, strips

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

COLUMNS = 32
LABELS = ("line", "sample", "step", "source", "input", "output", "predicted")


@dataclass(frozen=True, kw_only=True)
class Strips(SceneView):
    """Rows of letters, wrapped over several lines; subclasses say which rows, scales and marks."""

    columns: int = COLUMNS
    marks: ClassVar[tuple[str, ...]]

    @abstractmethod
    def rows(self) -> list[list[Row]]:
        """Return the rows of each line."""

    @abstractmethod
    def scales(self) -> list[Scale]:
        """Return the colour scales in use."""

    def compose(self) -> scene.Scene:
        """Return the strips as a picture."""
        return picture(self.rows(), self.scales(), self.marks, self.columns)

    def picture(self) -> str:
        """Return the strips as HTML tables."""
        return markup(self.rows(), self.scales(), self.marks, self.columns)

    def script(self) -> str:
        """Return what reads out the column under the pointer."""
        return files("interp_cell_strips").joinpath("strips.js").read_text(encoding="utf-8")

    def style(self) -> str:
        """Return how the cells look."""
        return files("interp_cell_strips").joinpath("strips.css").read_text(encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class CellStrips(Strips):
    """Input row above output row, then a row of coloured letters for each unit."""

    marks: ClassVar[tuple[str, ...]] = ("framed", "clipped")

    @property
    def _strips(self) -> xr.Dataset:
        strips: Any = self.data["strips"]
        return strips  # type: ignore[no-any-return]

    @property
    def _gates(self) -> np.ndarray:
        return np.isin(self._strips["quantity"].values.astype(str), GATES)

    def rows(self) -> list[list[Row]]:
        """Return the input, the output and the units, line by line."""
        return list(lines(self._strips, self._gates))

    def scales(self) -> list[Scale]:
        """Return a scale for each module and quantity, and one for all gates."""
        return scales(self._strips, self._gates)

    def compose(self) -> scene.Scene:
        """Return the map of the text above the strips."""
        strips, above = super().compose(), minimap(self._strips)
        if above is None:
            return strips
        shapes = (*above.shapes, *strips.shifted(0, above.height))
        return scene.Scene(max(above.width, strips.width), above.height + strips.height, shapes)

    def picture(self) -> str:
        """Return the map of the text above the strips."""
        above = minimap(self._strips)
        label = "Where the characters stand in the whole text"
        return (f'<div class="minimap">{render.svg(above, label)}</div>' if above else "") + super().picture()

    def holoviews(self) -> Any:
        """Return unit by character as a HoloViews ``HeatMap``, over the position and never over the letter."""
        import holoviews as hv

        data = self._strips
        names = data["unit"].values.astype(str).tolist()
        values = data["activation"].values / data["full"].values
        grid = (np.arange(data.sizes["character"]), names, values.T)
        return hv.HeatMap(grid, ["character", "unit"], "activation / full colour", label=self.title)

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return one row per character: its labels, and a column for each unit."""
        data = self._strips
        labels = [name for name in LABELS if name in data.coords]
        frame = data[labels].to_dataframe()[labels]
        for rank in range(data.sizes.get("rank", 0)):
            number = int(data["rank"].values[rank])
            frame[f"output_{number}"] = data["guess"].values[:, rank]
            frame[f"chance_{number}"] = data["chance"].values[:, rank]
        for at, unit in enumerate(data["unit"].values.astype(str).tolist()):
            frame[unit] = data["activation"].values[:, at].astype(float)
        return {"characters": frame.reset_index(drop=True)}


@viewer(requires=("input", "output"))
def cell_strips(
    acts: xr.Dataset,
    *,
    units: str | Sequence[str],
    around: str = "",
    context: int = 10,
    samples: Sequence[int] | None = None,
    sources: Sequence[int] | None = None,
    limit: int = 160,
    columns: int = COLUMNS,
    predictions: int = 3,
) -> CellStrips:
    """Draw text letter by letter on backgrounds as strong as the activations of some units.

    Signed quantities have a diverging scale, symmetric about 0, that reaches 99.5 % of |x| over the dataset; gates have
    0..1. At most 400 characters and 12 units are shown (fewer characters with many units, so that a page stays quick),
    one passage of each source before a second of any.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)`` with labels ``input`` and ``output``, whole samples; where there is ``predicted``, the
        output row shows it, and what is not right is framed.
    units : str or sequence of str
        Names, such as ``lstm.0.backward.c.6``; 1 to 12.
    around : str
        Show the places where the input reads so, with some characters on both sides.
    context : int
        How many characters on each side of ``around``.
    samples, sources : sequence of int, optional
        Show these only.
    limit : int
        The most characters to show, 400 at most.
    columns : int
        Characters in a line, 8 at least.
    predictions : int
        How many of the likeliest outputs are shown under each letter, 0 to 5, where output units were captured: units
        that stand for a symbol. The first one is left out where it is the output shown.

    Raises
    ------
    UnknownNameError
        A unit that was not captured.
    OptionError
        No unit or too many, or no such text.
    """
    if columns < 8 or context < 0 or limit < 1:
        raise OptionError(f"Expected columns >= 8, context >= 0 and limit >= 1; got {columns}, {context} and {limit}.")
    if not 0 <= predictions <= 5:
        raise OptionError(f"predictions= is 0 to 5; got {predictions}.")
    shown = strips(acts, units, around, context, columns, limit, samples, sources, predictions)
    text = lettering.short(lettering.visible(around), 30)
    window = captions.some(shown.sizes["character"], "character")
    window += f" of {captions.some(np.unique(shown['source'].values).size, 'source')} shown"
    options: dict[str, Any] = {
        "around": lettering.short(around),
        "context": context,
        "samples": samples,
        "sources": sources,
    }
    return CellStrips(
        title=text or "Cell strips",
        caption=captions.caption(acts, window, **{name: value for name, value in options.items() if value}),
        summary=_summary(shown, text),
        data={"strips": shown},
        columns=columns,
    )


def _summary(shown: xr.Dataset, text: str) -> str:
    inside = shown["inside"].values
    if not inside.any() or inside.all():
        units = captions.some(shown.sizes["unit"], "unit")
        return f"The text letter by letter, with the activation of {units} behind each letter."
    values = shown["activation"].values.astype(float)
    means = zip(shown["unit"].values.tolist(), values[inside].mean(0), values[~inside].mean(0), strict=True)
    said = [f"{lettering.short(str(unit))} {signed(here)} against {signed(away)}" for unit, here, away in means]
    more = f"; and {captions.some(len(said) - 4, 'unit')} more" if len(said) > 4 else ""
    return f"Mean activation inside {text} against the other characters shown: {'; '.join(said[:4])}{more}."


def signed(value: float) -> str:
    """Return a number with its sign and two decimals."""
    return f"{round(value, 2) + 0.0:+.2f}".replace("-", "−")
