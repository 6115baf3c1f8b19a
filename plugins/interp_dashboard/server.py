"""The server. By default it accepts connections from this machine only; a password is optional."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from interp import OptionError, Selection

if TYPE_CHECKING:
    from interp_dashboard.data import DashboardData

LOCALHOST = "127.0.0.1"
PORT = 5006


def allowed_origins(address: str, port: int, allowed: Sequence[str] = ()) -> list[str]:
    """Return the origins whose pages may open a connection: the server's own, and those allowed by name.

    Raises
    ------
    OptionError
        If an origin is a wildcard, which would let any web page read the data, or not HOST or HOST:PORT.
    """
    for origin in allowed:
        if "*" in origin or "/" in origin or not origin.strip():
            raise OptionError(f"Expected an origin as HOST or HOST:PORT, without wildcards; got {origin!r}.")
    own = [f"{address}:{port}"]
    if address in (LOCALHOST, "localhost"):
        own = [f"{LOCALHOST}:{port}", f"localhost:{port}"]
    return [*own, *allowed]


def server_settings(
    *, address: str = LOCALHOST, port: int = PORT, allowed: Sequence[str] = (), password: str = ""
) -> dict[str, Any]:
    """Return the options of the Panel server.

    Parameters
    ----------
    address : str
        Address to listen on.
    port : int
        Port, 1 to 65535.
    allowed : sequence of str
        Further origins at which the page may be opened, as ``HOST:PORT``.
    password : str
        Password that readers must enter; empty for none.

    Raises
    ------
    OptionError
        If the port is out of range, or an origin is not allowed.
    """
    if not 1 <= port <= 65_535:
        raise OptionError(f"Expected a port from 1 to 65535; got {port}.")
    settings: dict[str, Any] = {
        "address": address,
        "port": port,
        "websocket_origin": allowed_origins(address, port, allowed),
        "title": "interp",
        "show": False,
        "verbose": False,
        "location": False,
        "websocket_max_message_size": 4 * 2**20,
    }
    if password:
        settings |= {"basic_auth": password, "cookie_secret": secrets.token_hex(32)}
    return settings


def build(data: DashboardData, state: str = "", selection: Selection | None = None, **options: Any) -> Any:
    """Return a server that shows a dashboard; each page has its own selection.

    Parameters
    ----------
    data : DashboardData
        Activations and results to show.
    state : str
        Initial selection, as JSON.
    selection : Selection, optional
        One selection for all pages, for the serving program to read and write.
    **options
        Options of `server_settings`.
    """
    import panel as pn

    from interp_dashboard.component import DashboardComponent

    def page() -> Any:
        own = selection if selection is not None else Selection()
        if state and selection is None:
            own.from_json(state)
        component = DashboardComponent(data, own, linked=True)
        pn.state.on_session_destroyed(lambda _: component.dashboard.close())
        return component

    warm_up(data)
    return pn.io.server.get_server({"/": page}, start=False, **server_settings(**options))


def warm_up(data: DashboardData) -> None:
    """Draw the views of the first page once without sending them, so that it need not wait for disk and imports."""
    from interp_dashboard.dashboard import Dashboard

    dashboard = Dashboard(data, send=lambda _: None)
    dashboard.show()
    dashboard.close()
