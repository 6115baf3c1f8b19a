"""HTML fragments of the page. All text is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from interp.plotting import escape, show_invisible

if TYPE_CHECKING:
    import pandas as pd


def definition_boxes(entries: Mapping[str, str]) -> str:
    """Return the boxes of a ``<dl>``, one heading and value per entry."""
    return "\n".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in entries.items())


def list_items(sentences: Iterable[str]) -> str:
    """Return the ``<li>`` of a list."""
    return "\n".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)


def table_rows(entries: Mapping[str, str]) -> str:
    """Return the rows of a table, one heading and value per entry."""
    return "\n".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in entries.items()
    )


def frame_table(frame: pd.DataFrame, *, is_prose: bool = False) -> str:
    """Return a data frame as an HTML table, floats with three decimals.

    Parameters
    ----------
    frame : DataFrame
        Data.
    is_prose : bool
        Whether text cells are prose. If not, spaces in them are letters and are made visible.
    """
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in frame.columns)
    body = "\n".join(
        f"<tr>{''.join(_cell(value, is_prose) for value in row)}</tr>" for row in frame.itertuples(index=False)
    )
    return f'<table class="plain"><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>'


def _cell(value: Any, is_prose: bool) -> str:
    if isinstance(value, str):
        return f"<td><bdi>{escape(value if is_prose else show_invisible(value))}</bdi></td>"
    number = f"{value:.3f}" if isinstance(value, float) else f"{value:,}"
    return f'<td class="number">{escape(number)}</td>'
