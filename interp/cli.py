"""The command line: verbs come from the entry-point group ``interp.commands``, errors are one sentence."""

from __future__ import annotations

import os
import sys
import warnings
from importlib.metadata import entry_points
from typing import Annotated

import typer

from interp._version import __version__
from interp.errors import InterpError

GROUP = "interp.commands"


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"interp {__version__}")
        raise typer.Exit


def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Look inside recurrent networks."""


def build_app() -> typer.Typer:
    """Return the application with the verbs of all installed packages; one that can't be imported is a warning."""
    app = typer.Typer(
        name="interp", no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
    )
    app.callback()(_top)
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            verb = point.load()
            app.command(point.name, context_settings=getattr(verb, "context_settings", None))(verb)
        except Exception as error:  # a stranger's module may raise anything; the other verbs have to work
            warnings.warn(f"The command {point.name!r} ({point.value}) could not be loaded: {error!r}", stacklevel=1)
    return app


def main() -> None:
    """Run the command line; exit code 1 for an error of ours, 2 for wrong usage, 130 when interrupted."""
    warnings.showwarning = _one_line
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin halve the speed on a machine that is shared
    try:
        build_app()()
    except InterpError as error:
        typer.echo(f"interp: {error}", err=True)
        sys.exit(1)


def _one_line(message: Warning | str, *_: object, **__: object) -> None:
    typer.echo(f"interp: {message}", err=True)
