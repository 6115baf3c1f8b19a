"""The dashboard as a Panel component, for pages of a server and for notebooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from interp import Selection
from interp.plotting import colors
from interp_dashboard.dashboard import Dashboard
from interp_dashboard.data import DashboardData
from interp_dashboard.message_handlers import handle_message
from interp_dashboard.panels import list_panels

THEME_COLORS = ("ground", "panel", "ink", "muted", "line", "positive", "negative", "wrong", "missing")


def _asset(name: str) -> str:
    return files("interp_dashboard").joinpath(name).read_text(encoding="utf-8")


def _color_variables(theme: Mapping[str, str]) -> str:
    return "".join(f"--{name}:{theme[name]};" for name in THEME_COLORS)


def stylesheet() -> str:
    """Return the CSS of the page, in the colours of the views."""
    light, dark = _color_variables(colors.LIGHT), _color_variables(colors.DARK)
    return f".dash{{{light}}}.dash.dark{{{dark}}}\n{_asset('component.css')}"


def served_document() -> Any:
    """Return the Bokeh document of the page that is being served, or None."""
    import panel as pn

    document = pn.state.curdoc
    return document if document is not None and document.session_context else None


def run_later(act: Callable[[], None]) -> None:
    """Call a function after pending messages are sent; without a served page, call it immediately."""
    document = served_document()
    if document is None:
        act()
    else:
        document.add_next_tick_callback(act)


class DashboardComponent(JSComponent):
    """Panel component that shows a dashboard.

    Parameters
    ----------
    data : DashboardData
        Activations and results to show.
    selection : Selection, optional
        Selection that every view follows and that clicks change; by default a new one.
    linked : bool
        Keep the state in the URL of the page.
    """

    linked = param.Boolean(default=False, doc="Keep the state in the URL.")
    panels = param.List(default=[], item_type=list, doc="Name, title and pane of each panel, in the order of the page.")

    _esm = _asset("component.js")
    _stylesheets: ClassVar[list[str]] = [stylesheet()]

    def __init__(self, data: DashboardData, selection: Selection | None = None, **params: Any) -> None:
        panels = [[panel.name, panel.title, panel.pane] for panel in list_panels()]
        super().__init__(  # type: ignore[no-untyped-call]
            sizing_mode="stretch_width", margin=0, panels=panels, **params
        )
        self.dashboard = Dashboard(data, selection, send=self._send_in_order, later=run_later)

    @property
    def selection(self) -> Selection:
        """The selection of the reader."""
        return self.dashboard.selection

    def _handle_msg(self, data: Any) -> None:
        run_later(lambda: handle_message(self.dashboard, data))

    def _send_in_order(self, message: dict[str, Any]) -> None:
        """Send a message to the page after all earlier ones are written; otherwise it may be lost."""
        document = served_document()
        if document is None or document.callbacks.hold_value:
            self._send_msg(message)
            return
        document.hold("collect")
        try:
            self._send_msg(message)
        finally:
            document.unhold()
