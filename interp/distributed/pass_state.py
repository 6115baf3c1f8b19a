"""State of one reduction pass, and its serialisation in blocks of units."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from interp.errors import SchemaError
from interp.measurement.reduce import (
    MAX_BLOCK_UNITS_IN_MEMORY,
    NO_TOKENS,
    UNITS_DIFFER,
    ReducerPass,
    ReducerStep,
    TokenCounter,
    coalesce,
    concat_parts,
    iter_sample_chunks,
    sample_bounds,
    select_unit_block,
    unit_blocks,
)

if TYPE_CHECKING:
    from interp.distributed.state_files import StateArrays


TOKENS, SOURCES, HEADER, UNITS = "tokens", "sources", "head", "units"
OWN_ARRAYS = "own"  # arrays of a state
SHARED_ARRAYS = "needed"  # references to arrays that the state shares with earlier results
FORMAT_VERSION = "2"  # version of the serialisation
NamedArrays = Iterator[tuple[str, np.ndarray]]
BlockCounts = list[tuple[slice, ReducerPass]]


@dataclass(frozen=True)
class PassState:
    """One pass over a source, with one or more reducers.

    Attributes
    ----------
    steps : mapping of str to ReducerStep
        Reducers of the pass.
    results : mapping of str to Dataset
        Results of earlier passes.
    """

    steps: Mapping[str, ReducerStep]
    results: Mapping[str, xr.Dataset]

    def __getstate__(self) -> dict[str, Any]:
        import cloudpickle

        return {"steps": cloudpickle.dumps(self.steps), "results": self.results}  # reducers may write their own arrays

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, steps=pickle.loads(state["steps"]))  # noqa: S301 (pickled by the calling process)

    def reduce_shard(self, shard: xr.Dataset | Iterable[xr.Dataset]) -> NamedArrays:
        """Compute the state of a shard; yield its arrays by name."""
        tally = TokenCounter()
        counts = (
            self._reduce_dataset(shard, tally) if isinstance(shard, xr.Dataset) else self._reduce_chunks(shard, tally)
        )
        yield from _encode_tally(tally)
        for number, (block, count) in enumerate(counts):
            yield from self._encode(number, block, count)

    def merge(self, a: StateArrays, b: StateArrays) -> NamedArrays:
        """Yield the merged state of two shards; only one block of each is in memory at a time."""
        yield from _encode_tally(_decode_tally(a).merge(_decode_tally(b)))
        if not (n_blocks(a) and n_blocks(b)):
            bare = a if n_blocks(a) else b
            yield from ((name, bare[name]) for name in bare if name not in (TOKENS, SOURCES))
            return
        for number in range(max(n_blocks(a), n_blocks(b))):
            yield from self._merge_block(number, a, b)

    def finish(self, record: StateArrays) -> tuple[dict[str, xr.Dataset], TokenCounter]:
        """Return the result of each step, and the token count."""
        if not n_blocks(record):
            raise SchemaError(NO_TOKENS)
        results: dict[str, list[xr.Dataset]] = {}
        for number in range(n_blocks(record)):
            for key, result in self._decode(number, record).finalize().items():
                results.setdefault(key, []).append(result)
        joined = {key: concat_parts(parts, "unit") for key, parts in results.items()}
        return {key: self.steps[key].reducer.postprocess(result) for key, result in joined.items()}, _decode_tally(
            record
        )

    def _reduce_dataset(self, shard: xr.Dataset, tally: TokenCounter) -> BlockCounts:
        tally.add(shard)
        bounds, counts = (
            sample_bounds(shard["sample"].values),
            self._empty_states(shard.sizes["unit"], unit_blocks(shard)),
        )
        for block, count in counts:
            count.process(iter_sample_chunks(shard.isel(unit=block), bounds))
        return counts

    def _reduce_chunks(self, shard: Iterable[xr.Dataset], tally: TokenCounter) -> BlockCounts:
        counts: BlockCounts = []
        n = -1
        for chunk in coalesce(tally.iter_counted(shard)):
            if n < 0:
                n = chunk.sizes["unit"]
                blocks = [
                    slice(at, min(at + MAX_BLOCK_UNITS_IN_MEMORY, n)) for at in range(0, n, MAX_BLOCK_UNITS_IN_MEMORY)
                ]
                counts = self._empty_states(n, blocks or [slice(0, n)])
            elif chunk.sizes["unit"] != n:
                raise SchemaError(UNITS_DIFFER)
            for block, count in counts:
                count.process([chunk.isel(unit=block)])
        return counts

    def _empty_states(self, n: int, blocks: Sequence[slice]) -> BlockCounts:
        """Return empty states: one per block of units for per-unit steps, one for all units for the others."""
        each = {key: step for key, step in self.steps.items() if step.reducer.per_unit}
        whole = {key: step for key, step in self.steps.items() if not step.reducer.per_unit}
        columns = [(whole, slice(0, n))] * bool(whole) + [(each, block) for block in blocks] * bool(each)
        return [(block, ReducerPass(steps, select_unit_block(self.results, block))) for steps, block in columns]

    def _merge_block(self, number: int, a: StateArrays, b: StateArrays) -> NamedArrays:
        head = f"{number}/{HEADER}"
        if head not in a or head not in b or a[head] != b[head]:
            raise SchemaError(UNITS_DIFFER)
        yield from self._encode(number, _unit_slice(a[head]), self._decode(number, a).merge(self._decode(number, b)))

    def _encode(self, number: int, block: slice, count: ReducerPass) -> NamedArrays:
        """Yield the arrays of a block by name; arrays shared with earlier results are written as references."""
        if count.units is None:
            return
        order = list(self.steps)
        head = {"steps": [order.index(key) for key in count.steps], "units": [block.start, block.stop]}
        yield f"{number}/{HEADER}", np.array(json.dumps(head))
        yield f"{number}/{UNITS}/attrs", np.array(json.dumps(count.units.attrs, ensure_ascii=False))
        yield from ((f"{number}/{UNITS}/{name}", variable.values) for name, variable in count.units.variables.items())
        shared, results = _addresses(count.results), list(self.results)
        for at, state in enumerate(count.states.values()):
            for name, value in state.items():
                array = np.asarray(value)
                reference = None if array.flags.writeable else shared.get(_address(array))
                if reference is None:
                    yield f"{number}/{at}/{OWN_ARRAYS}/{name}", array
                else:
                    _, key, variable = reference
                    yield f"{number}/{at}/{SHARED_ARRAYS}/{name}", np.array([str(results.index(key)), variable])

    def _decode(self, number: int, record: StateArrays) -> ReducerPass:
        """Return the state of a block of a record."""
        here = arrays_under(record, f"{number}")
        order = list(self.steps)
        steps = {order[at]: self.steps[order[at]] for at in json.loads(str(here[HEADER]))["steps"]}
        count = ReducerPass(
            steps, select_unit_block(self.results, _unit_slice(here[HEADER])), units=_units(arrays_under(here, UNITS))
        )
        results = list(count.results.values())
        for at, key in enumerate(steps):
            state = arrays_under(here, f"{at}")
            shared = arrays_under(state, SHARED_ARRAYS).items()
            count.states[key] = arrays_under(state, OWN_ARRAYS) | {
                name: results[int(n)][v].values for name, (n, v) in shared
            }
        return count


def _encode_tally(tally: TokenCounter) -> NamedArrays:
    yield TOKENS, np.array(tally.tokens)
    yield SOURCES, tally.sources


def _decode_tally(record: StateArrays) -> TokenCounter:
    return TokenCounter(int(record[TOKENS]), record[SOURCES])


def _unit_slice(head: np.ndarray) -> slice:
    return slice(*json.loads(str(head))["units"])


def n_blocks(record: StateArrays) -> int:
    """Return the number of blocks of a record."""
    return sum(name.endswith(f"/{HEADER}") and name.count("/") == 1 for name in record)


def arrays_under(record: StateArrays, prefix: str) -> dict[str, np.ndarray]:
    """Return the arrays whose names start with a prefix and a slash, with that start removed."""
    return {name[len(prefix) + 1 :]: record[name] for name in record if name.startswith(f"{prefix}/")}


def _units(arrays: dict[str, np.ndarray]) -> xr.Dataset:
    """Return the unit coords in a record."""
    attrs = json.loads(str(arrays.pop("attrs")))
    return xr.Dataset(coords={name: ("unit", value) for name, value in arrays.items()}, attrs=attrs)


def _addresses(results: Mapping[str, xr.Dataset]) -> dict[Any, tuple[np.ndarray, str, str]]:
    """Return arrays of results by memory address: the array, which keeps it alive, its result and its variable."""
    arrays = ((variable.values, key, str(name)) for key, result in results.items() for name, variable in result.items())
    return {_address(array): (array, key, name) for array, key, name in arrays}


def _address(array: np.ndarray) -> Any:
    return array.__array_interface__["data"][0], array.dtype, array.shape, array.strides
