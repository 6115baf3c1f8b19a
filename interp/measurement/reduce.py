"""Execution of reducers: dependencies, one pass per level, chunks of whole samples, blocks of units."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from inspect import signature
from itertools import pairwise
from typing import TYPE_CHECKING, Self

import numpy as np

from interp.base import ActivationStream, Reducer, State
from interp.errors import OptionError, PluginError, SchemaError
from interp.registry import registry
from interp.schema import check_labels

if TYPE_CHECKING:
    import xarray as xr


CHUNK = 2**24  # maximal values per chunk: 64 MiB of float32
NOTHING = "The source has no tokens: it yielded no chunk."
UNLIKE = "The units differ between parts of the source."
COUNTS = ("n_tokens", "n_sources")  # attrs of every result
BLOCK = 256  # maximal units per block of a unitwise reducer: small states, and rows of a block read in one piece
WIDE = 1024  # the same for activations in memory, which are read fastest in long pieces of a row


@dataclass(frozen=True)
class Step:
    """A planned reducer: the keys of the steps it depends on, by keyword of `start`, and its level above the source."""

    reducer: Reducer
    needs: Mapping[str, str]
    level: int


def reduce(reducer: Reducer, source: xr.Dataset | ActivationStream) -> xr.Dataset:
    """Return the result of a reducer over a dataset or a stream; reducers that it depends on are run first.

    Parameters
    ----------
    reducer : Reducer
        Reducer with its options. Reducers that it depends on receive its options of the same name.
    source : Dataset or Stream
        Activations ``(token, unit)``. A stream is iterated once per level of dependencies.

    Raises
    ------
    SchemaError
        If labels are missing, or a stream yields no chunk.
    """
    import xarray as xr

    levels = planned(reducer, source)
    results: dict[str, xr.Dataset] = {}
    counter = Tally()
    for level, steps in enumerate(levels):
        if isinstance(source, xr.Dataset):
            level_results = {key: _over_dataset(key, step, results, source) for key, step in steps.items()}
        else:
            chunks = gathered(source if level else counter.over(source))
            level_results = Count(steps, results).over(chunks).finish()
        results |= {key: steps[key].reducer.conclude(result) for key, result in level_results.items()}
    last = results[next(iter(levels[-1]))]
    return last.assign_attrs(counted(source) if isinstance(source, xr.Dataset) else counter.attrs())


def planned(reducer: Reducer, source: xr.Dataset | ActivationStream) -> list[dict[str, Step]]:
    """Return the steps of each pass over a source; the last pass runs the reducer itself."""
    import xarray as xr

    steps: dict[str, Step] = {}
    last = plan(reducer, steps)
    if isinstance(source, Iterator) and steps[last].level:
        raise OptionError(
            f"Probe {reducer.name!r} reads its source more than once, and an iterator can't: pass a list or stream."
        )
    if isinstance(source, xr.Dataset):
        check_labels(source, reducer.requires, f"Probe {reducer.name!r}")
    return [{key: step for key, step in steps.items() if step.level == level} for level in range(steps[last].level + 1)]


def plan(reducer: Reducer, steps: dict[str, Step], parents: tuple[str, ...] = ()) -> str:
    """Add a reducer to ``steps`` after its dependencies, each once; return its key."""
    key = f"{reducer.name} {json.dumps(reducer.options(), sort_keys=True, default=repr)}"
    if key in parents:
        raise PluginError(f"Reducer {reducer.name!r} needs itself: {' > '.join([*parents, key])}.")
    if key not in steps:
        needs = {name.replace("-", "_"): plan(_needed(reducer, name), steps, (*parents, key)) for name in reducer.needs}
        steps[key] = Step(reducer, needs, 1 + max((steps[other].level for other in needs.values()), default=-1))
    return key


def _needed(parent: Reducer, name: str) -> Reducer:
    kind = registry().get("probe", name)
    if not (isinstance(kind, type) and issubclass(kind, Reducer)):
        raise PluginError(f"Reducer {parent.name!r} needs {name!r}, which is not a reducer.")
    options = parent.options()
    return kind(**{option: options[option] for option in signature(kind).parameters if option in options})


@dataclass
class Count:
    """One pass over a source, in which several reducers read the same chunks.

    Attributes
    ----------
    steps : mapping of str to Step
        Steps of this pass, by key.
    results : mapping of str to Dataset
        Results of earlier passes, by key. Their arrays are read-only, because reducers share them.
    states : dict of str to State
        State of each step; empty before the first chunk.
    units : Dataset, optional
        Coords of the units, and attrs of the first chunk.
    """

    steps: Mapping[str, Step]
    results: Mapping[str, xr.Dataset]
    states: dict[str, State] = field(default_factory=dict)
    units: xr.Dataset | None = None

    def __post_init__(self) -> None:
        self.results = {key: locked(result) for key, result in self.results.items()}

    def over(self, chunks: Iterable[xr.Dataset]) -> Self:
        """Update the states with chunks; return self."""
        for chunk in map(widened, chunks):
            if self.units is None:
                self.units = unit_coords(chunk)
                self.states = {key: _start(step, self.results, self.units) for key, step in self.steps.items()}
            for key, step in self.steps.items():
                check_labels(chunk, step.reducer.requires, f"Probe {step.reducer.name!r}")
                self.states[key] = step.reducer.update(self.states[key], chunk)
        return self

    def merge(self, other: Count) -> Count:
        """Return the combination of two passes; neither may be used afterwards."""
        if self.units is None or other.units is None:
            return other if self.units is None else self
        if list(self.units["unit"].values) != list(other.units["unit"].values):
            raise SchemaError(UNLIKE)
        merged = {key: step.reducer.merge(self.states[key], other.states[key]) for key, step in self.steps.items()}
        return Count(self.steps, self.results, merged, self.units)

    def finish(self) -> dict[str, xr.Dataset]:
        """Return the result of each step, with the coords of the units."""
        if self.units is None:
            raise SchemaError(NOTHING)
        return {key: _labelled(step.reducer.finish(self.states[key]), self.units) for key, step in self.steps.items()}


def locked(result: xr.Dataset) -> xr.Dataset:
    """Return a result whose arrays are read-only views."""

    def read_only_view(variable: xr.Variable) -> xr.Variable:
        view = np.asarray(variable.values).view()
        view.flags.writeable = False
        return variable.copy(data=view)

    variables = {name: variable for name, variable in result.variables.items() if name not in result.indexes}
    return result.assign({name: read_only_view(variable) for name, variable in variables.items()})


def widened(chunk: xr.Dataset) -> xr.Dataset:
    """Return a chunk with float16 activations converted to float32, which compiled loops require."""
    if chunk.activation.dtype != np.float16:
        return chunk
    return chunk.assign(activation=chunk.activation.astype(np.float32))


def _start(step: Step, results: Mapping[str, xr.Dataset], units: xr.Dataset) -> State:
    return step.reducer.start(units, **{keyword: results[key] for keyword, key in step.needs.items()})


def unit_coords(acts: xr.Dataset) -> xr.Dataset:
    """Return the coords of ``unit`` and the attrs, without data."""
    return acts.drop_vars([name for name, variable in acts.variables.items() if variable.dims != ("unit",)])


def _labelled(result: xr.Dataset, units: xr.Dataset) -> xr.Dataset:
    locked_arrays = {name: array for name, array in result.items() if not np.asarray(array.values).flags.writeable}
    copies = {name: array.variable.copy() for name, array in locked_arrays.items()}
    labelled = result.assign(copies).assign_coords(units.coords if "unit" in result.dims else {})
    return labelled.assign_attrs(provenance(units))


def provenance(acts: xr.Dataset) -> dict[str, str | int | float]:
    """Return the attrs of activations that are copied to results."""
    names = ("model", "model_sha256", "task", "seed", "basis", "basis_seed")
    return {name: acts.attrs[name] for name in names if name in acts.attrs}


def counted(acts: xr.Dataset) -> dict[str, int]:
    """Return the numbers of tokens and sources as attrs `COUNTS`; for results, those in their attrs."""
    if "token" not in acts.dims:
        return {name: acts.attrs[name] for name in COUNTS if name in acts.attrs}
    counter = Tally()
    counter.add(acts)
    return counter.attrs()


class Tally:
    """A counter of tokens and distinct sources."""

    def __init__(self, tokens: int = 0, sources: np.ndarray | None = None) -> None:
        self.tokens, self.sources = tokens, np.zeros(0, np.int64) if sources is None else sources

    def add(self, acts: xr.Dataset) -> None:
        """Count the tokens of a chunk."""
        self.tokens += acts.sizes.get("token", 0)
        if "source" in acts.coords:
            self.sources = np.union1d(self.sources, acts["source"].values)

    def over(self, chunks: Iterable[xr.Dataset]) -> Iterator[xr.Dataset]:
        """Yield the chunks, and count each of them."""
        for chunk in chunks:
            self.add(chunk)
            yield chunk

    def merge(self, other: Tally) -> Tally:
        """Return the combined counter; a source in both counts once."""
        return Tally(self.tokens + other.tokens, np.union1d(self.sources, other.sources))

    def attrs(self) -> dict[str, int]:
        """Return the counts by name of the attr."""
        return dict(zip(COUNTS, (self.tokens, self.sources.size), strict=True))


def _over_dataset(key: str, step: Step, results: Mapping[str, xr.Dataset], acts: xr.Dataset) -> xr.Dataset:
    acts = in_order(acts)
    bounds = sample_bounds(acts["sample"].values)
    blocks = unit_blocks(acts) if step.reducer.unitwise else [slice(None)]
    counts = (
        Count({key: step}, of_units(results, block)).over(cut(acts.isel(unit=block), bounds)).finish()
        for block in blocks
    )
    return concat([results_of_block[key] for results_of_block in counts], "unit")


def in_order(acts: xr.Dataset) -> xr.Dataset:
    """Return activations sorted such that the tokens of each sample are contiguous."""
    samples = acts["sample"].values
    return acts if together(samples) else acts.isel(token=np.argsort(samples, kind="stable"))


def of_units(results: Mapping[str, xr.Dataset], block: slice) -> dict[str, xr.Dataset]:
    """Return the results of a block of units."""
    return {name: result.isel(unit=block) if "unit" in result.dims else result for name, result in results.items()}


def unit_blocks(acts: xr.Dataset) -> list[slice]:
    """Return blocks of about `BLOCK` units; a block of a Dask array is several whole chunks or a part of one."""
    limit = WIDE if acts.activation.variable._in_memory else BLOCK
    sizes = dict(acts.activation.variable.chunksizes).get("unit", (acts.sizes["unit"],))
    edges = [0]
    for end, size in zip(np.cumsum(sizes).tolist(), sizes, strict=True):
        if size > limit:
            edges += [end - size, *range(end - size + limit, end, limit), end]
        elif end - edges[-1] > limit:
            edges.append(end - size)
    edges = sorted({*edges, acts.sizes["unit"]})
    return [slice(a, b) for a, b in pairwise(edges)] or [slice(None)]


def together(samples: np.ndarray) -> bool:
    """Return whether the tokens of each sample are contiguous."""
    return np.unique(samples).size == sample_bounds(samples).size - 1


def sample_bounds(samples: np.ndarray) -> np.ndarray:
    """Return the start position of each sample, and the end."""
    change = np.flatnonzero(samples[1:] != samples[:-1]) + 1
    return np.concatenate([[0], change, [samples.size]]) if samples.size else np.zeros(1, np.int64)


def cut(acts: xr.Dataset, bounds: np.ndarray) -> Iterator[xr.Dataset]:
    """Yield views of whole samples with at most `CHUNK` values, one sample at least; one empty view if no tokens."""
    max_tokens = max(CHUNK // max(acts.sizes["unit"], 1), 1)
    first, end = 0, bounds.size - 1
    while True:
        fitting = int(np.searchsorted(bounds, bounds[first] + max_tokens, side="right")) - 1
        last = min(max(fitting, first + 1), end)
        yield acts.isel(token=slice(int(bounds[first]), int(bounds[last])))
        first = last
        if first >= end:
            return


def gathered(stream: Iterable[xr.Dataset]) -> Iterator[xr.Dataset]:
    """Yield the chunks of a stream, small ones concatenated up to `CHUNK` values, which saves updates of states."""
    pending: list[xr.Dataset] = []
    for chunk in stream:
        if pending and sum(part.activation.size for part in pending) + chunk.activation.size > CHUNK:
            yield concat(pending, "token")
            pending = []
        pending.append(chunk)
    if pending:
        yield concat(pending, "token")


def concat(parts: list[xr.Dataset], dim: str) -> xr.Dataset:
    """Concatenate parts that differ along one dim only."""
    import xarray as xr

    if len(parts) == 1:
        return parts[0]
    options = {"data_vars": "minimal", "coords": "minimal", "compat": "override", "join": "override"}
    return xr.concat(parts, dim, combine_attrs="override", **options)  # type: ignore[call-overload,no-any-return]
