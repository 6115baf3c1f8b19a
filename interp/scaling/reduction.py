"""Distributed reduction: one partial state per shard, merged in a tree and finalised once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.capturing.identity import described
from interp.contracts import Reducer
from interp.disk import writing
from interp.reducers import Step, Tally, planned
from interp.scaling import asides, records
from interp.scaling.asides import Aside
from interp.scaling.engines import Engine, Shipped, arrived
from interp.scaling.records import Range, Record
from interp.scaling.shards import Sharded, sharded
from interp.scaling.trees import Tree
from interp.scaling.work import FORMAT, Work

if TYPE_CHECKING:
    import xarray as xr

Held = Mapping[str, np.ndarray] | Path | Aside
Show = Callable[[Iterator[int]], None]


def reduce_in_shards(reducer: Reducer, source: Any, engine: Engine, folder: Path | None, show: Show) -> xr.Dataset:
    """Return the result of a reducer over a source, as `interp.reducers.reduce` does.

    Parameters
    ----------
    reducer : Reducer
    source : Dataset or Sharded
    engine : Engine
    folder : Path, optional
        State directory; each pass has its own subdirectory.
    show : callable
        Exhausts an iterator that yields the number of newly finished shards, and reports progress.
    """
    parts, levels = sharded(source), planned(reducer, source)
    if folder is None:
        return _run_passes(levels, parts, engine, None, show)
    with writing(folder), records.begun(folder, identity(reducer, parts)):
        return _run_passes(levels, parts, engine, folder, show)


def _run_passes(levels: Sequence[Mapping[str, Step]], parts: Sharded, engine: Engine, folder: Path | None, show: Show
               ) -> xr.Dataset:  # fmt: skip
    """Run several passes, each of which uses the results of the earlier ones; return the result of the last."""
    shipped, tally = engine.ship(parts), Tally()
    results: dict[str, xr.Dataset] = {}
    for level, steps in enumerate(levels):
        work = Work(steps, results)
        total = _merge_all_shards(work, parts, shipped, engine, folder and folder / f"{level}", show)
        with opened(total) as record:
            level_results, tally = work.finish(record)
        results |= level_results
    return results[next(iter(levels[-1]))].assign_attrs(tally.attrs())


def identity(reducer: Reducer, parts: Sharded) -> dict[str, str]:
    """Return the properties by which two calls are recognised as the same."""
    options = json.dumps(reducer.options(), sort_keys=True, ensure_ascii=False, default=described)
    return {"probe": f"{reducer.name} {reducer.version}", "options": options, "format": FORMAT, **parts.identity()}


def _merge_all_shards(work: Work, parts: Sharded, source: Any, engine: Engine, folder: Path | None, show: Show) -> Held:
    """Return the merged state of all shards."""
    shipped_work, finished = engine.ship(work, read_only=True), dict[Range, Any]()
    if folder is not None:
        folder.mkdir(exist_ok=True)
        finished = dict(records.recorded(folder))

    def state_path(shards: Range) -> Path | None:
        return records.place(folder, *shards) if folder is not None else None

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

    tree = Tree(engine, lambda a, b, shards: engine.submit(_merge, shipped_work, a, b, state_path(shards), soon=True))
    show(tree.run(calls(), finished))
    total = tree.total()
    if total is None:
        return dict(work.count([]))
    if isinstance(total, Path):
        return total
    content = engine.value(engine.submit(_content_or_names, total))
    return Fetched(engine, total, content) if isinstance(content, list) else content


def _reduce_shard(work: Work | Shipped, source: Sharded | Shipped, shard: Any, path: Path | None) -> Held:
    """Compute the state of a shard; runs on a worker."""
    import dask

    with dask.config.set(scheduler="synchronous"):
        return kept(arrived(work).count(arrived(source).of(shard)), path)


def _content_or_names(state: Held) -> Held | list[str]:
    """Return a state, or only the names of its arrays if it is on this worker's disk."""
    if isinstance(state, Aside):
        with state.opened() as record:
            return list(record)
    return state


def _fetch_array(state: Aside, name: str) -> np.ndarray:
    with state.opened() as record:
        return record[name]


class Fetched(Mapping[str, np.ndarray]):
    """A state on a worker's disk. Arrays are fetched one by one, on access."""

    def __init__(self, engine: Engine, handle: Any, names: list[str]) -> None:
        self.engine, self.held, self.names = engine, handle, names

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.names:
            raise KeyError(name)
        value: np.ndarray = self.engine.value(self.engine.submit(_fetch_array, self.held, name))
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def _merge(work: Work | Shipped, a: Held, b: Held, path: Path | None) -> Held:
    """Merge two states; their files are deleted once the merged one is written."""
    if path is not None and path.exists():  # written by a worker that died before it could return
        return path
    with opened(a) as first, opened(b) as second:
        merged = kept(arrived(work).merge(first, second), path, large=isinstance(a, Aside) or isinstance(b, Aside))
    for old in (a, b):
        if isinstance(old, Path):
            old.unlink(missing_ok=True)
    return merged


def kept(record: Iterable[tuple[str, np.ndarray]], path: Path | None, *, large: bool = False) -> Held:
    """Store a state given array by array: at a path, on the local disk if large, else in memory; return its handle."""
    if path is not None:
        records.write(record, path)
        return path
    if large:
        return Aside.of(record)
    state = dict(record)
    return Aside.of(state.items()) if asides.is_large(state) else state


def opened(state: Held) -> AbstractContextManager[Record]:
    """Open a state. Arrays in files are read on access; arrays in memory are copied, since reducers may modify them."""
    if isinstance(state, Aside):
        return state.opened()
    if isinstance(state, Path):
        return records.opened(state)
    if isinstance(state, Fetched):
        return nullcontext(state)
    return nullcontext({name: value.copy() for name, value in state.items()})
