"""Checksums of stores: size and SHA-256 of every file, so that missing and altered files are detected."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from interp.storage.filesystem import write_atomically

CHECKSUMS_FILE = "checksums.json"
BLOCK_LABELS = ".labels"  # during a capture: labels of each block of rows
BLOCK_CHECKSUMS = ".sums"  # during a capture: checksums of each block of rows, one file per block
METADATA = "zarr.json"
GROUP_HASH_ATTR = "capture_sha256"  # attribute of an unfinished store: hash of the other attributes
MATRIX = "activation"
MAX_LISTED_FAULTS = 3  # faults listed in an error

Checksums = dict[str, tuple[int, str]]


def hash_file(path: Path) -> tuple[int, str]:
    """Return the size of a file in bytes, and its SHA-256."""
    with path.open("rb") as stream:
        return path.stat().st_size, file_digest(stream, "sha256").hexdigest()


def list_files(store: Path) -> Iterator[str]:
    """Yield the names of the files of a store, without hidden files and the list of checksums."""
    for path in sorted(store.rglob("*")):
        name = path.relative_to(store).as_posix()
        if path.is_file() and name != CHECKSUMS_FILE and not name.startswith(".") and not name.endswith(".partial"):
            yield name


def write_checksums(store: Path, cached: Mapping[str, tuple[int, str]] | None = None) -> None:
    """Write the checksums of all files of a store; ``cached`` ones are not computed again."""
    cached = cached or {}
    sums = {name: cached[name] if name in cached else hash_file(store / name) for name in list_files(store)}
    write_sums(store / CHECKSUMS_FILE, sums)


def write_block_checksums(
    store: Path,
    start: int,
    file: int | None,
    cached: Mapping[str, tuple[int, str]] | None = None,
    without: Collection[str] = (),
) -> None:
    """Write the checksums of the files of a block of rows; the first block also covers all files outside of blocks.

    Parameters
    ----------
    store : Path
    start : int
        First row of the block.
    file : int, optional
        Index, along the rows, of the files of the matrix; None if another block shares them.
    cached : mapping, optional
        Checksums to reuse, by file name.
    without : collection of str
        Variables and files to exclude.
    """
    folders = [store / BLOCK_LABELS / f"{start}"] + ([store / MATRIX / "c" / f"{file}"] if file is not None else [])
    names = [
        path.relative_to(store).as_posix() for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()
    ]
    if start == 0:
        excluded = {MATRIX, METADATA, *without}
        names += [name for name in list_files(store) if name.partition("/")[0] not in excluded]
    sums = cached or {}
    write_sums(
        store / BLOCK_CHECKSUMS / f"{start}.json", {name: sums.get(name) or hash_file(store / name) for name in names}
    )


def hash_group(store: Path, attributes: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the attributes of a store and of the layout of its matrix, without its length."""
    matrix = json.loads((store / MATRIX / METADATA).read_bytes())
    matrix["shape"] = matrix["shape"][1:]
    content = {key: value for key, value in attributes.items() if key != GROUP_HASH_ATTR}
    return sha256(json.dumps([content, matrix], sort_keys=True).encode()).hexdigest()


def find_group_fault(store: Path) -> str | None:
    """Return a description of the damage to the attributes of an unfinished store, or None."""
    try:
        attributes = json.loads((store / METADATA).read_bytes())["attributes"]
        if GROUP_HASH_ATTR not in attributes or attributes[GROUP_HASH_ATTR] == hash_group(store, attributes):
            return None
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        return "is damaged"
    return "has attributes, or a layout of the matrix, that were not written by interp"


def write_sums(path: Path, sums: Mapping[str, tuple[int, str]]) -> None:
    """Write a file of checksums, and its directory if it does not exist."""
    path.parent.mkdir(exist_ok=True)
    with write_atomically(path) as stream:
        stream.write(_serialise(sums))


def _serialise(sums: Mapping[str, tuple[int, str]]) -> bytes:
    return json.dumps(sums, ensure_ascii=False, indent=0).encode()


def read_checksums(store: Path) -> Checksums | None:
    """Return the checksums listed in a store, finished or not; None if it has no list.

    Raises
    ------
    ValueError
        The list is damaged or names files outside of the store.
    """
    if (store / CHECKSUMS_FILE).is_file():
        return _read(store / CHECKSUMS_FILE)
    parts = sorted((store / BLOCK_CHECKSUMS).glob("*.json"), key=lambda path: int(path.stem))
    return {name: entry for part in parts for name, entry in _read(part).items()} if parts else None


def _read(path: Path) -> Checksums:
    data = path.read_bytes()
    try:
        sums = {str(name): (int(size), str(value)) for name, (size, value) in json.loads(data).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError("is damaged") from error
    if any(name.startswith("/") or ".." in name.split("/") for name in sums):
        raise ValueError("names files outside of the store")
    if data != _serialise(sums):  # equivalent content in other bytes, such as a duplicate name
        raise ValueError("is damaged")
    return sums


def find_faults(store: Path, *, all_bytes: bool) -> Iterator[tuple[str, str]]:
    """Yield the name of each faulty file and a description of the fault.

    Parameters
    ----------
    store : Path
    all_bytes : bool
        Read and hash every file. Otherwise only metadata is hashed, and the sizes of other files are compared.
    """
    try:
        sums = read_checksums(store)
    except ValueError as error:
        yield CHECKSUMS_FILE, str(error)
        return
    fault = None if (store / CHECKSUMS_FILE).is_file() else find_group_fault(store)
    if fault:
        yield METADATA, fault
    for name, (size, value) in (sums or {}).items():
        path = store / name
        if not path.is_file():
            yield name, "is missing"
        elif path.stat().st_size != size:
            yield name, f"has {path.stat().st_size:,} bytes instead of {size:,}"
        elif (all_bytes or path.name == METADATA) and hash_file(path)[1] != value:
            yield name, "has other content than was written"
    if all_bytes and sums is not None and (store / CHECKSUMS_FILE).is_file():
        for name in list_files(store):
            if name not in sums:
                yield name, "was not written by interp"
