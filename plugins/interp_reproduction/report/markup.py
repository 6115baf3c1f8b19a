"""Small pieces of HTML; everything that is text is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from interp import lettering

if TYPE_CHECKING:
    import pandas as pd

escape = lettering.escape


def facts(shown: Mapping[str, str]) -> str:
    """Return the boxes of a ``<dl>``, a heading and its value each."""
    return "\n".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in shown.items())


def items(sentences: Iterable[str]) -> str:
    """Return the ``<li>`` of a list."""
    return "\n".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)


def rows_of(shown: Mapping[str, str]) -> str:
    """Return the rows of a table with a heading and its value each."""
    return "\n".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in shown.items()
    )


def frame_table(frame: pd.DataFrame, *, words: bool = False) -> str:
    """Return a table of data; floats with three decimals.

    Parameters
    ----------
    frame : DataFrame
        A row each.
    words : bool
        Text is words: else spaces in it are letters, and shown.
    """
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in frame.columns)
    body = "\n".join(
        f"<tr>{''.join(_cell(value, words) for value in row)}</tr>" for row in frame.itertuples(index=False)
    )
    return f'<table class="plain"><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>'


def _cell(value: Any, words: bool) -> str:
    if isinstance(value, str):
        return f"<td><bdi>{escape(value if words else lettering.visible(value))}</bdi></td>"
    shown = f"{value:.3f}" if isinstance(value, float) else f"{value:,}"
    return f'<td class="number">{escape(shown)}</td>'
