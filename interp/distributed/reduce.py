"""Distributed reduction: one partial state per shard, merged in a tree and finalised once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.base import Reducer
from interp.distributed import state_files
from interp.distributed.executors import Broadcast, Executor, receive
from interp.distributed.pass_state import FORMAT_VERSION, PassState
from interp.distributed.state_files import ShardRange, SpilledState, StateArrays
from interp.measurement.reduce import ReducerStep, TokenCounter, plan_passes
from interp.measurement.sharding import Sharded, as_sharded
from interp.storage.filesystem import storage_errors
from interp.storage.fingerprint import canonical_text

if TYPE_CHECKING:
    import xarray as xr


StateHandle = Mapping[str, np.ndarray] | Path | SpilledState
ProgressCallback = Callable[[Iterator[int]], None]


def reduce_in_shards(
    reducer: Reducer, source: Any, engine: Executor, folder: Path | None, show: ProgressCallback
) -> xr.Dataset:
    """Return the result of a reducer over a source, as `interp.measurement.reduce.reduce` does.

    Parameters
    ----------
    reducer : Reducer
    source : Dataset or Sharded
    engine : Executor
    folder : Path, optional
        State directory; each pass has its own subdirectory.
    show : callable
        Exhausts an iterator that yields the number of newly finished shards, and reports progress.
    """
    parts, levels = as_sharded(source), plan_passes(reducer, source)
    if folder is None:
        return _run_passes(levels, parts, engine, None, show)
    with storage_errors(folder), state_files.open_directory(folder, call_identity(reducer, parts)):
        return _run_passes(levels, parts, engine, folder, show)


def _run_passes(
    levels: Sequence[Mapping[str, ReducerStep]],
    parts: Sharded,
    engine: Executor,
    folder: Path | None,
    show: ProgressCallback,
) -> xr.Dataset:
    """Run several passes, each of which uses the results of the earlier ones; return the result of the last."""
    shipped, tally = engine.broadcast(parts), TokenCounter()
    results: dict[str, xr.Dataset] = {}
    for level, steps in enumerate(levels):
        work = PassState(steps, results)
        total = _merge_all_shards(work, parts, shipped, engine, folder and folder / f"{level}", show)
        with open_state(total) as record:
            level_results, tally = work.finish(record)
        results |= level_results
    return results[next(iter(levels[-1]))].assign_attrs(tally.attrs())


def call_identity(reducer: Reducer, parts: Sharded) -> dict[str, str]:
    """Return the properties by which two calls are recognised as the same."""
    options = json.dumps(reducer.options(), sort_keys=True, ensure_ascii=False, default=canonical_text)
    return {
        "probe": f"{reducer.name} {reducer.version}",
        "options": options,
        "format": FORMAT_VERSION,
        **parts.identity(),
    }


def _merge_all_shards(
    work: PassState, parts: Sharded, source: Any, engine: Executor, folder: Path | None, show: ProgressCallback
) -> StateHandle:
    """Return the merged state of all shards."""
    shipped_work, finished = engine.broadcast(work, read_only=True), dict[ShardRange, Any]()
    if folder is not None:
        folder.mkdir(exist_ok=True)
        finished = dict(state_files.find_states(folder))

    def state_path(shards: ShardRange) -> Path | None:
        return state_files.state_path(folder, *shards) if folder is not None else None

    def calls() -> Iterator[tuple[int, Callable[[], Any]]]:
        covered = {number for start, stop in finished for number in range(start, stop)}
        for number, shard in enumerate(parts.shards()):
            if number not in covered:
                yield (
                    number,
                    partial(
                        engine.submit, _reduce_shard, shipped_work, source, shard, state_path((number, number + 1))
                    ),
                )

    tree = TreeReducer(
        engine, lambda a, b, shards: engine.submit(_merge, shipped_work, a, b, state_path(shards), soon=True)
    )
    show(tree.run(calls(), finished))
    total = tree.total()
    if total is None:
        return dict(work.reduce_shard([]))
    if isinstance(total, Path):
        return total
    content = engine.value(engine.submit(_content_or_names, total))
    return RemoteState(engine, total, content) if isinstance(content, list) else content


def _reduce_shard(
    work: PassState | Broadcast, source: Sharded | Broadcast, shard: Any, path: Path | None
) -> StateHandle:
    """Compute the state of a shard; runs on a worker."""
    import dask

    with dask.config.set(scheduler="synchronous"):
        return store_state(receive(work).reduce_shard(receive(source).load(shard)), path)


def _content_or_names(state: StateHandle) -> StateHandle | list[str]:
    """Return a state, or only the names of its arrays if it is on this worker's disk."""
    if isinstance(state, SpilledState):
        with state.open() as record:
            return list(record)
    return state


