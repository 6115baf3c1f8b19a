"""Reducers over the shards of a source: counted apart, merged in a tree, finished once."""

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
        States are recorded in it, those of each pass in a directory of their own.
    show : callable
        Takes an iterator of how many more shards are done, and runs it to its end.
    """
    parts, levels = sharded(source), planned(reducer, source)
    if folder is None:
        return _in_levels(levels, parts, engine, None, show)
    with writing(folder), records.begun(folder, identity(reducer, parts)):
        return _in_levels(levels, parts, engine, folder, show)


def _in_levels(levels: Sequence[Mapping[str, Step]], parts: Sharded, engine: Engine, folder: Path | None, show: Show
               ) -> xr.Dataset:  # fmt: skip
    """Return the result of the last of several passes, each of which needs those before."""
    shipped, tally = engine.ship(parts), Tally()
    results: dict[str, xr.Dataset] = {}
    for level, steps in enumerate(levels):
        work = Work(steps, results)
        total = _counted_all(work, parts, shipped, engine, folder and folder / f"{level}", show)
        with opened(total) as record:
            found, tally = work.finish(record)
        results |= found
    return results[next(iter(levels[-1]))].assign_attrs(tally.attrs())


def identity(reducer: Reducer, parts: Sharded) -> dict[str, str]:
    """Return what makes two calls the same."""
    options = json.dumps(reducer.options(), sort_keys=True, ensure_ascii=False, default=described)
    return {"probe": f"{reducer.name} {reducer.version}", "options": options, "format": FORMAT, **parts.identity()}


def _counted_all(work: Work, parts: Sharded, source: Any, engine: Engine, folder: Path | None, show: Show) -> Held:
    """Return what is counted in all shards."""
    held, known = engine.ship(work, read_only=True), dict[Range, Any]()
    if folder is not None:
        folder.mkdir(exist_ok=True)
        known = dict(records.recorded(folder))

    def place(shards: Range) -> Path | None:
        return records.place(folder, *shards) if folder is not None else None

    def calls() -> Iterator[tuple[int, Callable[[], Any]]]:
        covered = {number for start, stop in known for number in range(start, stop)}
        for number, shard in enumerate(parts.shards()):
            if number not in covered:
                yield number, partial(engine.submit, _count, held, source, shard, place((number, number + 1)))

    tree = Tree(engine, lambda a, b, shards: engine.submit(_merge, held, a, b, place(shards), soon=True))
    show(tree.run(calls(), known))
    total = tree.total()
    if total is None:
        return dict(work.count([]))
    if isinstance(total, Path):
        return total
    told = engine.value(engine.submit(_told, total))
    return Fetched(engine, total, told) if isinstance(told, list) else told


def _count(work: Work | Shipped, source: Sharded | Shipped, shard: Any, place: Path | None) -> Held:
    """Count a shard, on whatever machine this runs."""
    import dask

    with dask.config.set(scheduler="synchronous"):
        return kept(arrived(work).count(arrived(source).of(shard)), place)


def _told(held: Held) -> Held | list[str]:
    """Return a record, or the names of its arrays where it is on the disk of this worker."""
    if isinstance(held, Aside):
        with held.opened() as record:
            return list(record)
    return held


def _array(held: Aside, name: str) -> np.ndarray:
    with held.opened() as record:
        return record[name]


class Fetched(Mapping[str, np.ndarray]):
    """A record on the disk of a worker, which sends its arrays one by one when they are asked for."""

    def __init__(self, engine: Engine, held: Any, names: list[str]) -> None:
        self.engine, self.held, self.names = engine, held, names

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.names:
            raise KeyError(name)
        value: np.ndarray = self.engine.value(self.engine.submit(_array, self.held, name))
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def _merge(work: Work | Shipped, a: Held, b: Held, place: Path | None) -> Held:
    """Merge two records; where they are files, they go when the new one is there."""
    if place is not None and place.exists():  # of a worker that died before it could say so
        return place
    with opened(a) as first, opened(b) as second:
        merged = kept(arrived(work).merge(first, second), place, large=isinstance(a, Aside) or isinstance(b, Aside))
    for old in (a, b):
        if isinstance(old, Path):
            old.unlink(missing_ok=True)
    return merged


def kept(record: Iterable[tuple[str, np.ndarray]], place: Path | None, *, large: bool = False) -> Held:
    """Return a record that is told array by array, or where it has been written; a large one is not held as a whole."""
    if place is not None:
        records.write(record, place)
        return place
    if large:
        return Aside.of(record)
    held = dict(record)
    return Aside.of(held.items()) if asides.is_large(held) else held


def opened(held: Held) -> AbstractContextManager[Record]:
    """Open a record that may be a file, whose arrays are then read when they are asked for; they may be reused."""
    if isinstance(held, Aside):
        return held.opened()
    if isinstance(held, Path):
        return records.opened(held)
    if isinstance(held, Fetched):
        return nullcontext(held)
    return nullcontext({name: value.copy() for name, value in held.items()})
