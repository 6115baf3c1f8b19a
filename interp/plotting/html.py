"""A view as one HTML page that asks the network for nothing."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from html import escape as quote
from importlib.resources import files
from typing import TYPE_CHECKING

from interp.plotting import colors
from interp.plotting.text import escape, pluralize, show_invisible

if TYPE_CHECKING:
    import pandas as pd

    from interp.plotting.view import View


CELLS = 700  # a larger table is one block of text: a page of 5,000 elements gets slow

TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
<main>
<header><h1>{title}</h1><p class="summary">{summary}</p></header>
<figure>
{picture}
<figcaption>{caption}</figcaption>
</figure>
{tables}
</main>
<div class="tip" role="status" hidden></div>
<script>{script}</script>
</body>
</html>
"""


def page(view: View, cells: int = CELLS) -> str:
    """Return the view as an HTML document: picture, sentence, caption, table twin; light and dark.

    Parameters
    ----------
    view : View
        What is shown.
    cells : int
        The most cells of a table that is marked up; a larger one is a block of text.
    """
    script = "\n" + asset("page.js") + view.script()
    return TEMPLATE.format(
        policy=_policy(script),
        title=escape(view.title),
        summary=escape(view.summary),
        caption=escape(view.caption),
        style=colors.css() + "\n" + asset("page.css") + view.style(),
        picture=view.picture(),
        tables="\n".join(_details(name, frame, cells) for name, frame in view.tables().items()),
        script=script,
    )


def frame(view: View, height: int = 760) -> str:
    """Return the page in a sandboxed ``<iframe>`` for a notebook, so that no style or script leaks out."""
    look = f"width:100%;height:{height}px;border:0;resize:vertical"
    return f'<iframe sandbox="allow-scripts" style="{look}" srcdoc="{quote(page(view), quote=True)}"></iframe>'


@cache
def asset(name: str, package: str = "interp.plotting.assets") -> str:
    """Return a text file of a package."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def _policy(script: str) -> str:
    """Allow this page's own script, by its hash, and nothing from anywhere."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def _details(name: str, frame: pd.DataFrame, cells: int) -> str:
    head = f"Table: {name} ({pluralize(len(frame), 'row')})"
    body = _table(frame) if frame.size <= cells else f"<pre>{escape(_plain(frame))}</pre>"
    return f'<details><summary>{escape(head)}</summary><div class="scroller">{body}</div></details>'


def _table(frame: pd.DataFrame) -> str:
    head = "".join(f'<th scope="col">{escape(str(column))}</th>' for column in frame.columns)
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in frame.itertuples(index=False))
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table>"


def _cell(value: object) -> str:
    kind = ' class="number"' if isinstance(value, int | float) or hasattr(value, "dtype") else ""
    return f"<td{kind}><bdi>{escape(_words(value))}</bdi></td>"


def _words(value: object) -> str:
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return f"{value:,.4g}"
    text = f"{value:,}" if type(value) is int else str(value)
    return show_invisible(text) if text.isspace() else text


def _plain(frame: pd.DataFrame) -> str:
    columns = [[str(name), *map(_words, frame[name])] for name in frame.columns]
    widths = [max(map(len, column)) for column in columns]
    padded = [[cell.ljust(width) for cell in column] for column, width in zip(columns, widths, strict=True)]
    return "\n".join("  ".join(row).rstrip() for row in zip(*padded, strict=True))
