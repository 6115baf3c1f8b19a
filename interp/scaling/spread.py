"""A capture that workers do: each shard once, each block of the store once, whoever dies meanwhile."""

from __future__ import annotations

import json
import shutil
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import storage
from interp.capturing.growing import Growing, tidy
from interp.capturing.manifest import Manifest, begin, other, read
from interp.capturing.shards import mark
from interp.errors import CaptureError, OptionError
from interp.integrity import SUMS_SO_FAR
from interp.scaling.engines import Engine
from interp.scaling.parts import Part, capture_part, drop_part, write_block
from interp.storage import PARTS

if TYPE_CHECKING:
    import xarray as xr

    from interp.capture import Captured

Show = Callable[[Iterator[int]], None]
BLOCK = storage.SHARD["token"]  # rows of a block: no two blocks share a file


class Spread:
    """Captures a stream into a store with the calls of an engine.

    Parameters
    ----------
    stream : Captured
    path : Path
        Of the store, which the workers share.
    engine : Engine
    """

    def __init__(self, stream: Captured, path: Path, engine: Engine) -> None:
        self.stream, self.path, self.engine = stream, path, engine
        self.session = stream.session()
        self.parts: dict[int, Part] = {}
        self.ends = [0]  # for the shards that are known from the first on: rows up to and with each
        self.rows = 0  # rows of the store that are there from the first one on
        self.given = 0  # rows whose blocks were given out
        self.written: set[int] = set()  # first rows of the blocks that are in the store
        self.running: list[Any] = []

    def run(self, show: Show) -> xr.Dataset:
        """Capture what is not there yet, and open the store.

        Raises
        ------
        CaptureError
            Where there is no row.
        OptionError
            Where there is something else at the path, or a store of another call.
        """
        manifest = self._manifest()
        if manifest.complete:
            tidy(self.path)
        else:
            self.session.first_plan()
            self._run(manifest, show)
        return storage.open(self.path)

    def _run(self, manifest: Manifest, show: Show) -> None:
        store = Growing(self.path)
        with store.opened():
            if not store.begun:
                store.begin(self._head(BLOCK), manifest, PARTS)
            try:
                show(self._captured(manifest))
                self._finish(store, manifest)
            except BaseException:
                begun = any((self.path / PARTS).glob("*.json")) or (self.path / SUMS_SO_FAR).is_dir()
                if self.path.exists() and not begun:
                    shutil.rmtree(self.path)
                raise

    def _manifest(self) -> Manifest:
        """Return what the store is to say of the call, or says already."""
        asked, stored = begin(self.session), read(self.path)
        if "fingerprint of batches=" not in asked.call:
            asked = replace(asked, marks=(mark(self.stream.batches),))
        if stored is None:
            return replace(asked, block=BLOCK)
        stored.check(asked, self.path)
        if asked.marks and [tuple(one) for one in stored.marks] != list(asked.marks):
            raise other(self.path, "one of them differs, or their number")
        if not stored.complete and not (self.path / PARTS).is_dir():
            raise OptionError(f"{self.path} was begun without client=: go on without it, or choose another store=.")
        return stored

    def _captured(self, manifest: Manifest) -> Iterator[int]:
        """Yield 1 for each shard that is captured, 0 for each block that is written."""
        source, room = self.engine.ship(self.stream), self.engine.room()
        for number, shard in enumerate(self.stream.shards()):
            known = Part.read(self.path, number)
            if known is not None:
                self._take(known)
                yield 1
                continue
            while len(self.running) >= room:
                yield self._wait(manifest)
            self.running.append(self.engine.submit(capture_part, source, shard, self.path, number))
        while self.running:
            yield self._wait(manifest)
        if self.given < self.ends[-1]:
            self._give(self.ends[-1])
            while self.running:
                yield self._wait(manifest)

    def _wait(self, manifest: Manifest) -> int:
        held = self.engine.first(self.running)
        self.running = [one for one in self.running if one is not held]
        done = self.engine.value(held)
        if isinstance(done, Part):
            self._take(done)
            return 1
        self.written.add(done)
        self._tell(manifest)
        return 0

    def _take(self, part: Part) -> None:
        """Take what is known of a shard, and give out the blocks whose rows are all there."""
        for name, text in part.text.items():
            if self.session.text.setdefault(name, text) is not text:
                raise CaptureError(f"Some batches have strings as label {name!r} and some numbers; give one kind.")
        self.parts[part.number] = part
        while len(self.ends) - 1 in self.parts:
            self.ends.append(self.ends[-1] + self.parts[len(self.ends) - 1].rows)
        while self.given + BLOCK <= self.ends[-1]:
            self._give(self.given + BLOCK)

    def _give(self, stop: int) -> None:
        """Give out the block of the rows up to one, unless it is in the store."""
        start, self.given = self.given, stop
        if (self.path / SUMS_SO_FAR / f"{start}.json").is_file():
            self.written.add(start)
            return
        Growing(self.path).resize(stop)
        self.running.append(self.engine.submit(write_block, self.path, start, self._pieces(start, stop)))

    def _pieces(self, start: int, stop: int) -> list[tuple[Part, int, int]]:
        """Return which rows of which shards stand in some rows of the store."""
        found = []
        for number in range(bisect_right(self.ends, start) - 1, len(self.ends) - 1):
            before, behind = self.ends[number], self.ends[number + 1]
            if before >= stop:
                break
            if behind > before:
                found.append((self.parts[number], max(start - before, 0), min(stop, behind) - before))
        return found

    def _tell(self, manifest: Manifest) -> None:
        """Write down how many rows are there from the first one on, and let go of the files of shards among them."""
        before = self.rows
        while self.rows in self.written:
            self.rows = min(self.rows + BLOCK, self.ends[-1])
        if self.rows > before:
            replace(manifest, rows=self.rows).write(self.path, storage.encoded(self._head(0)).attrs)
            for number in range(bisect_right(self.ends, self.rows) - 1):
                drop_part(self.path, number)

    def _head(self, rows: int) -> xr.Dataset:
        """Return what the store is to be like, with so many rows."""
        none = np.zeros(rows, np.int32)
        return self.session.head({"sample": none, "step": np.arange(rows, dtype=np.int32), "source": none})

    def _finish(self, store: Growing, manifest: Manifest) -> None:
        """Complete the store."""
        rows, session = self.ends[-1], self.session
        if not rows:
            session.seen = sum(part.seen for part in self.parts.values())
            shutil.rmtree(self.path)
            raise CaptureError(session.nothing())
        session.check.worst = max(part.worst for part in self.parts.values())
        session.check.rows = sum(part.checked for part in self.parts.values())
        last = storage.labels_so_far(self.path, [(rows - 1) // BLOCK * BLOCK])
        parts = [asdict(self.parts[number]) for number in range(len(self.parts))]
        (self.path / storage.SHARDS).write_text(json.dumps(parts, ensure_ascii=False), encoding="utf-8")
        store.finish(session.head(last), replace(manifest, rows=rows, complete=True))
