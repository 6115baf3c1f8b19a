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
from interp.registry import active_registry
from interp.schema import require_labels

if TYPE_CHECKING:
    import xarray as xr


MAX_CHUNK_VALUES = 2**24  # maximal values per chunk: 64 MiB of float32
NO_TOKENS = "The source has no tokens: it yielded no chunk."
UNITS_DIFFER = "The units differ between parts of the source."
COUNT_ATTRS = ("n_tokens", "n_sources")  # attrs of every result
MAX_BLOCK_UNITS = (
    256  # maximal units per block of a unitwise reducer: small states, and rows of a block read in one piece
)
MAX_BLOCK_UNITS_IN_MEMORY = 1024  # the same for activations in memory, which are read fastest in long pieces of a row


@dataclass(frozen=True)
class ReducerStep:
    """A planned reducer: the keys of the steps it depends on, by keyword of `start`, and its level above the source."""

    reducer: Reducer
    depends_on: Mapping[str, str]
    level: int


def reduce(reducer: Reducer, source: xr.Dataset | ActivationStream) -> xr.Dataset:
    """Return the result of a reducer over a dataset or a stream; reducers that it depends on are run first.

    Parameters
    ----------
    reducer : Reducer
        Reducer with its options. Reducers that it depends on receive its options of the same name.
    source : Dataset or ActivationStream
        Activations ``(token, unit)``. A stream is iterated once per level of dependencies.

    Raises
    ------
    SchemaError
        If labels are missing, or a stream yields no chunk.
    """
    import xarray as xr

    levels = plan_passes(reducer, source)
    results: dict[str, xr.Dataset] = {}
    counter = TokenCounter()
    for level, steps in enumerate(levels):
        if isinstance(source, xr.Dataset):
            level_results = {key: _over_dataset(key, step, results, source) for key, step in steps.items()}
        else:
            chunks = coalesce(source if level else counter.iter_counted(source))
            level_results = ReducerPass(steps, results).process(chunks).finalize()
        results |= {key: steps[key].reducer.postprocess(result) for key, result in level_results.items()}
    last = results[next(iter(levels[-1]))]
    return last.assign_attrs(count_attrs(source) if isinstance(source, xr.Dataset) else counter.attrs())


def plan_passes(reducer: Reducer, source: xr.Dataset | ActivationStream) -> list[dict[str, ReducerStep]]:
    """Return the steps of each pass over a source; the last pass runs the reducer itself."""
    import xarray as xr

    steps: dict[str, ReducerStep] = {}
    last = add_step(reducer, steps)
    if isinstance(source, Iterator) and steps[last].level:
        raise OptionError(
            f"Probe {reducer.name!r} reads its source more than once, and an iterator can't: pass a list or stream."
        )
    if isinstance(source, xr.Dataset):
        require_labels(source, reducer.requires, f"Probe {reducer.name!r}")
    return [{key: step for key, step in steps.items() if step.level == level} for level in range(steps[last].level + 1)]


def add_step(reducer: Reducer, steps: dict[str, ReducerStep], parents: tuple[str, ...] = ()) -> str:
    """Add a reducer to ``steps`` after its dependencies, each once; return its key."""
    key = f"{reducer.name} {json.dumps(reducer.options(), sort_keys=True, default=repr)}"
    if key in parents:
        raise PluginError(f"Reducer {reducer.name!r} needs itself: {' > '.join([*parents, key])}.")
    if key not in steps:
        needs = {
            name.replace("-", "_"): add_step(make_dependency(reducer, name), steps, (*parents, key))
            for name in reducer.depends_on
        }
        steps[key] = ReducerStep(reducer, needs, 1 + max((steps[other].level for other in needs.values()), default=-1))
    return key


def make_dependency(parent: Reducer, name: str) -> Reducer:
    """Return a reducer that another one depends on, with the options that both have."""
    kind = active_registry().get("probe", name)
    if not (isinstance(kind, type) and issubclass(kind, Reducer)):
        raise PluginError(f"Reducer {parent.name!r} needs {name!r}, which is not a reducer.")
    options = parent.options()
    return kind(**{option: options[option] for option in signature(kind).parameters if option in options})


