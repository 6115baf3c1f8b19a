"""What is wrong with a store, and what of it can be made good."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from interp.errors import InterpError, SchemaError

if TYPE_CHECKING:
    from interp.capturing.manifest import Manifest

ROWS = 32_768  # that are read at once
CHUNK = re.compile(r"activation/c/\d+/\d+")
AGAIN = "--repair, then the same call of interp.capture"
ANEW = "remove the store, and give the call that made it again"


class Fault(NamedTuple):
    """Something that is not as it should be.

    Attributes
    ----------
    file : str
        Its name in the store.
    fault, remedy : str
    """

    file: str
    fault: str
    remedy: str


def examine(store: Path) -> list[Fault]:
    """Return all that is wrong with a store; every byte of it is read.

    Parameters
    ----------
    store : Path

    Raises
    ------
    SchemaError
        Where there is no store.
    """
    from interp import integrity
    from interp.scaling.parts import damaged

    if not store.is_dir() or not any((store / name).exists() for name in (integrity.METADATA, integrity.SUMS)):
        raise SchemaError(f"{store} is no store of interp.")
    found = [Fault(name, what, "") for name, what in integrity.faults(store, all_bytes=True)]
    remedy = AGAIN if _recoverable(store, found) else ANEW
    faults = [one._replace(remedy=_of_extra(one) or remedy) for one in found]
    faults += [Fault(name, "is altered", AGAIN) for name in damaged(store)]
    faults += [Fault(path.name, "is left of a process that was killed", "--repair") for path in leftovers(store)]
    return faults or list(_read_through(store))


def _of_extra(fault: Fault) -> str:
    return "remove the file" if fault.fault.startswith("was not written") else ""


def _read_through(store: Path) -> Iterator[Fault]:
    """Yield what shows only when a store is read."""
    import warnings

    import numpy as np

    import interp

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            held = interp.open(store)
        for variable in held.variables.values():
            for first in range(0, len(variable) if variable.ndim else 0, ROWS):
                np.asarray(variable[first : first + ROWS])
        if "activation" in held:
            interp.validate(held)
    except InterpError as error:
        yield Fault("", str(error), ANEW)


def leftovers(store: Path) -> list[Path]:
    """Return the files that killed processes have left in a finished store; a capture that goes on clears up itself."""
    from interp.storage import LABELS_SO_FAR, PARTS

    if any((store / name).is_dir() for name in (LABELS_SO_FAR, PARTS)):
        return []
    return sorted(path for path in store.rglob("*.partial") if path.is_file())


def unfinished(store: Path) -> str:
    """Return what a capture that is not complete says of itself; empty for others."""
    from interp.capturing.manifest import read

    try:
        manifest = read(store)
    except (InterpError, ValueError, TypeError):
        return ""
    if manifest is None or manifest.complete:
        return ""
    return f"is not finished: {manifest.rows:,} tokens are there, and the same call of interp.capture goes on"


def _recoverable(store: Path, faults: list[Fault]) -> bool:
    """Return whether the matrix alone is damaged, in a store that knows which shard stands where."""
    from interp.storage import SHARDS

    inside = [fault for fault in faults if not _of_extra(fault)]
    return bool(inside) and (store / SHARDS).is_file() and all(map(CHUNK.fullmatch, (one.file for one in inside)))


def repair(store: Path) -> list[str]:
    """Make good what can be, and return what was done and what is to be done, a sentence each.

    Blocks of a matrix that are damaged, in a capture that was spread over workers, are taken out: the same call of
    `interp.capture` runs the shards that they are of again, and no others.

    Parameters
    ----------
    store : Path
    """
    from interp.scaling.parts import damaged, forget

    faults, waiting, done = examine(store), damaged(store), []
    for path in leftovers(store):
        path.unlink()
        done.append(f"Removed {path.name}.")
    for name, number in waiting.items():
        forget(store, number)
        done.append(f"{name} counts no more. Give the same call of interp.capture again: it captures the shard anew.")
    bad = [one for one in faults if not _of_extra(one) and one.remedy != "--repair" and one.file not in waiting]
    if _recoverable(store, bad):
        rows = reopen(store, {fault.file for fault in bad})
        done.append(f"Took out {rows:,} rows. Give the same call of interp.capture again: it fills them.")
    elif bad:
        done.append(f"The rest can't be made good: {ANEW}.")
    return done


def reopen(store: Path, damaged: set[str]) -> int:
    """Turn a finished store into one that lacks the blocks of some files; return how many rows they have."""
    import numpy as np

    from interp import integrity, storage
    from interp.capturing.growing import forget
    from interp.capturing.manifest import read
    from interp.scaling.parts import Part, put_labels, told

    manifest = read(store)
    assert manifest is not None  # noqa: S101 (it has been read)
    listed, parts = integrity.sealed(store) or {}, json.loads((store / storage.SHARDS).read_bytes())
    held = storage.read_unchecked(store)
    bad = {int(name.split("/")[2]) * manifest.block for name in damaged}
    labels = {str(name): coord for name, coord in held.coords.items() if coord.dims == ("token",)}
    for start in range(0, manifest.rows, manifest.block):
        if start not in bad:
            stop = min(start + manifest.block, manifest.rows)
            put_labels(store, start, {name: coord[start:stop].values for name, coord in labels.items()})
            integrity.seal_block(store, start, start // manifest.block, listed, without={*labels, storage.SHARDS})
    (store / storage.PARTS).mkdir(exist_ok=True)
    ends = np.cumsum([part["rows"] for part in parts]).tolist()
    for part, end in zip(parts, ends, strict=True):
        first = end - part["rows"]
        if not any(first < start + manifest.block and end > start for start in bad):
            told(store, part["number"]).write_text(json.dumps(asdict(Part(**part))), encoding="utf-8")
    _unseal(store, manifest, damaged)
    forget(store, storage.encoded(held.isel(token=slice(0))))
    return sum(min(manifest.block, manifest.rows - start) for start in bad)


def _unseal(store: Path, manifest: Manifest, damaged: set[str]) -> None:
    """Say that a store is not complete, and remove what is damaged."""
    from interp import integrity, storage

    attributes = json.loads((store / integrity.METADATA).read_bytes())["attributes"]
    replace(manifest, rows=0, complete=False).write(store, attributes)
    for name in (integrity.SUMS, storage.SHARDS, *damaged):
        (store / name).unlink(missing_ok=True)


def doctor(
    store: Annotated[Path, typer.Argument(help="A Zarr store of interp.")],
    mend: Annotated[bool, typer.Option("--repair", help="Make good what can be.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="As data, to standard output.")] = False,
) -> None:
    """Read every byte of a store, and say what is missing, cut off or altered, and what can be done.

    Ends with 1 where something is.
    """
    faults, state = examine(store), unfinished(store)
    if json_:
        typer.echo(json.dumps({"faults": [one._asdict() for one in faults], "state": state}, ensure_ascii=False))
    else:
        for name, fault, remedy in faults:
            typer.echo(f"{name or store} {fault}. What to do: {remedy}.")
        typer.echo(f"{store} {state or (f'has {len(faults)} faults' if faults else 'is whole')}.")
    if mend:
        for sentence in repair(store):
            typer.echo(sentence, err=json_)
    raise typer.Exit(bool(faults))
