"""Tree reduction: merge the states of shards in pairs, in an order that depends only on their number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from interp.scaling.engines import Engine
from interp.scaling.records import Range


@dataclass
class Tree:
    """Merges neighbouring ranges of equal size, and at the end the remaining ones from first to last.

    Parameters
    ----------
    engine : Engine
    merge : callable
        ``merge(a, b, (start, stop))`` starts a call that merges two states, and returns its handle.
    """

    engine: Engine
    merge: Callable[[Any, Any, Range], Any]
    ready: dict[int, tuple[int, Any]] = field(default_factory=dict)  # first shard -> (stop, handle)
    running: dict[int, tuple[Range, Any]] = field(default_factory=dict)
    begun: int = 0

    def run(self, calls: Iterator[tuple[int, Callable[[], Any]]], finished: Mapping[Range, Any]) -> Iterator[int]:
        """Start the calls of all shards, and merge their states and the ``finished`` ones.

        Parameters
        ----------
        calls : iterator of (int, callable)
            Number of each missing shard, and the function that starts its call.
        finished : mapping of (int, int) to object
            Handles of finished states, by the range (start, stop) of their shards.

        Yields
        ------
        int
            Number of newly finished shards.
        """
        for (start, stop), handle in finished.items():
            self._add(start, stop, handle)
        room = self.engine.room()
        for number, call in calls:
            while len(self.running) >= room:
                yield self._wait()
            self._track((number, number + 1), call())
        while self.running or len(self.ready) > 1:
            if not self.running:
                self._merge_pair(*sorted(self.ready)[:2])
            yield self._wait()

    def total(self) -> Any | None:
        """Return the handle of the merged state of all shards, or None if there are no shards."""
        return next(iter(self.ready.values()))[1] if self.ready else None

    def _track(self, shards: Range, handle: Any) -> None:
        self.begun += 1
        self.running[self.begun] = shards, handle

    def _wait(self) -> int:
        """Wait for a call and add its state; return 1 for a shard, 0 for a merge."""
        first = self.engine.first([handle for _, handle in self.running.values()])
        number = next(number for number, (_, handle) in self.running.items() if handle is first)
        (start, stop), handle = self.running.pop(number)
        self._add(start, stop, handle)
        return int(stop - start == 1)

    def _add(self, start: int, stop: int, handle: Any) -> None:
        self.ready[start] = stop, handle
        size = stop - start
        if size & (size - 1) or start % size:
            return
        first, second = start & ~size, start | size
        if {first, second} <= set(self.ready) and self.ready[first][0] - first == self.ready[second][
            0
        ] - second == size:
            self._merge_pair(first, second)

    def _merge_pair(self, first: int, second: int) -> None:
        (_, a), (stop, b) = self.ready.pop(first), self.ready.pop(second)
        self._track((first, stop), self.merge(a, b, (first, stop)))
