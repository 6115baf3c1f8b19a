"""A capture that goes to a store: rows are committed block by block, and it goes on after any interruption."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import storage
from interp.capturing.growing import Growing, tidy
from interp.capturing.labels import join_labels
from interp.capturing.manifest import Manifest, begin, numbered, read
from interp.capturing.matrix import Matrix
from interp.errors import CaptureError, OptionError
from interp.storage import labels_so_far

if TYPE_CHECKING:
    import xarray as xr

    from interp.capturing.plan import Plan
    from interp.capturing.session import Session
    from interp.contracts import Batch

BLOCK = storage.SHARD["token"]  # rows that are committed at once
BYTES = 2**28  # and the most that they may hold


def keep(session: Session, path: Path) -> xr.Dataset:
    """Run a session into a store, from where the store ends, and open it.

    Raises
    ------
    OptionError
        Where there is something else at the path, or a store of another call.
    """
    asked, stored = begin(session), read(path)
    if stored is not None:
        stored.check(asked, path)
    if stored is not None and stored.complete:
        tidy(path)
    if stored is None or not stored.complete:
        Keeper(session, path, stored or asked).run()
    elif not hasattr(session.batches, "fingerprint"):  # else it has been compared
        for _ in numbered(session.batches, stored, path):
            pass
    return storage.open(path)


@dataclass(frozen=True)
class Start:
    """How to go on from a batch: its number, from 1; the row with which it begins; the hash of all batches up to it."""

    number: int
    row: int
    digest: str
    session: dict[str, Any]


class Keeper:
    """Takes the rows of a session and commits them block by block.

    Parameters
    ----------
    session : Session
        Not run yet.
    path : Path
        Of the store.
    manifest : Manifest
        How far the store is.
    """

    def __init__(self, session: Session, path: Path, manifest: Manifest) -> None:
        self.session, self.path, self.manifest = session, path, manifest
        self.store = Growing(path)
        self.skip = manifest.skip  # rows to come that are committed already
        self.start = Start(0, 0, "", {})  # of the last batch that has begun: the one in which the next block ends
        self.labels: list[dict[str, np.ndarray]] = []

    def run(self) -> None:
        """Run the session to its end."""
        self.session.batches = self.batches(self.session.batches)
        with self.store.opened():
            for labels in self.session.run():
                self.add(labels)
            self.finish()

    def batches(self, source: Any) -> Iterator[Batch]:
        """Yield the batches, from the one in which the committed rows end."""
        stored, session = self.manifest, self.session
        for number, digest, batch in numbered(source, stored, self.path):
            if number == 1:
                self.prepare(session.planned(batch))
            if number <= stored.batches:
                continue
            if number == stored.batches + 1 and stored.session:
                session.resume(stored.session)
            waiting = session.matrix.used if session.matrix is not None else 0
            self.start = Start(number, self.manifest.rows + waiting - self.skip, digest, session.state())
            yield batch

    def prepare(self, plan: Plan) -> None:
        """Choose the rows of a block, or see that the units are those of the store."""
        units = sha256("\n".join(plan.units({})["unit"]).encode()).hexdigest()
        if self.manifest.units not in ("", units):
            raise OptionError(f"{self.path} has other units than this model gives. Choose another store=.")
        size, block = plan.width * np.dtype(self.session.options.dtype).itemsize, BLOCK
        while block > 1 and block * size > BYTES:
            block //= 2
        self.manifest = replace(self.manifest, units=units, block=self.manifest.block or block)

    def add(self, labels: dict[str, np.ndarray]) -> None:
        """Take the labels of the rows that have come, and commit what fills blocks."""
        matrix = self.session.matrix
        assert matrix is not None  # noqa: S101
        known = min(self.skip, matrix.used)
        self.skip -= known
        drop(matrix, known)
        self.labels.append({name: values[known:] for name, values in labels.items()})
        if matrix.used >= self.manifest.block:
            self.commit(matrix, matrix.used // self.manifest.block * self.manifest.block)

    def commit(self, matrix: Matrix, rows: int) -> None:
        """Write the first rows, and keep the others."""
        labels, block = join_labels(self.labels), self.manifest.block
        for first in range(0, rows, block):
            values = matrix.values[first : min(first + block, rows)]
            self.manifest = self.advanced(len(values))
            here = {name: held[first : first + len(values)] for name, held in labels.items()}
            self.store.append(values, self.session.head(here), self.manifest)
        self.labels = [{name: held[rows:] for name, held in labels.items()}]
        drop(matrix, rows)

    def advanced(self, rows: int) -> Manifest:
        """Return the manifest with so many more rows."""
        rows += self.manifest.rows
        start, marks = self.start, self.manifest.marks
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
        """Commit the rows that are left, and complete the store."""
        matrix = self.session.matrix
        if matrix is None or not self.manifest.rows + matrix.used:
            raise CaptureError(self.session.nothing())
        if matrix.used:
            self.commit(matrix, matrix.used)
        last = labels_so_far(self.path, [(self.manifest.rows - 1) // self.manifest.block * self.manifest.block])
        marks = (*self.manifest.marks, (self.start.number, self.start.digest))
        done = replace(self.manifest, batches=self.start.number, skip=0, marks=marks, session={}, complete=True)
        self.store.finish(self.session.head(last), done)


def drop(matrix: Matrix, rows: int) -> None:
    """Let go of the first rows of a matrix; the others move up."""
    matrix.values[: matrix.used - rows] = matrix.values[rows : matrix.used]
    matrix.used -= rows
