"""Find damage in a store and repair it where possible; the command `interp doctor`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from interp.errors import InterpError, SchemaError

if TYPE_CHECKING:
    from interp.storage.manifest import Manifest


ROWS_PER_READ = 32_768  # rows read at once
CHUNK_NAME = re.compile(r"activation/c/\d+/\d+")
REPAIR_AND_RESUME = "--repair, then run the same interp.capture call again"
RECREATE = "remove the store, then run the call that created it again"


class Fault(NamedTuple):
    """A fault of a store.

    Attributes
    ----------
    file : str
        Name of the file in the store.
    fault : str
        Description of the fault.
    remedy : str
        Suggested action.
    """

    file: str
    fault: str
    remedy: str


def check_store(store: Path) -> list[Fault]:
    """Read every byte of a store and return all faults.

    Parameters
    ----------
    store : Path

    Returns
    -------
    list of Fault

    Raises
    ------
    SchemaError
        The path is not a store.
    """
    from interp.distributed.capture_parts import damaged_shards
    from interp.storage import checksums

    if not store.is_dir() or not any(
        (store / name).exists() for name in (checksums.METADATA, checksums.CHECKSUMS_FILE)
    ):
        raise SchemaError(f"{store} is not an interp store. Pass a directory that interp.save or interp.capture wrote.")
    file_faults = [Fault(name, description, "") for name, description in checksums.find_faults(store, all_bytes=True)]
    remedy = REPAIR_AND_RESUME if _is_recoverable(store, file_faults) else RECREATE
    faults = [one._replace(remedy=_extra_file_remedy(one) or remedy) for one in file_faults]
    faults += [Fault(name, "has other content than was written", REPAIR_AND_RESUME) for name in damaged_shards(store)]
    faults += [Fault(path.name, "was left by a killed process", "--repair") for path in find_leftovers(store)]
    return faults or list(_read_through(store))


def _extra_file_remedy(fault: Fault) -> str:
    return "remove the file" if fault.fault.startswith("was not written") else ""


def _read_through(store: Path) -> Iterator[Fault]:
    """Yield faults that appear only when the data is read."""
    import warnings

    import numpy as np

    import interp

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = interp.open(store)
        for variable in dataset.variables.values():
            for first in range(0, len(variable) if variable.ndim else 0, ROWS_PER_READ):
                np.asarray(variable[first : first + ROWS_PER_READ])
        if "activation" in dataset:
            interp.validate(dataset)
    except InterpError as error:
        yield Fault("", str(error), RECREATE)


def find_leftovers(store: Path) -> list[Path]:
    """Return the temporary files that killed processes left in a finished store; a resumed capture removes its own."""
    from interp.storage.store import BLOCK_LABELS, PARTS

    if any((store / name).is_dir() for name in (BLOCK_LABELS, PARTS)):
        return []
    return sorted(path for path in store.rglob("*.partial") if path.is_file())


def describe_unfinished(store: Path) -> str:
    """Return a description of an unfinished capture; empty for other stores."""
    from interp.storage.manifest import read_manifest

    try:
        manifest = read_manifest(store)
    except (InterpError, ValueError, TypeError):
        return ""
    if manifest is None or manifest.complete:
        return ""
    return f"is not finished: {manifest.rows:,} tokens are stored. Run the same interp.capture call again to resume"


def _is_recoverable(store: Path, faults: list[Fault]) -> bool:
    """Return whether only the matrix is damaged, in a store that records the rows of its shards."""
    from interp.storage.store import SHARDS

    inside = [fault for fault in faults if not _extra_file_remedy(fault)]
    return bool(inside) and (store / SHARDS).is_file() and all(map(CHUNK_NAME.fullmatch, (one.file for one in inside)))


def repair_store(store: Path) -> list[str]:
    """Repair a store where possible.

    Damaged blocks of a distributed capture are removed; the same `interp.capture` call then runs only their shards
    again.

    Parameters
    ----------
    store : Path

    Returns
    -------
    list of str
        One sentence per repair, and one for what remains to be done.
    """
    from interp.distributed.capture_parts import damaged_shards, invalidate

    faults, corrupt_shards, actions = check_store(store), damaged_shards(store), []
    for path in find_leftovers(store):
        path.unlink()
        actions.append(f"Removed {path.name}.")
    for name, number in corrupt_shards.items():
        invalidate(store, number)
        actions.append(f"Discarded {name}. Run the same interp.capture call again to recompute it.")
    handled = set(corrupt_shards) | {one.file for one in faults if one.remedy == "--repair"}
    remaining = [one for one in faults if not _extra_file_remedy(one) and one.file not in handled]
    if _is_recoverable(store, remaining):
        rows = reopen_store(store, {fault.file for fault in remaining})
        actions.append(f"Removed {rows:,} rows. Run the same interp.capture call again to fill them.")
    elif remaining:
        actions.append(f"The rest can't be repaired: {RECREATE}.")
    return actions


def reopen_store(store: Path, damaged: set[str]) -> int:
    """Turn a finished store into an unfinished one without the blocks of damaged files; return their number of rows."""
    import numpy as np

    from interp.distributed.capture_parts import CapturedShard, metadata_path, write_block_labels
    from interp.storage import checksums
    from interp.storage.encoding import encode
    from interp.storage.manifest import read_manifest
    from interp.storage.store import PARTS, SHARDS, read_unchecked
    from interp.storage.writer import delete_labels

    manifest = read_manifest(store)
    assert manifest is not None  # noqa: S101 (the manifest was read before)
    sums, parts = checksums.read_checksums(store) or {}, json.loads((store / SHARDS).read_bytes())
    dataset = read_unchecked(store)
    bad_starts = {int(name.split("/")[2]) * manifest.block for name in damaged}
    labels = {str(name): coord for name, coord in dataset.coords.items() if coord.dims == ("token",)}
    for start in range(0, manifest.rows, manifest.block):
        if start not in bad_starts:
            stop = min(start + manifest.block, manifest.rows)
            write_block_labels(store, start, {name: coord[start:stop].values for name, coord in labels.items()})
            checksums.write_block_checksums(store, start, start // manifest.block, sums, without={*labels, SHARDS})
    (store / PARTS).mkdir(exist_ok=True)
    ends = np.cumsum([part["rows"] for part in parts]).tolist()
    for part, end in zip(parts, ends, strict=True):
        first = end - part["rows"]
        if not any(first < start + manifest.block and end > start for start in bad_starts):
            metadata_path(store, part["number"]).write_text(json.dumps(asdict(CapturedShard(**part))), encoding="utf-8")
    _mark_unfinished(store, manifest, damaged)
    delete_labels(store, encode(dataset.isel(token=slice(0))))
    return sum(min(manifest.block, manifest.rows - start) for start in bad_starts)


def _mark_unfinished(store: Path, manifest: Manifest, damaged: set[str]) -> None:
    """Mark a store as unfinished and remove the damaged files."""
    from interp.storage import checksums
    from interp.storage.store import SHARDS

    attributes = json.loads((store / checksums.METADATA).read_bytes())["attributes"]
    replace(manifest, rows=0, complete=False).write(store, attributes)
    for name in (checksums.CHECKSUMS_FILE, SHARDS, *damaged):
        (store / name).unlink(missing_ok=True)
