"""What a viewer returns: a picture with its title, caption, sentence and numbers, which saves and shows itself."""

from __future__ import annotations

import os
import tempfile
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
from interp.plotting.render import draw_on_figure, svg
from interp.plotting.scene import Scene, with_title

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
    """A picture: what is drawn, in numbers and in words, and how to draw it.

    Subclass it and write `figure` and `holoviews`; write `picture` too where a page can do more than a still image.

    Parameters
    ----------
    title : str
        A few characters: ``t ⇒ ծ``.
    caption : str
        Names model, dataset, n as tokens / sources, window and options; goes into every export.
    summary : str
        One sentence that says what there is to see, for those who can't see it.
    data : mapping of str to Dataset or DataFrame
        What is drawn. Pictures are drawn from it alone.
    """

    title: str
    caption: str
    summary: str
    data: Mapping[str, xr.Dataset | pd.DataFrame] = field(repr=False)

    @abstractmethod
    def figure(self) -> Figure:
        """Return the picture as a matplotlib figure that belongs to no global state, with title and caption."""

    @abstractmethod
    def holoviews(self) -> Any:
        """Return the picture as a HoloViews object."""

    def picture(self) -> str:
        """Return the picture as HTML; by default the figure as inline SVG."""
        markup = _export(self.figure(), "svg").decode()
        return f'<div class="still">{markup[markup.index("<svg") :]}</div>'

    def style(self) -> str:
        """Return CSS that the page needs beside its own."""
        return ""

    def script(self) -> str:
        """Return JavaScript that runs at the end of the page."""
        return ""

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return the numbers of the picture as tables, by heading; a Dataset becomes one row per element."""
        import pandas as pd

        return {
            name: data if isinstance(data, pd.DataFrame) else data.to_dataframe().reset_index()
            for name, data in self.data.items()
        }

    def html(self, *, cells: int | None = None) -> str:
        """Return one self-contained page: no request is made, and every label is escaped.

        Parameters
        ----------
        cells : int, optional
            The most cells of a table that is marked up; a larger one is a block of text. By default 700.
        """
        from interp.plotting.html import CELLS, page

        return page(self, CELLS if cells is None else cells)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the view to a file: ``.html``, ``.png`` or ``.svg``. The same view gives the same bytes.

        Parameters
        ----------
        path : path
            Its directory must exist. An existing file is replaced when the new one is complete.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        OptionError
            For another suffix, or a directory that is missing or can't be written.
        """
        path = Path(path)
        writers: dict[str, Callable[[], bytes]] = {
            ".html": self._page,
            ".png": partial(self._image, "png"),
            ".svg": partial(self._image, "svg"),
        }
        if path.suffix not in writers:
            raise OptionError(
                f"A view is saved as .html, .png or .svg; got {path.name!r}. Type view.save({path.stem + '.html'!r})."
            )
        content = writers[path.suffix]()
        _replace(path, content)
        return path

    def _page(self) -> bytes:
        return self.html().encode()

    def _image(self, kind: str) -> bytes:
        return _export(self.figure(), kind)

    def _repr_html_(self) -> str:
        from interp.plotting.html import frame

        return frame(self)


class SceneView(View):
    """A view that is drawn from one `Scene`, alike on a page and in a file; subclasses write `compose`."""

    @abstractmethod
    def compose(self) -> Scene:
        """Return the picture without title and caption."""

    def figure(self) -> Figure:
        """Return the scene between its title and its caption as a matplotlib figure."""
        from matplotlib.figure import Figure

        with plain_style():
            figure = Figure()
            draw_on_figure(with_title(self.compose(), self.title, self.summary, self.caption), figure)
        return figure

    def picture(self) -> str:
        """Return the scene as an ``<svg>`` element."""
        return f'<div class="scroller">{svg(self.compose(), self.summary)}</div>'

    def script(self) -> str:
        """Return the tooltips of the scene's nodes."""
        from interp.plotting.html import asset

        return asset("nodes.js")


@contextmanager
def plain_style() -> Iterator[None]:
    """Draw with matplotlib's own defaults, whatever the user's style sheet says, and reproducible SVG."""
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        mpl.rcdefaults()
        mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "interp"})
        yield


def _export(figure: Figure, kind: str) -> bytes:
    buffer = BytesIO()
    with plain_style():
        figure.savefig(buffer, format=kind, dpi=RASTER_DPI, metadata=METADATA[kind])
    return buffer.getvalue()


def _replace(path: Path, content: bytes) -> None:
    """Write a file in one go: to a temporary one beside it, then renamed."""
    folder = path.parent
    if not folder.is_dir():
        raise OptionError(f"There is no directory {str(folder)!r}. Make it, or type another path for {path.name!r}.")
    try:
        handle, draft = tempfile.mkstemp(dir=folder, prefix=f".{path.stem}-", suffix=path.suffix)
    except OSError as error:
        raise OptionError(f"Can't write in {str(folder)!r} ({error.strerror}). Type another path.") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(draft).chmod(0o644)
        Path(draft).replace(path)
    except OSError as error:
        raise OptionError(f"Can't write {str(path)!r} ({error.strerror}). Type a path you may write to.") from error
    finally:
        Path(draft).unlink(missing_ok=True)
