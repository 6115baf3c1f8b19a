"""What a store is made of: every file with its size and its SHA-256, so that nothing is missing or altered unseen."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

SUMS = "checksums.json"
LABELS_SO_FAR = ".labels"  # while a capture goes on: the labels of each block of rows
SUMS_SO_FAR = ".sums"  # while a capture goes on: those of each block of rows, a file each
METADATA = "zarr.json"
SEAL = "capture_sha256"  # the attribute of an unfinished store with the hash of the others
MATRIX = "activation"
SHOWN = 3  # faults that an error tells

Sums = dict[str, tuple[int, str]]


def digest(path: Path) -> tuple[int, str]:
    """Return the size of a file in bytes, and its SHA-256."""
    with path.open("rb") as stream:
        return path.stat().st_size, file_digest(stream, "sha256").hexdigest()


def files(store: Path) -> Iterator[str]:
    """Yield the names of the files of a store, hidden ones and the list of sums left out."""
    for path in sorted(store.rglob("*")):
        name = path.relative_to(store).as_posix()
        if path.is_file() and name != SUMS and not name.startswith(".") and not name.endswith(".partial"):
            yield name


def seal(store: Path, known: Mapping[str, tuple[int, str]] | None = None) -> None:
    """Write the list of all files of a store; of those that are ``known`` the sums are taken over."""
    known = known or {}
    sums = {name: known[name] if name in known else digest(store / name) for name in files(store)}
    put(store / SUMS, sums)


def seal_block(
    store: Path,
    start: int,
    file: int | None,
    known: Mapping[str, tuple[int, str]] | None = None,
    without: Collection[str] = (),
) -> None:
    """Write the sums of the files of a block that begins at a row; with those of the first, of all that is there.

    Parameters
    ----------
    store : Path
    start : int
    file : int, optional
        Which files of the matrix, counted along its rows; None where another block goes into them too.
    known : mapping, optional
        Sums that are taken over.
    without : collection of str
        Variables and files that are left out.
    """
    held = [store / LABELS_SO_FAR / f"{start}"] + ([store / MATRIX / "c" / f"{file}"] if file is not None else [])
    names = [path.relative_to(store).as_posix() for one in held for path in sorted(one.rglob("*")) if path.is_file()]
    if start == 0:
        left_out = {MATRIX, METADATA, *without}
        names += [name for name in files(store) if name.partition("/")[0] not in left_out]
    sums = known or {}
    put(store / SUMS_SO_FAR / f"{start}.json", {name: sums.get(name) or digest(store / name) for name in names})


def group_digest(store: Path, attributes: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the attributes of a store, and of how its matrix is laid out, whatever its length."""
    matrix = json.loads((store / MATRIX / METADATA).read_bytes())
    matrix["shape"] = matrix["shape"][1:]
    told = {key: value for key, value in attributes.items() if key != SEAL}
    return sha256(json.dumps([told, matrix], sort_keys=True).encode()).hexdigest()


def group_fault(store: Path) -> str | None:
    """Return what is wrong with the attributes of an unfinished store."""
    try:
        attributes = json.loads((store / METADATA).read_bytes())["attributes"]
        if SEAL not in attributes or attributes[SEAL] == group_digest(store, attributes):
            return None
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        return "is damaged"
    return "has other attributes, or the matrix another layout, than were written"


def put(path: Path, sums: Mapping[str, tuple[int, str]]) -> None:
    """Write sums, all at once."""
    path.parent.mkdir(exist_ok=True)
    aside = path.with_name(f"{path.name}.partial")
    aside.write_bytes(_written(sums))
    aside.replace(path)


def _written(sums: Mapping[str, tuple[int, str]]) -> bytes:
    return json.dumps(sums, ensure_ascii=False, indent=0).encode()


def sealed(store: Path) -> Sums | None:
    """Return the sums that a store lists, of an unfinished one those so far; None where there are none.

    Raises
    ------
    ValueError
        Where the list is none.
    """
    if (store / SUMS).is_file():
        return _read(store / SUMS)
    parts = sorted((store / SUMS_SO_FAR).glob("*.json"), key=lambda path: int(path.stem))
    return {name: held for part in parts for name, held in _read(part).items()} if parts else None


def _read(path: Path) -> Sums:
    held = path.read_bytes()
    try:
        found = {str(name): (int(size), str(value)) for name, (size, value) in json.loads(held).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError("is damaged") from error
    if any(name.startswith("/") or ".." in name.split("/") for name in found):
        raise ValueError("names files outside of the store")
    if held != _written(found):  # the same in other bytes, as with a name twice
        raise ValueError("is damaged")
    return found


def faults(store: Path, *, all_bytes: bool) -> Iterator[tuple[str, str]]:
    """Yield the name of a file and what is wrong with it.

    Parameters
    ----------
    store : Path
    all_bytes : bool
        Whether to read every file; else only what describes the data is read, and of the rest the sizes compared.
    """
    try:
        listed = sealed(store)
    except ValueError as error:
        yield SUMS, str(error)
        return
    fault = None if (store / SUMS).is_file() else group_fault(store)
    if fault:
        yield METADATA, fault
    for name, (size, value) in (listed or {}).items():
        path = store / name
        if not path.is_file():
            yield name, "is missing"
        elif path.stat().st_size != size:
            yield name, f"has {path.stat().st_size:,} bytes instead of {size:,}"
        elif (all_bytes or path.name == METADATA) and digest(path)[1] != value:
            yield name, "has other bytes than were written"
    if all_bytes and listed is not None and (store / SUMS).is_file():
        for name in files(store):
            if name not in listed:
                yield name, "was not written by interp"
