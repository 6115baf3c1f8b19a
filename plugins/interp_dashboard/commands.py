"""The verb ``serve``; light to import, so that ``interp --help`` is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

STORES = "ACTS.zarr [RESULT.zarr | OTHER.zarr]..."


def serve(
    stores: Annotated[list[Path], typer.Argument(metavar=STORES, help="Activations, then what probes found on them.")],
    model: Annotated[str | None, typer.Option(help="The network, for typed sentences, what-if and edges.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights of your own (safetensors).")] = None,
    state: Annotated[Path | None, typer.Option(help="A state that was saved, to begin with.")] = None,
    address: Annotated[str, typer.Option(help="Where to listen; by default for this machine alone.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port.", min=1, max=65535)] = 5006,
    allow_origin: Annotated[
        list[str] | None, typer.Option(help="HOST:PORT that pages come from; several times.")
    ] = None,
    password: Annotated[str, typer.Option(help="Ask for it first.", envvar="INTERP_PASSWORD")] = "",
) -> None:
    """Look at a capture in a browser: every view follows what you click. Names and notes stay beside the store."""
    from interp_dashboard.opening import opened
    from interp_dashboard.server import build

    material = opened(stores, model=model, weights=weights)
    begin = state.read_text(encoding="utf-8") if state else ""
    server = build(material, begin, address=address, port=port, allowed=allow_origin or (), password=password)
    if address not in ("127.0.0.1", "localhost") and not password:
        typer.echo(f"Everybody who reaches {address} can look, and write notes: --password asks them first.", err=True)
    typer.echo(f"http://{address}:{port}  (Ctrl-C ends it)")
    try:
        server.run_until_shutdown()
    except KeyboardInterrupt:
        typer.echo("Ended.")
