"""What workers do for a capture: a shard to a part of its own, and parts to blocks of the store."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
import xarray as xr

from interp import storage
from interp.capturing.growing import UNITS
from interp.capturing.labels import join_labels
from interp.errors import SchemaError
from interp.integrity import MATRIX, seal_block
from interp.scaling import records
from interp.scaling.engines import Shipped, arrived
from interp.storage import LABELS_SO_FAR, PARTS, encoded

if TYPE_CHECKING:
    from interp.capture import Captured
    from interp.capturing.shards import Shard


@dataclass(frozen=True)
class Part:
    """What is known of a shard that was captured.

    Attributes
    ----------
    number, rows, seen : int
        How many tokens were kept, and how many there were.
    width, dtype : int, str
        Of its matrix, which stands in a file until it is in the store.
    worst, checked : float, int
        The largest difference from the modules' own results, and in how many rows it was looked for.
    text : dict of str to bool
        For each label, whether it is strings.
    sums : sequence of (int, int)
        The rows of each piece of the matrix, and their CRC-32.
    """

    number: int
    rows: int
    seen: int
    width: int
    dtype: str
    worst: float
    checked: int
    text: dict[str, bool]
    sums: Sequence[tuple[int, int]] = ()

    @classmethod
    def read(cls, store: Path, number: int) -> Part | None:
        """Return what is known of a shard; None where it has not been captured."""
        path = told(store, number)
        return cls(**json.loads(path.read_bytes())) if path.is_file() else None

    def values(self, store: Path, start: int, stop: int) -> np.ndarray:
        """Return rows of its matrix, read when they are used.

        Raises
        ------
        SchemaError
            Where a piece in which they stand is not what was written; the shard then counts as not captured.
        """
        try:
            return self._checked(store, start, stop)
        except (OSError, ValueError) as error:
            forget(store, self.number)
            raise SchemaError(
                f"{matrix(store, self.number)} is damaged ({error}) and counts no more. Give the same call again: it "
                "captures the shard anew."
            ) from error

    def _checked(self, store: Path, start: int, stop: int) -> np.ndarray:
        if not self.rows:
            return np.zeros((0, self.width), self.dtype)
        held = np.memmap(matrix(store, self.number), self.dtype, "r", shape=(self.rows, self.width))
        first = 0
        for rows, total in self.sums:
            if first < stop and first + rows > start and crc32(held[first : first + rows].data) != total:
                raise ValueError("it is altered")
            first += rows
        return held[start:stop]

    def fault(self, store: Path) -> str:
        """Return what is wrong with its matrix; empty where it is as it was written."""
        try:
            self._checked(store, 0, self.rows)
        except (OSError, ValueError) as error:
            return str(error)
        return ""


def told(store: Path, number: int) -> Path:
    """Return where it stands what is known of a shard."""
    return store / PARTS / f"{number}.json"


def matrix(store: Path, number: int) -> Path:
    """Return where the matrix of a shard stands."""
    return store / PARTS / f"{number}.matrix"


def labels(store: Path, number: int) -> Path:
    """Return where the labels of a shard stand."""
    return store / PARTS / f"{number}.npz"


def capture_part(source: Captured | Shipped, shard: Shard, store: Path, number: int) -> Part:
    """Capture a shard into files of its own, piece by piece; one that is there already is not run again."""
    known = Part.read(store, number)
    if known is not None:
        return known
    session, found, sums = arrived(source).of(shard).session(), [], list[tuple[int, int]]()
    aside = matrix(store, number).with_suffix(f".{os.getpid()}.partial")
    with aside.open("wb") as stream:
        for held in session.run():
            piece, session.matrix = session.matrix, None
            if piece is not None and piece.used:
                values = np.ascontiguousarray(piece.finish())
                values.tofile(stream)
                found.append(held)
                sums.append((len(values), crc32(values.data)))
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(matrix(store, number))
    records.write(join_labels(found).items(), labels(store, number))
    width, check = session.plan.width if session.plan else 0, session.check
    rows, dtype = sum(size for size, _ in sums), session.options.dtype
    part = Part(number, rows, session.seen, width, dtype, check.worst, check.rows, session.text, sums)
    records.put(told(store, number), json.dumps(asdict(part)).encode())
    return part


def write_block(store: Path, start: int, pieces: Sequence[tuple[Part, int, int]]) -> int:
    """Write rows of parts to their place in the store, with their labels and sums; return the row.

    Parameters
    ----------
    store : Path
    start : int
        The row; it begins a file of the matrix, and no other block goes into its files.
    pieces : sequence of (Part, int, int)
        Which rows of which parts, in order.
    """
    import zarr

    values = [part.values(store, first, stop) for part, first, stop in pieces]
    rows = sum(map(len, values))
    array = zarr.open_array(store / MATRIX, mode="r+")
    for first in range(0, array.shape[1], UNITS):
        array[start : start + rows, first : first + UNITS] = np.concatenate(
            [held[:, first : first + UNITS] for held in values]
        )
    put_labels(store, start, labels_of(store, pieces))
    seal_block(store, start, start // array.shards[0])  # type: ignore[index]
    return start


def damaged(store: Path) -> dict[str, int]:
    """Return the matrices that wait in a store and are not what was written: their names, and their shards."""
    found = {}
    for path in sorted((store / PARTS).glob("*.matrix")):
        part = Part.read(store, int(path.stem))
        if part is not None and part.fault(store):
            found[path.relative_to(store).as_posix()] = part.number
    return found


def forget(store: Path, number: int) -> None:
    """Make a shard count as not captured."""
    told(store, number).unlink(missing_ok=True)


def drop_part(store: Path, number: int) -> None:
    """Remove the matrix and the labels of a shard that are in the store."""
    matrix(store, number).unlink(missing_ok=True)
    labels(store, number).unlink(missing_ok=True)


def labels_of(store: Path, pieces: Sequence[tuple[Part, int, int]]) -> dict[str, np.ndarray]:
    """Return the labels of rows of parts."""
    return join_labels(
        [
            {name: held[first:stop] for name, held in records.read(labels(store, part.number)).items()}
            for part, first, stop in pieces
        ]
    )


def put_labels(store: Path, start: int, held: Mapping[str, np.ndarray]) -> None:
    """Write the labels of a block that begins at a row."""
    coords: dict[str, Any] = {name: ("token", values) for name, values in held.items()}
    storage.write(encoded(xr.Dataset(coords=coords)), store, mode="w", group=f"{LABELS_SO_FAR}/{start}")
