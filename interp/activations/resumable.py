"""Resumable capture into a store. Rows are committed in blocks; an interrupted capture resumes after the last one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.activations.batching import iter_batches
from interp.activations.recorders import RowBuffer
from interp.errors import CaptureError, OptionError
from interp.labels import join_labels
from interp.storage.encoding import SHARD_SIZES
from interp.storage.fingerprint import canonical_text, chain_hash
from interp.storage.manifest import CALL_OPTIONS, Manifest, batches_differ_error, read_manifest
from interp.storage.store import open as open_store
from interp.storage.store import read_block_labels
from interp.storage.writer import AppendableStore, finalize_store

if TYPE_CHECKING:
    import xarray as xr

    from interp.activations.plan import CapturePlan
    from interp.activations.session import CaptureSession
    from interp.base import Batch


BLOCK_ROWS = SHARD_SIZES["token"]  # rows committed at once
MAX_BLOCK_BYTES = 2**28  # maximal size of a block


def capture_to_store(session: CaptureSession, path: Path) -> xr.Dataset:
    """Run a session into a store, or resume an unfinished one, and open the store.

    Raises
    ------
    OptionError
        The path has other content, or the store of another call.
    """
    manifest, stored = new_manifest(session), read_manifest(path)
    if stored is not None:
        stored.check_same_call(manifest, path)
    if stored is not None and stored.complete:
        finalize_store(path)
    if stored is None or not stored.complete:
        ResumableCapture(session, path, stored or manifest).run()
    elif not hasattr(session.batches, "fingerprint"):  # a fingerprint has been compared already
        for _ in numbered_batches(session.batches, stored, path):
            pass
    return open_store(path)


@dataclass(frozen=True)
class BatchCursor:
    """Point at which a capture can resume: the start of a batch.

    Attributes
    ----------
    number : int
        Number of the batch, from 1.
    row : int
        First row of the batch.
    digest : str
        Hash of all batches up to and with this one.
    session : dict
        State of the session before the batch.
    """

    number: int
    row: int
    digest: str
    session: dict[str, Any]


class ResumableCapture:
    """Capture of a session into a store, committed block by block.

    Parameters
    ----------
    session : CaptureSession
        Session that has not run yet.
    path : Path
        Path of the store.
    manifest : Manifest
        Progress of the store.
    """

    def __init__(self, session: CaptureSession, path: Path, manifest: Manifest) -> None:
        self.session, self.path, self.manifest = session, path, manifest
        self.store = AppendableStore(path)
        self.rows_to_skip = manifest.skip  # upcoming rows that are already committed
        self.cursor = BatchCursor(0, 0, "", {})  # start of the current batch, in which the next block ends
        self.labels: list[dict[str, np.ndarray]] = []

    def run(self) -> None:
        """Run the session to the end."""
        self.session.batches = self.batches(self.session.batches)
        with self.store.locked():
            for labels in self.session.run():
                self.add(labels)
            self.finish()

    def batches(self, source: Any) -> Iterator[Batch]:
        """Yield the remaining batches, from the one in which the committed rows end."""
        stored, session = self.manifest, self.session
        for number, digest, batch in numbered_batches(source, stored, self.path):
            if number == 1:
                self.prepare(session.plan_for(batch))
            if number <= stored.batches:
                continue
            if number == stored.batches + 1 and stored.session:
                session.restore(stored.session)
            pending = session.matrix.n_rows if session.matrix is not None else 0
            self.cursor = BatchCursor(number, self.manifest.rows + pending - self.rows_to_skip, digest, session.state())
            yield batch

    def prepare(self, plan: CapturePlan) -> None:
        """Choose the block size; check that the units match those of the store."""
        units = sha256("\n".join(plan.unit_coords({})["unit"]).encode()).hexdigest()
        if self.manifest.units not in ("", units):
            raise OptionError(f"{self.path} has other units than this model. Choose another store=.")
        size, block = plan.width * np.dtype(self.session.options.dtype).itemsize, BLOCK_ROWS
        while block > 1 and block * size > MAX_BLOCK_BYTES:
            block //= 2
        self.manifest = replace(self.manifest, units=units, block=self.manifest.block or block)

    def add(self, labels: dict[str, np.ndarray]) -> None:
        """Add the labels of new rows, and commit full blocks."""
        matrix = self.session.matrix
        assert matrix is not None  # noqa: S101
        committed = min(self.rows_to_skip, matrix.n_rows)
        self.rows_to_skip -= committed
        discard_rows(matrix, committed)
        self.labels.append({name: values[committed:] for name, values in labels.items()})
        if matrix.n_rows >= self.manifest.block:
            self.commit(matrix, matrix.n_rows // self.manifest.block * self.manifest.block)

    def commit(self, matrix: RowBuffer, rows: int) -> None:
        """Write the first ``rows`` rows of the matrix, and keep the others."""
        labels, block = join_labels(self.labels), self.manifest.block
        for first in range(0, rows, block):
            values = matrix.values[first : min(first + block, rows)]
            self.manifest = self.advance_manifest(len(values))
            block_labels = {name: label[first : first + len(values)] for name, label in labels.items()}
            self.store.append(values, self.session.coords_only(block_labels), self.manifest)
        self.labels = [{name: label[rows:] for name, label in labels.items()}]
        discard_rows(matrix, rows)

    def advance_manifest(self, rows: int) -> Manifest:
        """Return the manifest with ``rows`` more committed rows."""
        rows += self.manifest.rows
        start, marks = self.cursor, self.manifest.marks
        mark = (start.number, start.digest)
        return replace(
            self.manifest,
            rows=rows,
            batches=start.number - 1,
            skip=rows - start.row,
            marks=marks if mark in marks[-1:] else (*marks, mark),
            session=start.session,
        )

    def finish(self) -> None:
        """Commit the remaining rows and complete the store."""
        matrix = self.session.matrix
        if matrix is None or not self.manifest.rows + matrix.n_rows:
            raise CaptureError(self.session.empty_message())
        if matrix.n_rows:
            self.commit(matrix, matrix.n_rows)
        last = read_block_labels(self.path, [(self.manifest.rows - 1) // self.manifest.block * self.manifest.block])
        marks = (*self.manifest.marks, (self.cursor.number, self.cursor.digest))
        done = replace(self.manifest, batches=self.cursor.number, skip=0, marks=marks, session={}, complete=True)
        self.store.finish(self.session.coords_only(last), done)


def discard_rows(matrix: RowBuffer, rows: int) -> None:
    """Remove the first rows of a matrix; the others move up."""
    matrix.values[: matrix.n_rows - rows] = matrix.values[rows : matrix.n_rows]
    matrix.n_rows -= rows


def new_manifest(session: CaptureSession) -> Manifest:
    """Return the manifest of a new capture."""
    import torch

    from interp._version import __version__

    call = {name: canonical_text(value) for name, value in session.attrs.items()}
    call |= {f"{name}=": canonical_text(getattr(session.options, name)) for name in CALL_OPTIONS}
    fingerprint = getattr(session.batches, "fingerprint", None)
    if isinstance(fingerprint, str):
        call["fingerprint of batches="] = fingerprint
    return Manifest(call, {"interp": __version__, "torch": torch.__version__})


def numbered_batches(batches: Any, manifest: Manifest, path: Path) -> Iterator[tuple[int, str, Batch]]:
    """Yield batches with their number, from 1, and the hash of all batches up to each.

    Raises
    ------
    OptionError
        The batches are not those that the store was created from.
    """
    expected = {int(number): digest for number, digest in manifest.marks}
    last, number, digest, verified = max(expected, default=0), 0, "", 0
    for number, batch in enumerate(iter_batches(batches), 1):
        digest = chain_hash(digest, batch)
        if expected.get(number, digest) != digest:
            one_batch = number == verified + 1
            location = f"batch {number}" if one_batch else f"one of batches {verified + 1} to {number}"
            raise batches_differ_error(path, f"{location} differs")
        if manifest.complete and number > last:
            raise batches_differ_error(path, f"expected {last} batches, got a batch {number}")
        verified = number if number in expected else verified
        yield number, digest, batch
    if number < last:
        raise batches_differ_error(path, f"expected at least {last} batches, got {number}")
