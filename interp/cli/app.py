"""Command line. Commands come from the entry-point group ``interp.commands``; errors are printed as one line."""

from __future__ import annotations

import os
import sys
import warnings
from importlib.metadata import entry_points
from typing import Annotated

import typer

from interp._version import __version__
from interp.errors import InterpError
from interp.registry import names_missing_extra

COMMAND_GROUP = "interp.commands"


def _print_version(flag: bool) -> None:
    if flag:
        typer.echo(f"interp {__version__}")
        raise typer.Exit


def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Interpretability of recurrent networks."""


def build_app() -> typer.Typer:
    """Return the application with the commands of all installed packages; warn about commands that fail to import."""
    app = typer.Typer(
        name="interp", no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
    )
    app.callback()(_top)
    for point in sorted(entry_points(group=COMMAND_GROUP), key=lambda point: point.name):
        try:
            command = point.load()
            app.command(point.name, context_settings=getattr(command, "context_settings", None))(command)
        except Exception as error:  # third-party modules may raise anything; other commands must keep working
            warnings.warn(f"The command {point.name!r} ({point.value}) could not be loaded: {error!r}", stacklevel=1)
    return app


def main() -> None:
    """Run the command line. Exit codes: 0 success, 1 interp error or failed check, 2 usage error, 130 interrupted."""
    warnings.showwarning = _one_line
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads halve the speed on shared machines
    try:
        names_missing_extra(build_app())()
    except InterpError as error:
        typer.echo(f"interp: {error}", err=True)
        sys.exit(1)


def _one_line(message: Warning | str, *_: object, **__: object) -> None:
    typer.echo(f"interp: {message}", err=True)
