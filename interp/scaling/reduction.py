"""Reducers over the shards of a source: counted apart, merged in a tree, finished once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.capturing.identity import described
from interp.contracts import Reducer
from interp.disk import writing
from interp.reducers import Count, Step, Tally, concat, cut, gathered, of_units, planned, sample_bounds, unit_blocks
from interp.scaling import asides, records
from interp.scaling.asides import Aside
from interp.scaling.engines import Engine, Shipped, arrived
from interp.scaling.records import Range, Record
from interp.scaling.shards import Rows, Sharded, sharded
from interp.scaling.trees import Tree

if TYPE_CHECKING:
    import xarray as xr

UNITS = "units"
Held = Record | Path | Aside
Show = Callable[[Iterator[int]], None]


@dataclass(frozen=True)
class Work:
    """What is counted in one pass over a source.

    Attributes
    ----------
    steps : mapping of str to Step
    results : mapping of str to Dataset
        Of earlier passes.
    columns : tuple of (tuple of str, slice)
        Which steps count together, and which units they count.
    """

    steps: Mapping[str, Step]
    results: Mapping[str, xr.Dataset]
    columns: tuple[tuple[tuple[str, ...], slice], ...]

    def counts(self) -> list[Count]:
        """Return for each column what has counted nothing yet."""
        return [
            Count({key: self.steps[key] for key in keys}, of_units(self.results, block)) for keys, block in self.columns
        ]

    def count(self, shard: xr.Dataset | Any) -> Record:
        """Return what is counted in a shard."""
        import xarray as xr

        tally, counts = Tally(), self.counts()
        if isinstance(shard, xr.Dataset):
            tally.add(shard)
            bounds = sample_bounds(shard["sample"].values)
            for count, (_, block) in zip(counts, self.columns, strict=True):
                count.over(cut(shard.isel(unit=block), bounds))
        else:
            (count,) = counts
            count.over(gathered(tally.over(shard)))
        return packed(counts, tally)

    def merge(self, a: Record, b: Record) -> Record:
        """Return what is counted in the shards of both."""
        (first, tally), (second, more) = self.unpacked(a), self.unpacked(b)
        merged = [one.merge(two) for one, two in zip(first, second, strict=True)]
        return packed(merged, tally.merge(more))

    def finish(self, record: Record) -> tuple[dict[str, xr.Dataset], Tally]:
        """Return the result of each step."""
        counts, tally = self.unpacked(record)
        found: dict[str, list[xr.Dataset]] = {}
        for count in counts:
            for key, result in count.finish().items():
                found.setdefault(key, []).append(result)
        joined = {key: concat(parts, "unit") for key, parts in found.items()}
        return {key: self.steps[key].reducer.conclude(result) for key, result in joined.items()}, tally

    def unpacked(self, record: Record) -> tuple[list[Count], Tally]:
        """Return what a record holds."""
        counts = self.counts()
        for column, (count, (keys, _)) in enumerate(zip(counts, self.columns, strict=True)):
            here = under(record, f"{column}")
            if UNITS in {name.partition("/")[0] for name in here}:
                count.units = unit_dataset(under(here, UNITS))
                count.states = {key: under(here, f"{number}") for number, key in enumerate(keys)}
        return counts, Tally(int(record["tokens"]), record["sources"])


def packed(counts: list[Count], tally: Tally) -> Record:
    """Return counts as one dict of arrays."""
    record = {"tokens": np.array(tally.tokens), "sources": tally.sources}
    for column, count in enumerate(counts):
        if count.units is None:
            continue
        for number, state in enumerate(count.states.values()):
            record |= {f"{column}/{number}/{name}": np.asarray(value) for name, value in state.items()}
        told = {name: held.values for name, held in count.units.variables.items()}
        told["attrs"] = np.array(json.dumps(count.units.attrs, ensure_ascii=False))
        record |= {f"{column}/{UNITS}/{name}": value for name, value in told.items()}
    return record


def under(record: Record, prefix: str) -> Record:
    """Return the arrays whose names begin with a prefix and a slash, without these."""
    return {name[len(prefix) + 1 :]: value for name, value in record.items() if name.startswith(f"{prefix}/")}


def unit_dataset(told: Record) -> xr.Dataset:
    """Return the coords of units that a record tells."""
    import xarray as xr

    attrs = json.loads(str(told.pop("attrs")))
    return xr.Dataset(coords={name: ("unit", value) for name, value in told.items()}, attrs=attrs)


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
        work = Work(steps, results, columns(steps, parts))
        found, tally = work.finish(_counted_all(work, parts, shipped, engine, folder and folder / f"{level}", show))
        results |= found
    return results[next(iter(levels[-1]))].assign_attrs(tally.attrs())


def identity(reducer: Reducer, parts: Sharded) -> dict[str, str]:
    """Return what makes two calls the same."""
    options = json.dumps(reducer.options(), sort_keys=True, ensure_ascii=False, default=described)
    return {"probe": f"{reducer.name} {reducer.version}", "options": options, **parts.identity()}


def columns(steps: Mapping[str, Step], parts: Sharded) -> tuple[tuple[tuple[str, ...], slice], ...]:
    """Return which steps count together: all over a stream; over a dataset each by itself, in blocks of units."""
    if not isinstance(parts, Rows) or parts.acts is None:
        return ((tuple(steps), slice(None)),)
    blocks = unit_blocks(parts.acts)
    return tuple(
        ((key,), block) for key, step in steps.items() for block in (blocks if step.reducer.unitwise else [slice(None)])
    )


def _counted_all(work: Work, parts: Sharded, source: Any, engine: Engine, folder: Path | None, show: Show) -> Record:
    """Return what is counted in all shards."""
    held, known = engine.ship(work), dict[Range, Any]()
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
        return packed([], Tally())
    return loaded(total if isinstance(total, Path) else engine.value(total))


def _count(work: Work | Shipped, source: Sharded | Shipped, shard: Any, place: Path | None) -> Held:
    """Count a shard, on whatever machine this runs."""
    import dask

    with dask.config.set(scheduler="synchronous"):
        return kept(arrived(work).count(arrived(source).of(shard)), place)


def _merge(work: Work | Shipped, a: Held, b: Held, place: Path | None) -> Held:
    """Merge two records; where they are files, they go when the new one is there."""
    if place is not None and place.exists():  # of a worker that died before it could say so
        return place
    merged = kept(arrived(work).merge(loaded(a), loaded(b)), place)
    for old in (a, b):
        if isinstance(old, Path):
            old.unlink(missing_ok=True)
    return merged


def kept(record: Record, place: Path | None) -> Held:
    """Return a record, or where it has been written."""
    if place is None:
        return Aside.of(record) if asides.is_large(record) else record
    records.write(record, place)
    return place


def loaded(held: Held) -> Record:
    """Return a record that may be a file, in arrays that may be reused."""
    if isinstance(held, Aside):
        return held.record()
    return records.read(held) if isinstance(held, Path) else {name: value.copy() for name, value in held.items()}