@dataclass
class ReducerPass:
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

    steps: Mapping[str, ReducerStep]
    results: Mapping[str, xr.Dataset]
    states: dict[str, State] = field(default_factory=dict)
    units: xr.Dataset | None = None

    def __post_init__(self) -> None:
        self.results = {key: read_only(result) for key, result in self.results.items()}

    def process(self, chunks: Iterable[xr.Dataset]) -> Self:
        """Update the states with chunks; return self."""
        for chunk in map(as_float32, chunks):
            if self.units is None:
                self.units = unit_coords(chunk)
                self.states = {key: _start(step, self.results, self.units) for key, step in self.steps.items()}
            for key, step in self.steps.items():
                require_labels(chunk, step.reducer.requires, f"Probe {step.reducer.name!r}")
                self.states[key] = step.reducer.update(self.states[key], chunk)
        return self

    def merge(self, other: ReducerPass) -> ReducerPass:
        """Return the combination of two passes; neither may be used afterwards."""
        if self.units is None or other.units is None:
            return other if self.units is None else self
        if list(self.units["unit"].values) != list(other.units["unit"].values):
            raise SchemaError(UNITS_DIFFER)
        merged = {key: step.reducer.merge(self.states[key], other.states[key]) for key, step in self.steps.items()}
        return ReducerPass(self.steps, self.results, merged, self.units)

    def finalize(self) -> dict[str, xr.Dataset]:
        """Return the result of each step, with the coords of the units."""
        if self.units is None:
            raise SchemaError(NO_TOKENS)
        return {key: _labelled(step.reducer.finalize(self.states[key]), self.units) for key, step in self.steps.items()}


def read_only(result: xr.Dataset) -> xr.Dataset:
    """Return a result whose arrays are read-only views."""

    def read_only_view(variable: xr.Variable) -> xr.Variable:
        view = np.asarray(variable.values).view()
        view.flags.writeable = False
        return variable.copy(data=view)

    variables = {name: variable for name, variable in result.variables.items() if name not in result.indexes}
    return result.assign({name: read_only_view(variable) for name, variable in variables.items()})


def as_float32(chunk: xr.Dataset) -> xr.Dataset:
    """Return a chunk with float16 activations converted to float32, which compiled loops require."""
    if chunk.activation.dtype != np.float16:
        return chunk
    return chunk.assign(activation=chunk.activation.astype(np.float32))


def _start(step: ReducerStep, results: Mapping[str, xr.Dataset], units: xr.Dataset) -> State:
    return step.reducer.init_state(units, **{keyword: results[key] for keyword, key in step.depends_on.items()})


def unit_coords(acts: xr.Dataset) -> xr.Dataset:
    """Return the coords of ``unit`` and the attrs, without data."""
    return acts.drop_vars([name for name, variable in acts.variables.items() if variable.dims != ("unit",)])


def _labelled(result: xr.Dataset, units: xr.Dataset) -> xr.Dataset:
    locked_arrays = {name: array for name, array in result.items() if not np.asarray(array.values).flags.writeable}
    copies = {name: array.variable.copy() for name, array in locked_arrays.items()}
    labelled = result.assign(copies).assign_coords(units.coords if "unit" in result.dims else {})
    return labelled.assign_attrs(provenance_attrs(units))


def provenance_attrs(acts: xr.Dataset) -> dict[str, str | int | float]:
    """Return the attrs of activations that are copied to results."""
    names = ("model", "model_sha256", "task", "seed", "basis", "basis_seed")
    return {name: acts.attrs[name] for name in names if name in acts.attrs}


def count_attrs(acts: xr.Dataset) -> dict[str, int]:
    """Return the numbers of tokens and sources as attrs `COUNT_ATTRS`; for results, those in their attrs."""
    if "token" not in acts.dims:
        return {name: acts.attrs[name] for name in COUNT_ATTRS if name in acts.attrs}
    counter = TokenCounter()
    counter.add(acts)
    return counter.attrs()


class TokenCounter:
    """A counter of tokens and distinct sources."""

    def __init__(self, tokens: int = 0, sources: np.ndarray | None = None) -> None:
        self.tokens, self.sources = tokens, np.zeros(0, np.int64) if sources is None else sources

    def add(self, acts: xr.Dataset) -> None:
        """Count the tokens of a chunk."""
        self.tokens += acts.sizes.get("token", 0)
        if "source" in acts.coords:
            self.sources = np.union1d(self.sources, acts["source"].values)

    def iter_counted(self, chunks: Iterable[xr.Dataset]) -> Iterator[xr.Dataset]:
        """Yield the chunks, and count each of them."""
        for chunk in chunks:
            self.add(chunk)
            yield chunk

    def merge(self, other: TokenCounter) -> TokenCounter:
        """Return the combined counter; a source in both counts once."""
        return TokenCounter(self.tokens + other.tokens, np.union1d(self.sources, other.sources))

    def attrs(self) -> dict[str, int]:
        """Return the counts by name of the attr."""
        return dict(zip(COUNT_ATTRS, (self.tokens, self.sources.size), strict=True))


