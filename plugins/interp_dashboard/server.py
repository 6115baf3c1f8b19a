"""The server: this machine alone unless told, no foreign page, a password where one is given."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from interp import OptionError, Selection

if TYPE_CHECKING:
    from interp_dashboard.material import Material

HERE = "127.0.0.1"
PORT = 5006


def origins(address: str, port: int, allowed: Sequence[str] = ()) -> list[str]:
    """Return the hosts whose pages may open a connection: the server's own, and those that are allowed by name.

    Raises
    ------
    OptionError
        For a wildcard: any page of the web could then read the data.
    """
    for origin in allowed:
        if "*" in origin or "/" in origin or not origin.strip():
            raise OptionError(f"An origin is HOST or HOST:PORT, and no wildcard; got {origin!r}.")
    own = [f"{address}:{port}"]
    if address in (HERE, "localhost"):
        own = [f"{HERE}:{port}", f"localhost:{port}"]
    return [*own, *allowed]


def settings(
    *, address: str = HERE, port: int = PORT, allowed: Sequence[str] = (), password: str = ""
) -> dict[str, Any]:
    """Return the options of the server.

    Parameters
    ----------
    address : str
        Where it listens.
    port : int
        1 to 65535.
    allowed : sequence of str
        Further hosts under which its page is opened, ``HOST:PORT``.
    password : str
        Asked for before anything is shown; empty for none.
    """
    if not 1 <= port <= 65_535:
        raise OptionError(f"A port is a number from 1 to 65535; got {port}.")
    found: dict[str, Any] = {
        "address": address,
        "port": port,
        "websocket_origin": origins(address, port, allowed),
        "title": "interp",
        "show": False,
        "verbose": False,
        "location": False,
        "websocket_max_message_size": 4 * 2**20,
    }
    if password:
        found |= {"basic_auth": password, "cookie_secret": secrets.token_hex(32)}
    return found


def build(material: Material, state: str = "", selection: Selection | None = None, **options: Any) -> Any:
    """Return a server that shows a dashboard to every page that opens, each with a selection of its own.

    Parameters
    ----------
    material : Material
        What is shown.
    state : str
        A selection to begin with, as JSON.
    selection : Selection, optional
        One for all pages, which the program that serves reads and writes.
    **options
        As of `settings`.
    """
    import panel as pn

    from interp_dashboard.board import Board

    def page() -> Any:
        chosen = selection if selection is not None else Selection()
        if state and selection is None:
            chosen.from_json(state)
        board = Board(material, chosen, linked=True)
        pn.state.on_session_destroyed(lambda _: board.dashboard.close())
        return board

    warm(material)
    return pn.io.server.get_server({"/": page}, start=False, **settings(**options))


def warm(material: Material) -> None:
    """Draw once what the first page shows, for nobody, so that it need not wait for a disk and for imports."""
    from interp_dashboard.dashboard import Dashboard

    nobody = Dashboard(material, send=lambda _: None)
    nobody.show()
    nobody.close()
