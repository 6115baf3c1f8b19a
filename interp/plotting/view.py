"""Views: pictures with title, caption, summary and data, which viewers return and notebooks show."""

from __future__ import annotations

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.errors import OptionError
from interp.plotting.html import MAX_CELLS, iframe, read_asset, render_page
from interp.plotting.render import draw_on_figure, svg
from interp.plotting.scene import Scene, with_title
from interp.registry import names_missing_extra
from interp.storage.filesystem import write_atomically

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure


RASTER_DPI = 200
METADATA: Mapping[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}


@dataclass(frozen=True, kw_only=True)
class View(ABC):
    """A picture with its data and its text.

    Subclasses define `figure` and `holoviews`, and `picture` if the page shows more than a static image.

    Parameters
    ----------
    title : str
        Short title, such as ``t ⇒ ծ``.
    caption : str
        Model, dataset, n as tokens / sources, window and options. It is part of every file.
    summary : str
        One sentence that describes the picture for readers who can't see it.
    data : mapping of str to Dataset or DataFrame
        Data of the picture, by heading. The picture is drawn from these alone.
    """

    title: str
    caption: str
    summary: str
    data: Mapping[str, xr.Dataset | pd.DataFrame] = field(repr=False)

    @abstractmethod
    def figure(self) -> Figure:
        """Return the picture as a matplotlib figure with title and caption, which pyplot does not manage."""

    @abstractmethod
    def holoviews(self) -> Any:
        """Return the picture as a HoloViews object."""

    def picture(self) -> str:
        """Return the picture as HTML; the figure as inline SVG by default."""
        markup = _export(self.figure(), "svg").decode()
        return f'<div class="still">{markup[markup.index("<svg") :]}</div>'

    def style(self) -> str:
        """Return CSS that the picture needs besides that of every page; none by default."""
        return ""

    def script(self) -> str:
        """Return JavaScript that runs at the end of the page; none by default."""
        return ""

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return the data of the picture as tables, by heading; a Dataset as one row per element."""
        import pandas as pd

        return {
            name: data if isinstance(data, pd.DataFrame) else data.to_dataframe().reset_index()
            for name, data in self.data.items()
        }

    def html(self, *, max_cells: int = MAX_CELLS) -> str:
        """Return a self-contained HTML page that makes no network request.

        Parameters
        ----------
        max_cells : int
            Maximum number of cells of an HTML table; a larger table is one block of text.
        """
        return render_page(
            title=self.title,
            summary=self.summary,
            caption=self.caption,
            picture=self.picture(),
            tables=self.tables(),
            style=self.style(),
            script=self.script(),
            max_cells=max_cells,
        )

    @names_missing_extra
    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the view to a file. The same view gives the same bytes.

        Parameters
        ----------
        path : path
            File with the suffix ``.html``, ``.png`` or ``.svg``, in an existing directory. An existing file is
            replaced when the new one is complete.

        Returns
        -------
        Path
            Path of the file.

        Raises
        ------
        OptionError
            For another suffix, or if the directory is missing or can't be written.
        """
        path = Path(path)
        writers: dict[str, Callable[[], bytes]] = {
            ".html": self._page,
            ".png": partial(self._image, "png"),
            ".svg": partial(self._image, "svg"),
        }
        if path.suffix not in writers:
            raise OptionError(
                f"Expected a file name that ends in .html, .png or .svg; got {path.name!r}. "
                f"Type view.save({path.stem + '.html'!r})."
            )
        content = writers[path.suffix]()
        _replace(path, content)
        return path

    def _page(self) -> bytes:
        return self.html().encode()

    def _image(self, file_format: str) -> bytes:
        return _export(self.figure(), file_format)

    def _repr_html_(self) -> str:
        return iframe(self.html())


class SceneView(View):
    """A view whose picture is a `Scene`, the same on a page and in a file. Subclasses define `compose`."""

    @abstractmethod
    def compose(self) -> Scene:
        """Return the scene without title and caption."""

    def figure(self) -> Figure:
        """Return the scene with its title and caption as a matplotlib figure."""
        from matplotlib.figure import Figure

        with plain_style():
            figure = Figure()
            draw_on_figure(with_title(self.compose(), self.title, self.summary, self.caption), figure)
        return figure

    def picture(self) -> str:
        """Return the scene as an ``<svg>`` element."""
        return f'<div class="scroller">{svg(self.compose(), self.summary)}</div>'

    def script(self) -> str:
        """Return the script for the tooltips of the scene's nodes."""
        return read_asset("nodes.js")


@contextmanager
def plain_style() -> Iterator[None]:
    """Use matplotlib's defaults instead of the user's style, and write reproducible SVG."""
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        mpl.rcdefaults()
        mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "interp"})
        yield


def _export(figure: Figure, file_format: str) -> bytes:
    buffer = BytesIO()
    with plain_style():
        figure.savefig(buffer, format=file_format, dpi=RASTER_DPI, metadata=METADATA[file_format])
    return buffer.getvalue()


def _replace(path: Path, content: bytes) -> None:
    """Write a file atomically; an error of the disk names the path."""
    folder = path.parent
    if not folder.is_dir():
        raise OptionError(f"There is no directory {str(folder)!r}. Create it, or type another path for {path.name!r}.")
    try:
        with write_atomically(path) as stream:
            stream.write(content)
    except OSError as error:
        raise OptionError(f"Can't write {str(path)!r} ({error.strerror}). Type another path.") from error