def _over_dataset(key: str, step: ReducerStep, results: Mapping[str, xr.Dataset], acts: xr.Dataset) -> xr.Dataset:
    acts = sort_by_sample(acts)
    bounds = sample_bounds(acts["sample"].values)
    blocks = unit_blocks(acts) if step.reducer.per_unit else [slice(None)]
    counts = (
        ReducerPass({key: step}, select_unit_block(results, block))
        .process(iter_sample_chunks(acts.isel(unit=block), bounds))
        .finalize()
        for block in blocks
    )
    return concat_parts([results_of_block[key] for results_of_block in counts], "unit")


def sort_by_sample(acts: xr.Dataset) -> xr.Dataset:
    """Return activations sorted such that the tokens of each sample are contiguous."""
    samples = acts["sample"].values
    return acts if is_contiguous(samples) else acts.isel(token=np.argsort(samples, kind="stable"))


def select_unit_block(results: Mapping[str, xr.Dataset], block: slice) -> dict[str, xr.Dataset]:
    """Return the results of a block of units."""
    return {name: result.isel(unit=block) if "unit" in result.dims else result for name, result in results.items()}


def unit_blocks(acts: xr.Dataset) -> list[slice]:
    """Return blocks of about `MAX_BLOCK_UNITS` units; in a Dask array, several whole chunks or a part of one."""
    limit = MAX_BLOCK_UNITS_IN_MEMORY if acts.activation.variable._in_memory else MAX_BLOCK_UNITS
    sizes = dict(acts.activation.variable.chunksizes).get("unit", (acts.sizes["unit"],))
    edges = [0]
    for end, size in zip(np.cumsum(sizes).tolist(), sizes, strict=True):
        if size > limit:
            edges += [end - size, *range(end - size + limit, end, limit), end]
        elif end - edges[-1] > limit:
            edges.append(end - size)
    edges = sorted({*edges, acts.sizes["unit"]})
    return [slice(a, b) for a, b in pairwise(edges)] or [slice(None)]


def is_contiguous(samples: np.ndarray) -> bool:
    """Return whether the tokens of each sample are contiguous."""
    return np.unique(samples).size == sample_bounds(samples).size - 1


def sample_bounds(samples: np.ndarray) -> np.ndarray:
    """Return the start position of each sample, and the end."""
    change = np.flatnonzero(samples[1:] != samples[:-1]) + 1
    return np.concatenate([[0], change, [samples.size]]) if samples.size else np.zeros(1, np.int64)


def iter_sample_chunks(acts: xr.Dataset, bounds: np.ndarray) -> Iterator[xr.Dataset]:
    """Yield views of whole samples, at most `MAX_CHUNK_VALUES` values or one sample; an empty view if no tokens."""
    max_tokens = max(MAX_CHUNK_VALUES // max(acts.sizes["unit"], 1), 1)
    first, end = 0, bounds.size - 1
    while True:
        fitting = int(np.searchsorted(bounds, bounds[first] + max_tokens, side="right")) - 1
        last = min(max(fitting, first + 1), end)
        yield acts.isel(token=slice(int(bounds[first]), int(bounds[last])))
        first = last
        if first >= end:
            return


def coalesce(stream: Iterable[xr.Dataset]) -> Iterator[xr.Dataset]:
    """Yield the chunks of a stream; concatenate small ones up to `MAX_CHUNK_VALUES` values to save updates."""
    pending: list[xr.Dataset] = []
    for chunk in stream:
        if pending and sum(part.activation.size for part in pending) + chunk.activation.size > MAX_CHUNK_VALUES:
            yield concat_parts(pending, "token")
            pending = []
        pending.append(chunk)
    if pending:
        yield concat_parts(pending, "token")


def concat_parts(parts: list[xr.Dataset], dim: str) -> xr.Dataset:
    """Concatenate parts that differ along one dim only."""
    import xarray as xr

    if len(parts) == 1:
        return parts[0]
    options = {"data_vars": "minimal", "coords": "minimal", "compat": "override", "join": "override"}
    return xr.concat(parts, dim, combine_attrs="override", **options)  # type: ignore[call-overload,no-any-return]
