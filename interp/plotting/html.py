"""Self-contained HTML pages that make no network request: document, page of a view, and tables."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from html import escape as escape_html
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from interp.plotting import colors
from interp.plotting.text import escape, pluralize, show_invisible

if TYPE_CHECKING:
    import pandas as pd
    from jinja2 import Template


MAX_CELLS = 700  # a larger table is one block of text, because pages with 5,000 elements get slow


def render_page(
    *,
    title: str,
    summary: str,
    caption: str,
    picture: str,
    tables: Mapping[str, pd.DataFrame],
    style: str,
    script: str,
    max_cells: int = MAX_CELLS,
) -> str:
    """Return the HTML page of a view: picture, summary, caption and tables, for light and dark mode.

    Parameters
    ----------
    title, summary, caption : str
        Text; it is escaped.
    picture : str
        HTML of the picture.
    tables : mapping of str to DataFrame
        Numbers of the picture, by heading.
    style, script : str
        CSS and JavaScript that the picture needs besides those of every page.
    max_cells : int
        Maximum number of cells of an HTML table; a larger table is one block of text.
    """
    body = render_template(
        read_asset("page.html"),
        title=title,
        summary=summary,
        caption=caption,
        picture=picture,
        tables=tables,
        max_cells=max_cells,
        render_table=render_table,
        plain_table=plain_table,
        pluralize=pluralize,
    )
    page_style = colors.css() + "\n" + read_asset("page.css") + style
    return render_document(title=title, body=body, style=page_style, script="\n" + read_asset("page.js") + script)


def render_document(*, title: str, body: str, style: str, script: str, generator: str = "") -> str:
    """Return an HTML document whose content security policy allows its own script and no requests.

    Parameters
    ----------
    title : str
        Title of the document; it is escaped.
    body : str
        HTML of the ``<main>`` element. After it comes ``<div class="tip" hidden>``, for the text of a tooltip.
    style, script : str
        CSS and JavaScript of the document.
    generator : str
        Program that writes the document, for its ``<meta name="generator">``; none by default.
    """
    document = render_template(
        read_asset("document.html"),
        title=title,
        body=body.strip(),
        style=style,
        script=script,
        generator=generator,
        policy=_content_security_policy(script),
    )
    return document + "\n"


def render_table(
    frame: pd.DataFrame,
    *,
    cell_text: Callable[[Any], str] | None = None,
    css_class: str = "",
    isolate_numbers: bool = True,
) -> str:
    """Return a data frame as an HTML table.

    Parameters
    ----------
    frame : DataFrame
        Data.
    cell_text : callable, optional
        Function from a value to the text of its cell, which is escaped; `format_cell` by default.
    css_class : str
        Class of the ``<table>``; none by default.
    isolate_numbers : bool
        Whether numbers are in a ``<bdi>``, as text is.
    """
    cell_text = cell_text or format_cell
    rows = [[(cell_text(value), _is_number(value)) for value in row] for row in frame.itertuples(index=False)]
    template = read_asset("table.html")
    columns = list(frame.columns)
    return render_template(template, columns=columns, rows=rows, css_class=css_class, isolate_numbers=isolate_numbers)


def plain_table(frame: pd.DataFrame) -> str:
    """Return a data frame as text, its columns padded with spaces."""
    columns = [[str(name), *map(format_cell, frame[name])] for name in frame.columns]
    widths = [max(map(len, column)) for column in columns]
    padded = [[cell.ljust(width) for cell in column] for column, width in zip(columns, widths, strict=True)]
    return "\n".join("  ".join(row).rstrip() for row in zip(*padded, strict=True))


def format_cell(value: object) -> str:
    """Return the text of a table cell: four significant digits for floats, visible characters for blank text."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return f"{value:,.4g}"
    text = f"{value:,}" if type(value) is int else str(value)
    return show_invisible(text) if text.isspace() else text


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) or hasattr(value, "dtype")


def iframe(page: str, height: int = 760) -> str:
    """Return a page in a sandboxed ``<iframe>`` for a notebook, which its styles and scripts cannot leave.

    Parameters
    ----------
    page : str
        HTML document.
    height : int
        Height in pixels.
    """
    style = f"width:100%;height:{height}px;border:0;resize:vertical"
    return f'<iframe sandbox="allow-scripts" style="{style}" srcdoc="{escape_html(page, quote=True)}"></iframe>'


def render_template(source: str, /, **values: object) -> str:
    """Render a Jinja2 template. All values are escaped by `escape`, except those that it marks as ``|safe``.

    Parameters
    ----------
    source : str
        Template. A block tag on a line of its own leaves no line in the output.
    **values : object
        Variables of the template. A variable without a value is an error.
    """
    return _compile(source).render(**values)


@cache
def _compile(source: str) -> Template:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    def escaped(value: object) -> object:
        return value if hasattr(value, "__html__") else Markup(escape(str(value)))  # noqa: S704 (it is escaped)

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=escaped, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source)


@cache
def read_asset(name: str, package: str = "interp.plotting.assets") -> str:
    """Return the content of a text file in a package.

    Parameters
    ----------
    name : str
        Name of the file.
    package : str
        Package that contains it; the assets of `interp.plotting` by default.
    """
    return files(package).joinpath(name).read_text(encoding="utf-8")


def _content_security_policy(script: str) -> str:
    """Return a content security policy that allows one script, by its hash, and no requests."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
