"""The commands ``interp show`` and ``interp doctor``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from interp.distributed.recovery import check_store, describe_unfinished, repair_store


def show(
    file: Annotated[Path, typer.Argument(help="Zarr store with activations or a result.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Summarise a store: contents, provenance and schema faults. Exit code 1 if it has faults."""
    from interp.storage.store import open as open_store

    summary = summarise(open_store(file))
    if as_json:
        typer.echo(json.dumps(summary, ensure_ascii=False, indent=1))
    else:
        schema, version = (summary["from"].get(name) for name in ("schema", "schema_version"))
        typer.echo(f"{schema}, version {version}: {format_fault_count(len(summary['faults']))}")
        for fault in summary["faults"]:
            typer.echo(typer.style(f"  - {fault}", fg="red"))
        for heading in ("dims", "variables", "labels", "from"):
            typer.echo(f"\n{heading}")
            for name, value in summary[heading].items():
                typer.echo(f"  {name:<22} {shorten(value)}")
    if summary["faults"]:
        raise typer.Exit(1)


def format_fault_count(faults: int) -> str:
    """Return a number of faults in words."""
    return {0: "no faults", 1: "1 fault"}.get(faults, f"{faults} faults")


def summarise(dataset: Any) -> dict[str, Any]:
    """Return a summary of a dataset in words: faults, dims, variables, labels and provenance."""
    from interp.schema import find_faults

    def shape_and_dtype(variable: Any) -> str:
        return f"({', '.join(map(str, variable.dims))}) {variable.dtype}"

    return {
        "faults": find_faults(dataset),
        "dims": {str(name): size for name, size in dataset.sizes.items()},
        "variables": {str(name): shape_and_dtype(variable) for name, variable in dataset.data_vars.items()},
        "labels": {str(name): shape_and_dtype(variable) for name, variable in dataset.coords.items()},
        "from": {str(name): value for name, value in dataset.attrs.items()},
    }


def shorten(value: Any, max_length: int = 160) -> str:
    """Return a value as one line, truncated to ``max_length`` characters."""
    text = " ".join(str(value).split())
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"


def doctor(
    store: Annotated[Path, typer.Argument(help="Zarr store written by interp.")],
    mend: Annotated[bool, typer.Option("--repair", help="Repair the store where possible.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")] = False,
) -> None:
    """Read every byte of a store, and report missing, truncated and altered files with a remedy.

    Exit code 1 if the store has faults.
    """
    faults, state = check_store(store), describe_unfinished(store)
    if json_:
        typer.echo(json.dumps({"faults": [one._asdict() for one in faults], "state": state}, ensure_ascii=False))
    else:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        for name, fault, remedy in faults:
            typer.echo(f"{name or store} {fault}. Remedy: {remedy}.")
        typer.echo(f"{store} {state or (f'has {count}' if faults else 'has no faults')}.")
    if mend:
        for sentence in repair_store(store):
            typer.echo(sentence, err=json_)
    raise typer.Exit(bool(faults))
