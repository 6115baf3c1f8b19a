"""What many shards give, merged in pairs: in an order that depends on their number alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from interp.scaling.engines import Engine
from interp.scaling.records import Range


@dataclass
class Tree:
    """Merges neighbours of the same size, and at the end what is left from the first to the last.

    Parameters
    ----------
    engine : Engine
    merge : callable
        ``merge(a, b, (start, stop))`` begins a call that gives what the shards of both give, and returns it.
    """

    engine: Engine
    merge: Callable[[Any, Any, Range], Any]
    ready: dict[int, tuple[int, Any]] = field(default_factory=dict)  # by the first shard: behind the last, and what
    running: dict[int, tuple[Range, Any]] = field(default_factory=dict)
    begun: int = 0

    def run(self, calls: Iterator[tuple[int, Callable[[], Any]]], known: Mapping[Range, Any]) -> Iterator[int]:
        """Begin the calls of shards, and merge what they and the ``known`` ones give; yield the number of shards done.

        Parameters
        ----------
        calls : iterator of (int, callable)
            For each shard that is not known its number, and what begins its call.
        known : mapping of (int, int) to object
            What stands for the shards from one to before another.
        """
        for (start, stop), held in known.items():
            self._add(start, stop, held)
        room = self.engine.room()
        for number, call in calls:
            while len(self.running) >= room:
                yield self._wait()
            self._run((number, number + 1), call())
        while self.running or len(self.ready) > 1:
            if not self.running:
                self._pair(*sorted(self.ready)[:2])
            yield self._wait()

    def total(self) -> Any | None:
        """Return what stands for all shards; None where there was none."""
        return next(iter(self.ready.values()))[1] if self.ready else None

    def _run(self, shards: Range, held: Any) -> None:
        self.begun += 1
        self.running[self.begun] = shards, held

    def _wait(self) -> int:
        """Take in what is done first; return the number of shards that it is of, 0 for a merge."""
        first = self.engine.first([held for _, held in self.running.values()])
        number = next(number for number, (_, held) in self.running.items() if held is first)
        (start, stop), held = self.running.pop(number)
        self._add(start, stop, held)
        return int(stop - start == 1)

    def _add(self, start: int, stop: int, held: Any) -> None:
        self.ready[start] = stop, held
        size = stop - start
        if size & (size - 1) or start % size:
            return
        first, second = start & ~size, start | size
        if {first, second} <= set(self.ready) and self.ready[first][0] - first == self.ready[second][
            0
        ] - second == size:
            self._pair(first, second)

    def _pair(self, first: int, second: int) -> None:
        (_, a), (stop, b) = self.ready.pop(first), self.ready.pop(second)
        self._run((first, stop), self.merge(a, b, (first, stop)))
