"""Worker side of a distributed capture: capture a shard into files, and copy captured shards into the store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
import xarray as xr

from interp.distributed import state_files
from interp.distributed.executors import Broadcast, receive
from interp.errors import SchemaError
from interp.labels import join_labels
from interp.storage.checksums import MATRIX, write_block_checksums
from interp.storage.encoding import encode
from interp.storage.filesystem import write_atomically
from interp.storage.store import BLOCK_LABELS, PARTS, write_encoded
from interp.storage.writer import COLUMNS_PER_WRITE

if TYPE_CHECKING:
    from interp.activations.sharding import Shard
    from interp.activations.stream import CapturedStream


@dataclass(frozen=True)
class CapturedShard:
    """Metadata of a captured shard.

    Attributes
    ----------
    number : int
        Index of the shard.
    rows, seen : int
        Number of selected tokens, and of all tokens.
    width : int
        Number of units.
    dtype : str
        Type of the matrix, which stays in a file until it is copied into the store.
    worst : float
        Largest difference from the modules' own results.
    checked : int
        Number of rows that were compared.
    text : dict of str to bool
        Whether each label is text.
    sums : sequence of (int, int)
        Number of rows and CRC-32 of each piece of the matrix.
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
    def read(cls, store: Path, number: int) -> CapturedShard | None:
        """Return the metadata of a shard, or None if it has not been captured."""
        path = metadata_path(store, number)
        return cls(**json.loads(path.read_bytes())) if path.is_file() else None

    def read_rows(self, store: Path, start: int, stop: int) -> np.ndarray:
        """Return the rows ``start`` to ``stop`` (exclusive) of the matrix, memory-mapped.

        Raises
        ------
        SchemaError
            A piece of these rows has another checksum than was written; the shard then counts as not captured.
        """
        try:
            return self._verified_rows(store, start, stop)
        except (OSError, ValueError) as error:
            invalidate(store, self.number)
            raise SchemaError(
                f"{matrix_path(store, self.number)} is corrupt ({error}) and was discarded. Run the same call again to "
                "recompute it."
            ) from error

    def _verified_rows(self, store: Path, start: int, stop: int) -> np.ndarray:
        if not self.rows:
            return np.zeros((0, self.width), self.dtype)
        values = np.memmap(matrix_path(store, self.number), self.dtype, "r", shape=(self.rows, self.width))
        first = 0
        for rows, total in self.sums:
            if first < stop and first + rows > start and crc32(values[first : first + rows].data) != total:
                raise ValueError("wrong checksum")
            first += rows
        return values[start:stop]

    def describe_damage(self, store: Path) -> str:
        """Return a description of the damage to the matrix; empty if it is intact."""
        try:
            self._verified_rows(store, 0, self.rows)
        except (OSError, ValueError) as error:
            return str(error)
        return ""


def metadata_path(store: Path, number: int) -> Path:
    """Return the path of the metadata of a shard."""
    return store / PARTS / f"{number}.json"


def matrix_path(store: Path, number: int) -> Path:
    """Return the path of the matrix of a shard."""
    return store / PARTS / f"{number}.matrix"


def labels_path(store: Path, number: int) -> Path:
    """Return the path of the labels of a shard."""
    return store / PARTS / f"{number}.npz"


def capture_shard(source: CapturedStream | Broadcast, shard: Shard, store: Path, number: int) -> CapturedShard:
    """Capture a shard into its own files, piece by piece; a shard that is already captured is not run again."""
    part = CapturedShard.read(store, number)
    if part is not None:
        return part
    session, label_pieces, sums = receive(source).load(shard).new_session(), [], list[tuple[int, int]]()
    with write_atomically(matrix_path(store, number), durable=True) as stream:
        for piece_labels in session.run():
            piece, session.matrix = session.matrix, None
            if piece is not None and piece.n_rows:
                values = np.ascontiguousarray(piece.finish())
                values.tofile(stream)
                label_pieces.append(piece_labels)
                sums.append((len(values), crc32(values.data)))
    state_files.write_state(join_labels(label_pieces).items(), labels_path(store, number))
    width, check = session.plan.width if session.plan else 0, session.engine_check
    rows, dtype = sum(size for size, _ in sums), session.options.dtype
    captured = CapturedShard(
        number,
        rows,
        session.n_tokens_seen,
        width,
        dtype,
        check.max_error,
        check.checked_rows,
        session.label_is_text,
        sums,
    )
    with write_atomically(metadata_path(store, number)) as stream:
        stream.write(json.dumps(asdict(captured)).encode())
    return captured


def write_block(store: Path, start: int, pieces: Sequence[tuple[CapturedShard, int, int]]) -> int:
    """Write rows of captured shards to a block of the store, with labels and checksums.

    Parameters
    ----------
    store : Path
    start : int
        First row of the block. It starts a file of the matrix, and no other block shares the block's files.
    pieces : sequence of (CapturedShard, int, int)
        Shards and their rows (first, stop), in order.

    Returns
    -------
    int
        ``start``.
    """
    import zarr

    values = [part.read_rows(store, first, stop) for part, first, stop in pieces]
    rows = sum(map(len, values))
    array = zarr.open_array(store / MATRIX, mode="r+")
    for first in range(0, array.shape[1], COLUMNS_PER_WRITE):
        array[start : start + rows, first : first + COLUMNS_PER_WRITE] = np.concatenate(
            [piece[:, first : first + COLUMNS_PER_WRITE] for piece in values]
        )
    write_block_labels(store, start, read_labels(store, pieces))
    write_block_checksums(store, start, start // array.shards[0])  # type: ignore[index]
    return start


def damaged_shards(store: Path) -> dict[str, int]:
    """Return the corrupt matrices among the shards that are not in the store yet: file names and shard numbers."""
    shards = {}
    for path in sorted((store / PARTS).glob("*.matrix")):
        part = CapturedShard.read(store, int(path.stem))
        if part is not None and part.describe_damage(store):
            shards[path.relative_to(store).as_posix()] = part.number
    return shards


def invalidate(store: Path, number: int) -> None:
    """Mark a shard as not captured by deleting its metadata."""
    metadata_path(store, number).unlink(missing_ok=True)


def delete_shard_files(store: Path, number: int) -> None:
    """Remove the matrix and label files of a shard whose rows are in the store."""
    matrix_path(store, number).unlink(missing_ok=True)
    labels_path(store, number).unlink(missing_ok=True)


def read_labels(store: Path, pieces: Sequence[tuple[CapturedShard, int, int]]) -> dict[str, np.ndarray]:
    """Return the labels of rows of captured shards."""
    return join_labels(
        [
            {
                name: values[first:stop]
                for name, values in state_files.read_state(labels_path(store, part.number)).items()
            }
            for part, first, stop in pieces
        ]
    )


def write_block_labels(store: Path, start: int, label_values: Mapping[str, np.ndarray]) -> None:
    """Write the labels of the block that starts at a row."""
    coords: dict[str, Any] = {name: ("token", values) for name, values in label_values.items()}
    write_encoded(encode(xr.Dataset(coords=coords)), store, mode="w", group=f"{BLOCK_LABELS}/{start}")
