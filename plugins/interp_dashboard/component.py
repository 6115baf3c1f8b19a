"""The dashboard as a Panel component: in a page that is served, and in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from interp import Selection, palette
from interp_dashboard.answers import answer
from interp_dashboard.dashboard import Dashboard
from interp_dashboard.material import Material

PLAIN = ("ground", "panel", "ink", "muted", "line", "positive", "negative", "wrong", "missing")


def _asset(name: str) -> str:
    return files("interp_dashboard").joinpath(name).read_text(encoding="utf-8")


def _colors(theme: Mapping[str, str]) -> str:
    return "".join(f"--{name}:{theme[name]};" for name in PLAIN)


def styles() -> str:
    """Return the style of the page, in the colours of the views."""
    return f".dash{{{_colors(palette.LIGHT)}}}.dash.dark{{{_colors(palette.DARK)}}}\n{_asset('board.css')}"


def served() -> Any:
    """Return the document of the page that is being served, or None."""
    import panel as pn

    document = pn.state.curdoc
    return document if document is not None and document.session_context else None


def later(act: Callable[[], None]) -> None:
    """Do something after what was sent is on its way; at once where no page is served."""
    document = served()
    if document is None:
        act()
    else:
        document.add_next_tick_callback(act)


class Board(JSComponent):
    """Shows a dashboard.

    Parameters
    ----------
    material : Material
        What is shown.
    selection : Selection, optional
        One of your own: every view follows it, and a click changes it.
    linked : bool
        The state stands in the URL of the page.
    """

    linked = param.Boolean(default=False, doc="Keep the state in the URL.")

    _esm = _asset("board.js")
    _stylesheets: ClassVar[list[str]] = [styles()]

    def __init__(self, material: Material, selection: Selection | None = None, **params: Any) -> None:
        super().__init__(sizing_mode="stretch_width", margin=0, **params)  # type: ignore[no-untyped-call]
        self.dashboard = Dashboard(material, selection, send=self._tell, later=later)

    @property
    def selection(self) -> Selection:
        """What is chosen."""
        return self.dashboard.selection

    def _handle_msg(self, data: Any) -> None:
        later(lambda: answer(self.dashboard, data))

    def _tell(self, message: dict[str, Any]) -> None:
        """Send a message to the page: held until those before it are written, else it may be lost."""
        document = served()
        if document is None or document.callbacks.hold_value:
            self._send_msg(message)
            return
        document.hold("collect")
        try:
            self._send_msg(message)
        finally:
            document.unhold()
