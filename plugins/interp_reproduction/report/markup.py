"""Tables of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interp.plotting import render_table, show_invisible

if TYPE_CHECKING:
    import pandas as pd


def frame_table(frame: pd.DataFrame, *, is_prose: bool = False) -> str:
    """Return a data frame as an HTML table, floats with three decimals.

    Parameters
    ----------
    frame : DataFrame
        Data.
    is_prose : bool
        Whether text cells are prose. If not, spaces in them are letters and are made visible.
    """
    text = _prose if is_prose else _symbols
    return render_table(frame, cell_text=text, css_class="plain", isolate_numbers=False)


def _prose(value: Any) -> str:
    return value if isinstance(value, str) else _number(value)


def _symbols(value: Any) -> str:
    return show_invisible(value) if isinstance(value, str) else _number(value)


def _number(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}"
