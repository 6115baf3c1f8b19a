"""Distributed capture. Each shard and each block is written exactly once, even if workers die."""

from __future__ import annotations

import json
import shutil
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.activations.resumable import new_manifest
from interp.activations.sharding import hash_batches
from interp.distributed.capture_parts import CapturedShard, capture_shard, delete_shard_files, write_block
from interp.distributed.executors import Executor
from interp.errors import CaptureError, OptionError
from interp.storage.checksums import BLOCK_CHECKSUMS
from interp.storage.encoding import SHARD_SIZES, encode
from interp.storage.manifest import Manifest, batches_differ_error, read_manifest
from interp.storage.store import PARTS, SHARDS, read_block_labels
from interp.storage.store import open as open_store
from interp.storage.writer import AppendableStore, finalize_store

if TYPE_CHECKING:
    import xarray as xr

    from interp.activations.stream import CapturedStream


ProgressCallback = Callable[[Iterator[int]], None]
BLOCK_ROWS = SHARD_SIZES["token"]  # rows per block; blocks share no file


class DistributedCapture:
    """Capture of a stream into a store with the workers of an executor.

    Parameters
    ----------
    stream : CapturedStream
    path : Path
        Path of the store, on a file system that all workers share.
    engine : Executor
        Executor of the calls.
    """

    def __init__(self, stream: CapturedStream, path: Path, engine: Executor) -> None:
        self.stream, self.path, self.engine = stream, path, engine
        self.session = stream.new_session()
        self.parts: dict[int, CapturedShard] = {}
        self.row_ends = [0]  # cumulative rows of the captured shards, up to the first gap
        self.rows = 0  # contiguous rows of the store that are written
        self.submitted_rows = 0  # rows whose blocks were submitted
        self.written_blocks: set[int] = set()  # first rows of the written blocks
        self.running: list[Any] = []

    def run(self, show: ProgressCallback) -> xr.Dataset:
        """Capture the missing shards and open the store.

        Raises
        ------
        CaptureError
            No token was selected.
        OptionError
            The path has other content, or the store of another call.
        """
        manifest = self._manifest()
        if manifest.complete:
            finalize_store(self.path)
        else:
            self.session.first_plan()
            self._capture_missing(manifest, show)
        return open_store(self.path)

    def _capture_missing(self, manifest: Manifest, show: ProgressCallback) -> None:
        store = AppendableStore(self.path)
        with store.locked():
            if not store.is_created:
                store.create(self._empty_head(BLOCK_ROWS), manifest, PARTS)
            try:
                show(self._run_shards(manifest))
                self._finish(store, manifest)
            except BaseException:
                begun = any((self.path / PARTS).glob("*.json")) or (self.path / BLOCK_CHECKSUMS).is_dir()
                if self.path.exists() and not begun:
                    shutil.rmtree(self.path)
                raise

    def _manifest(self) -> Manifest:
        """Return the manifest of the store, checked against this call, or a new one."""
        manifest, stored = new_manifest(self.session), read_manifest(self.path)
        if "fingerprint of batches=" not in manifest.call:
            manifest = replace(manifest, marks=(hash_batches(self.stream.batches),))
        if stored is None:
            return replace(manifest, block=BLOCK_ROWS)
        stored.check_same_call(manifest, self.path)
        if manifest.marks and [tuple(one) for one in stored.marks] != list(manifest.marks):
            raise batches_differ_error(self.path, "their content or their number differs")
        if not stored.complete and not (self.path / PARTS).is_dir():
            raise OptionError(
                f"{self.path} was started without client=. Resume it without client=, or choose another store=."
            )
        return stored

    def _run_shards(self, manifest: Manifest) -> Iterator[int]:
        """Yield 1 per captured shard and 0 per written block."""
        source, room = self.engine.broadcast(self.stream), self.engine.capacity()
        for number, shard in enumerate(self.stream.shards()):
            part = CapturedShard.read(self.path, number)
            if part is not None:
                self._accept(part)
                yield 1
                continue
            while len(self.running) >= room:
                yield self._wait(manifest)
            self.running.append(self.engine.submit(capture_shard, source, shard, self.path, number))
        while self.running:
            yield self._wait(manifest)
        if self.submitted_rows < self.row_ends[-1]:
            self._submit_block(self.row_ends[-1])
            while self.running:
                yield self._wait(manifest)

    def _wait(self, manifest: Manifest) -> int:
        call = self.engine.wait_any(self.running)
        self.running = [other_call for other_call in self.running if other_call is not call]
        result = self.engine.value(call)
        if isinstance(result, CapturedShard):
            self._accept(result)
            return 1
        self.written_blocks.add(result)
        self._checkpoint(manifest)
        return 0

    def _accept(self, part: CapturedShard) -> None:
        """Accept a captured shard, and submit the blocks whose rows are complete."""
        for name, text in part.text.items():
            if self.session.label_is_text.setdefault(name, text) is not text:
                raise CaptureError(
                    f"Label {name!r} is text in some batches and numbers in others. Use one type in all batches."
                )
        self.parts[part.number] = part
        while len(self.row_ends) - 1 in self.parts:
            self.row_ends.append(self.row_ends[-1] + self.parts[len(self.row_ends) - 1].rows)
        while self.submitted_rows + BLOCK_ROWS <= self.row_ends[-1]:
            self._submit_block(self.submitted_rows + BLOCK_ROWS)

    def _submit_block(self, stop: int) -> None:
        """Submit the next block, which ends before row ``stop``, unless it is in the store."""
        start, self.submitted_rows = self.submitted_rows, stop
        if (self.path / BLOCK_CHECKSUMS / f"{start}.json").is_file():
            self.written_blocks.add(start)
            return
        AppendableStore(self.path).resize(stop)
        self.running.append(self.engine.submit(write_block, self.path, start, self._pieces(start, stop)))

    def _pieces(self, start: int, stop: int) -> list[tuple[CapturedShard, int, int]]:
        """Return the shards, and their rows, that make up the rows ``start`` to ``stop`` (exclusive) of the store."""
        pieces = []
        for number in range(bisect_right(self.row_ends, start) - 1, len(self.row_ends) - 1):
            first, last = self.row_ends[number], self.row_ends[number + 1]
            if first >= stop:
                break
            if last > first:
                pieces.append((self.parts[number], max(start - first, 0), min(stop, last) - first))
        return pieces

    def _checkpoint(self, manifest: Manifest) -> None:
        """Write the number of contiguous rows to the manifest, and remove the files of shards that are fully copied."""
        rows = self.rows
        while self.rows in self.written_blocks:
            self.rows = min(self.rows + BLOCK_ROWS, self.row_ends[-1])
        if self.rows > rows:
            replace(manifest, rows=self.rows).write(self.path, encode(self._empty_head(0)).attrs)
            for number in range(bisect_right(self.row_ends, self.rows) - 1):
                delete_shard_files(self.path, number)

    def _empty_head(self, rows: int) -> xr.Dataset:
        """Return a dataset with the coords of the store and ``rows`` empty rows."""
        zeros = np.zeros(rows, np.int32)
        return self.session.coords_only({"sample": zeros, "step": np.arange(rows, dtype=np.int32), "source": zeros})

    def _finish(self, store: AppendableStore, manifest: Manifest) -> None:
        """Complete the store."""
        rows, session = self.row_ends[-1], self.session
        if not rows:
            session.n_tokens_seen = sum(part.seen for part in self.parts.values())
            shutil.rmtree(self.path)
            raise CaptureError(session.empty_message())
        session.engine_check.max_error = max(part.worst for part in self.parts.values())
        session.engine_check.checked_rows = sum(part.checked for part in self.parts.values())
        last = read_block_labels(self.path, [(rows - 1) // BLOCK_ROWS * BLOCK_ROWS])
        parts = [asdict(self.parts[number]) for number in range(len(self.parts))]
        (self.path / SHARDS).write_text(json.dumps(parts, ensure_ascii=False), encoding="utf-8")
        store.finish(session.coords_only(last), replace(manifest, rows=rows, complete=True))