def _fetch_array(state: SpilledState, name: str) -> np.ndarray:
    with state.open() as record:
        return record[name]


class RemoteState(Mapping[str, np.ndarray]):
    """A state on a worker's disk. Arrays are fetched one by one, on access."""

    def __init__(self, engine: Executor, handle: Any, names: list[str]) -> None:
        self.engine, self.handle, self.names = engine, handle, names

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.names:
            raise KeyError(name)
        value: np.ndarray = self.engine.value(self.engine.submit(_fetch_array, self.handle, name))
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def _merge(work: PassState | Broadcast, a: StateHandle, b: StateHandle, path: Path | None) -> StateHandle:
    """Merge two states; their files are deleted once the merged one is written."""
    if path is not None and path.exists():  # written by a worker that died before it could return
        return path
    with open_state(a) as first, open_state(b) as second:
        merged = store_state(
            receive(work).merge(first, second), path, large=isinstance(a, SpilledState) or isinstance(b, SpilledState)
        )
    for old in (a, b):
        if isinstance(old, Path):
            old.unlink(missing_ok=True)
    return merged


def store_state(record: Iterable[tuple[str, np.ndarray]], path: Path | None, *, large: bool = False) -> StateHandle:
    """Store a state given array by array: at a path, on the local disk if large, else in memory; return its handle."""
    if path is not None:
        state_files.write_state(record, path)
        return path
    if large:
        return SpilledState.write(record)
    state = dict(record)
    return SpilledState.write(state.items()) if state_files.is_large(state) else state


def open_state(state: StateHandle) -> AbstractContextManager[StateArrays]:
    """Open a state. Arrays in files are read on access; arrays in memory are copied, since reducers may modify them."""
    if isinstance(state, SpilledState):
        return state.open()
    if isinstance(state, Path):
        return state_files.open_state_file(state)
    if isinstance(state, RemoteState):
        return nullcontext(state)
    return nullcontext({name: value.copy() for name, value in state.items()})


@dataclass
class TreeReducer:
    """Merges neighbouring ranges of equal size, and at the end the remaining ones from first to last.

    Parameters
    ----------
    engine : Executor
    merge : callable
        ``merge(a, b, (start, stop))`` starts a call that merges two states, and returns its handle.
    """

    engine: Executor
    merge: Callable[[Any, Any, ShardRange], Any]
    finished: dict[int, tuple[int, Any]] = field(default_factory=dict)  # first shard -> (stop, handle)
    running: dict[int, tuple[ShardRange, Any]] = field(default_factory=dict)
    n_started: int = 0

    def run(self, calls: Iterator[tuple[int, Callable[[], Any]]], finished: Mapping[ShardRange, Any]) -> Iterator[int]:
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
        room = self.engine.capacity()
        for number, call in calls:
            while len(self.running) >= room:
                yield self._wait()
            self._track((number, number + 1), call())
        while self.running or len(self.finished) > 1:
            if not self.running:
                self._merge_pair(*sorted(self.finished)[:2])
            yield self._wait()

    def total(self) -> Any | None:
        """Return the handle of the merged state of all shards, or None if there are no shards."""
        return next(iter(self.finished.values()))[1] if self.finished else None

    def _track(self, shards: ShardRange, handle: Any) -> None:
        self.n_started += 1
        self.running[self.n_started] = shards, handle

    def _wait(self) -> int:
        """Wait for a call and add its state; return 1 for a shard, 0 for a merge."""
        first = self.engine.wait_any([handle for _, handle in self.running.values()])
        number = next(number for number, (_, handle) in self.running.items() if handle is first)
        (start, stop), handle = self.running.pop(number)
        self._add(start, stop, handle)
        return int(stop - start == 1)

    def _add(self, start: int, stop: int, handle: Any) -> None:
        self.finished[start] = stop, handle
        size = stop - start
        if size & (size - 1) or start % size:
            return
        first, second = start & ~size, start | size
        if {first, second} <= set(self.finished) and self.finished[first][0] - first == self.finished[second][
            0
        ] - second == size:
            self._merge_pair(first, second)

    def _merge_pair(self, first: int, second: int) -> None:
        (_, a), (stop, b) = self.finished.pop(first), self.finished.pop(second)
        self._track((first, stop), self.merge(a, b, (first, stop)))
