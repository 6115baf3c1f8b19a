"""What is counted in one pass over a source, and how it is told: in columns of units, each held by itself."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from interp.errors import SchemaError
from interp.reducers import (
    NOTHING,
    UNLIKE,
    WIDE,
    Count,
    Step,
    Tally,
    concat,
    cut,
    gathered,
    of_units,
    sample_bounds,
    unit_blocks,
)

if TYPE_CHECKING:
    from interp.scaling.records import Record

TOKENS, SOURCES, HEAD, UNITS = "tokens", "sources", "head", "units"
OWN, NEEDED = "own", "needed"  # arrays of a state, and where in earlier results those stand that it shares with them
FORMAT = "2"  # of what is told
Named = Iterator[tuple[str, np.ndarray]]
Counts = list[tuple[slice, Count]]


@dataclass(frozen=True)
class Work:
    """What is counted in one pass over a source.

    Attributes
    ----------
    steps : mapping of str to Step
    results : mapping of str to Dataset
        Of earlier passes.
    """

    steps: Mapping[str, Step]
    results: Mapping[str, xr.Dataset]

    def __getstate__(self) -> dict[str, Any]:
        import cloudpickle

        return {"steps": cloudpickle.dumps(self.steps), "results": self.results}  # reducers may write their own arrays

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, steps=pickle.loads(state["steps"]))  # noqa: S301 (of the call's own process)

    def count(self, shard: xr.Dataset | Iterable[xr.Dataset]) -> Named:
        """Count a shard; yield what is counted, by name."""
        tally = Tally()
        counts = self._in_rows(shard, tally) if isinstance(shard, xr.Dataset) else self._in_chunks(shard, tally)
        yield from _tallied(tally)
        for number, (block, count) in enumerate(counts):
            yield from self._told(number, block, count)

    def merge(self, a: Record, b: Record) -> Named:
        """Yield what is counted in the shards of both; of each, one column at a time is read."""
        yield from _tallied(_tally(a).merge(_tally(b)))
        if not (width(a) and width(b)):
            bare = a if width(a) else b
            yield from ((name, bare[name]) for name in bare if name not in (TOKENS, SOURCES))
            return
        for number in range(max(width(a), width(b))):
            yield from self._merged(number, a, b)

    def finish(self, record: Record) -> tuple[dict[str, xr.Dataset], Tally]:
        """Return the result of each step."""
        if not width(record):
            raise SchemaError(NOTHING)
        found: dict[str, list[xr.Dataset]] = {}
        for number in range(width(record)):
            for key, result in self._column(number, record).finish().items():
                found.setdefault(key, []).append(result)
        joined = {key: concat(parts, "unit") for key, parts in found.items()}
        return {key: self.steps[key].reducer.conclude(result) for key, result in joined.items()}, _tally(record)

    def _in_rows(self, shard: xr.Dataset, tally: Tally) -> Counts:
        tally.add(shard)
        bounds, counts = sample_bounds(shard["sample"].values), self._begun(shard.sizes["unit"], unit_blocks(shard))
        for block, count in counts:
            count.over(cut(shard.isel(unit=block), bounds))
        return counts

    def _in_chunks(self, shard: Iterable[xr.Dataset], tally: Tally) -> Counts:
        counts: Counts = []
        n = -1
        for chunk in gathered(tally.over(shard)):
            if n < 0:
                n = chunk.sizes["unit"]
                blocks = [slice(at, min(at + WIDE, n)) for at in range(0, n, WIDE)]
                counts = self._begun(n, blocks or [slice(0, n)])
            elif chunk.sizes["unit"] != n:
                raise SchemaError(UNLIKE)
            for block, count in counts:
                count.over([chunk.isel(unit=block)])
        return counts

    def _begun(self, n: int, blocks: Sequence[slice]) -> Counts:
        """Return what counts nothing yet: for each block of units the unitwise steps, for all of them the others."""
        each = {key: step for key, step in self.steps.items() if step.reducer.unitwise}
        whole = {key: step for key, step in self.steps.items() if not step.reducer.unitwise}
        columns = [(whole, slice(0, n))] * bool(whole) + [(each, block) for block in blocks] * bool(each)
        return [(block, Count(steps, of_units(self.results, block))) for steps, block in columns]

    def _merged(self, number: int, a: Record, b: Record) -> Named:
        head = f"{number}/{HEAD}"
        if head not in a or head not in b or a[head] != b[head]:
            raise SchemaError(UNLIKE)
        yield from self._told(number, _block(a[head]), self._column(number, a).merge(self._column(number, b)))

    def _told(self, number: int, block: slice, count: Count) -> Named:
        """Yield what a column holds, by name; of arrays that are those of earlier results, which ones these are."""
        if count.units is None:
            return
        order = list(self.steps)
        told = {"steps": [order.index(key) for key in count.steps], "units": [block.start, block.stop]}
        yield f"{number}/{HEAD}", np.array(json.dumps(told))
        yield f"{number}/{UNITS}/attrs", np.array(json.dumps(count.units.attrs, ensure_ascii=False))
        yield from ((f"{number}/{UNITS}/{name}", held.values) for name, held in count.units.variables.items())
        known, results = _addresses(count.results), list(self.results)
        for at, state in enumerate(count.states.values()):
            for name, value in state.items():
                array = np.asarray(value)
                origin = None if array.flags.writeable else known.get(_address(array))
                if origin is None:
                    yield f"{number}/{at}/{OWN}/{name}", array
                else:
                    _, key, variable = origin
                    yield f"{number}/{at}/{NEEDED}/{name}", np.array([str(results.index(key)), variable])

    def _column(self, number: int, record: Record) -> Count:
        """Return what a record holds of a column."""
        here = under(record, f"{number}")
        order = list(self.steps)
        steps = {order[at]: self.steps[order[at]] for at in json.loads(str(here[HEAD]))["steps"]}
        count = Count(steps, of_units(self.results, _block(here[HEAD])), units=_units(under(here, UNITS)))
        results = list(count.results.values())
        for at, key in enumerate(steps):
            state = under(here, f"{at}")
            shared = under(state, NEEDED).items()
            count.states[key] = under(state, OWN) | {name: results[int(n)][v].values for name, (n, v) in shared}
        return count


def _tallied(tally: Tally) -> Named:
    yield TOKENS, np.array(tally.tokens)
    yield SOURCES, tally.sources


def _tally(record: Record) -> Tally:
    return Tally(int(record[TOKENS]), record[SOURCES])


def _block(head: np.ndarray) -> slice:
    return slice(*json.loads(str(head))["units"])


def width(record: Record) -> int:
    """Return how many columns a record has."""
    return sum(name.endswith(f"/{HEAD}") and name.count("/") == 1 for name in record)


def under(record: Record, prefix: str) -> dict[str, np.ndarray]:
    """Return the arrays whose names begin with a prefix and a slash, without these."""
    return {name[len(prefix) + 1 :]: record[name] for name in record if name.startswith(f"{prefix}/")}


def _units(told: dict[str, np.ndarray]) -> xr.Dataset:
    """Return the coords of units that a record tells."""
    attrs = json.loads(str(told.pop("attrs")))
    return xr.Dataset(coords={name: ("unit", value) for name, value in told.items()}, attrs=attrs)


def _addresses(results: Mapping[str, xr.Dataset]) -> dict[Any, tuple[np.ndarray, str, str]]:
    """Return where the arrays of results are in memory: each, kept alive, with the key and the name to find it by."""
    arrays = ((held.values, key, str(name)) for key, result in results.items() for name, held in result.items())
    return {_address(array): (array, key, name) for array, key, name in arrays}


def _address(array: np.ndarray) -> Any:
    return array.__array_interface__["data"][0], array.dtype, array.shape, array.strides
