"""The command ``interp serve``. Light to import, so that ``interp --help`` is fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

STORES = "ACTS.zarr [RESULT.zarr | OTHER.zarr]..."


def serve(
    stores: Annotated[
        list[Path],
        typer.Argument(
            metavar=STORES,
            help="Activations, then results of probes on them, and activations of another model to compare with.",
        ),
    ],
    model: Annotated[
        str | None, typer.Option(help="Captured network, for typed sentences, edits and connections.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights of the network (safetensors); by default those shipped with it.")
    ] = None,
    state: Annotated[Path | None, typer.Option(help="Saved state to start with.")] = None,
    address: Annotated[
        str, typer.Option(help="Address to listen on; by default only this machine can connect.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 5006,
    allow_origin: Annotated[
        list[str] | None, typer.Option(help="HOST:PORT of pages that may connect; can be repeated.")
    ] = None,
    password: Annotated[
        str, typer.Option(help="Password that readers must enter; by default none.", envvar="INTERP_PASSWORD")
    ] = "",
) -> None:
    """Show a capture in a browser: every view follows your clicks. Names and notes are saved beside the store."""
    from interp_dashboard.data import open_data
    from interp_dashboard.server import build

    data = open_data(stores, model=model, weights=weights)
    initial = state.read_text(encoding="utf-8") if state else ""
    server = build(data, initial, address=address, port=port, allowed=allow_origin or (), password=password)
    if address not in ("127.0.0.1", "localhost") and not password:
        typer.echo(
            f"Anyone who can reach {address} can read the data and write notes. Use --password to prevent this.",
            err=True,
        )
    typer.echo(f"http://{address}:{port}  (press Ctrl-C to stop)")
    try:
        server.run_until_shutdown()
    except KeyboardInterrupt:
        typer.echo("Stopped.")
