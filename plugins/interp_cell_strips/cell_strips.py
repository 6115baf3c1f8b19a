"""The viewer ``cell-strips`` and its view."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from interp import OptionError, SceneView, viewer
from interp.plotting import SIGMOID_GATES, format_caption, pluralize, render, scene, show_invisible, truncate_middle
from interp_cell_strips.data import strips_dataset
from interp_cell_strips.minimap import draw_minimap
from interp_cell_strips.rows import Row, Scale, iter_lines, list_scales, render_html
from interp_cell_strips.scene import compose_strips

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

LINE_WIDTH = 32
LABELS = ("line", "sample", "step", "source", "input", "output", "predicted")


@dataclass(frozen=True, kw_only=True)
class Strips(SceneView):
    """Rows of letters, wrapped over several lines. Subclasses define the rows, the scales and the marks."""

    line_width: int = LINE_WIDTH
    marks: ClassVar[tuple[str, ...]]

    @abstractmethod
    def rows(self) -> list[list[Row]]:
        """Return the rows of each line."""

    @abstractmethod
    def scales(self) -> list[Scale]:
        """Return the colour scales in use."""

    def compose(self) -> scene.Scene:
        """Return the strips as a scene."""
        return compose_strips(self.rows(), self.scales(), self.marks, self.line_width)

    def picture(self) -> str:
        """Return the strips as HTML tables."""
        return render_html(self.rows(), self.scales(), self.marks, self.line_width)

    def script(self) -> str:
        """Return the JavaScript that shows the values of the column under the pointer."""
        return files("interp_cell_strips").joinpath("strips.js").read_text(encoding="utf-8")

    def style(self) -> str:
        """Return the CSS of the cells."""
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
        return np.isin(self._strips["quantity"].values.astype(str), SIGMOID_GATES)

    def rows(self) -> list[list[Row]]:
        """Return the rows of the input, the output and the units, for each line."""
        return list(iter_lines(self._strips, self._gates))

    def scales(self) -> list[Scale]:
        """Return a scale for each module and quantity, and one for all gates."""
        return list_scales(self._strips, self._gates)

    def compose(self) -> scene.Scene:
        """Return the map of the text above the strips."""
        strips, minimap = super().compose(), draw_minimap(self._strips)
        if minimap is None:
            return strips
        shapes = (*minimap.shapes, *strips.shifted(0, minimap.height))
        return scene.Scene(max(minimap.width, strips.width), minimap.height + strips.height, shapes)

    def picture(self) -> str:
        """Return the map of the text above the strips, as HTML."""
        minimap = draw_minimap(self._strips)
        label = "Positions of the characters in the whole text"
        html = f'<div class="minimap">{render.svg(minimap, label)}</div>' if minimap else ""
        return html + super().picture()

    def holoviews(self) -> Any:
        """Return unit by character as a HoloViews ``HeatMap``; its axis is the position, because letters repeat."""
        import holoviews as hv

        strips = self._strips
        names = strips["unit"].values.astype(str).tolist()
        values = strips["activation"].values / strips["scale_max"].values
        grid = (np.arange(strips.sizes["character"]), names, values.T)
        return hv.HeatMap(grid, ["character", "unit"], "activation / full colour", label=self.title)

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return one row per character: its labels, and a column for each unit."""
        strips = self._strips
        labels = [name for name in LABELS if name in strips.coords]
        frame = strips[labels].to_dataframe()[labels]
        for at in range(strips.sizes.get("rank", 0)):
            rank = int(strips["rank"].values[at])
            frame[f"output_{rank}"] = strips["likely_output"].values[:, at]
            frame[f"probability_{rank}"] = strips["probability"].values[:, at]
        for at, unit in enumerate(strips["unit"].values.astype(str).tolist()):
            frame[unit] = strips["activation"].values[:, at].astype(float)
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
    max_characters: int = 160,
    line_width: int = LINE_WIDTH,
    show_predictions: int = 3,
) -> CellStrips:
    """Draw text letter by letter, on backgrounds coloured by the activations of some units.

    Signed quantities have a diverging scale, symmetric about 0, up to the 99.5th percentile of |x| over the dataset;
    gates have a scale of 0..1. At most 400 characters and 12 units are shown (fewer characters with many units, so that
    the page stays fast), with one passage of each source before a second of any.

    Parameters
    ----------
    acts : Dataset
        Activations, dims ``(token, unit)``, of whole samples, with labels ``input`` and ``output``. With the label
        ``predicted``, the output row shows it, and wrong predictions are framed.
    units : str or sequence of str
        Unit names, such as ``lstm.0.backward.c.6``; 1 to 12.
    around : str
        Text to search for in the input; its occurrences are shown with some context. By default all text is shown.
    context : int
        Number of characters on each side of ``around``.
    samples, sources : sequence of int, optional
        Samples and sources to show; by default all.
    max_characters : int
        Maximum number of characters to show, 400 at most.
    line_width : int
        Number of characters per line, at least 8.
    show_predictions : int
        Number of the likeliest outputs under each letter, 0 to 5, if output units (units with a symbol) were captured.
        The first one is left out if it is the output shown.

    Raises
    ------
    UnknownNameError
        If a unit was not captured.
    OptionError
        If there are no units or too many, the text does not occur, or an option is out of range.
    """
    if line_width < 8 or context < 0 or max_characters < 1:
        raise OptionError(
            "Expected line_width >= 8, context >= 0 and max_characters >= 1; "
            f"got {line_width}, {context} and {max_characters}."
        )
    if not 0 <= show_predictions <= 5:
        raise OptionError(f"Expected show_predictions from 0 to 5; got {show_predictions}.")
    strips = strips_dataset(
        acts, units, around, context, line_width, max_characters, samples, sources, show_predictions
    )
    text = truncate_middle(show_invisible(around), 30)
    window = pluralize(strips.sizes["character"], "character")
    window += f" of {pluralize(np.unique(strips['source'].values).size, 'source')} shown"
    options: dict[str, Any] = {
        "around": truncate_middle(around),
        "context": context,
        "samples": samples,
        "sources": sources,
    }
    return CellStrips(
        title=text or "Cell strips",
        caption=format_caption(acts, window, **{name: value for name, value in options.items() if value}),
        summary=_summary(strips, text),
        data={"strips": strips},
        line_width=line_width,
    )


def _summary(strips: xr.Dataset, text: str) -> str:
    inside = strips["inside"].values
    if not inside.any() or inside.all():
        units = pluralize(strips.sizes["unit"], "unit")
        return f"The text letter by letter; the background of each letter is the activation of {units}."
    values = strips["activation"].values.astype(float)
    means = zip(strips["unit"].values.tolist(), values[inside].mean(0), values[~inside].mean(0), strict=True)
    parts = [
        f"{truncate_middle(str(unit))} {format_signed(mean)} against {format_signed(other)}"
        for unit, mean, other in means
    ]
    more = f"; and {pluralize(len(parts) - 4, 'unit')} more" if len(parts) > 4 else ""
    return f"Mean activation inside {text} against the other characters shown: {'; '.join(parts[:4])}{more}."


def format_signed(value: float) -> str:
    """Return a number with its sign and two decimals.

    Examples
    --------
    >>> format_signed(0.123), format_signed(-0.001)
    ('+0.12', '+0.00')
    """
    return f"{round(value, 2) + 0.0:+.2f}".replace("-", "−")
