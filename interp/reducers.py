"""Run reducers: what needs what, whole samples in chunks of bounded size, blocks of units, one pass a level."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from inspect import signature
from itertools import pairwise
from typing import TYPE_CHECKING, Self

import numpy as np

from interp.contracts import Reducer, State, Stream
from interp.errors import OptionError, PluginError, SchemaError
from interp.registry import registry
from interp.schema import check_labels

if TYPE_CHECKING:
    import xarray as xr

CHUNK = 2**24  # values at once: 64 MiB of float32
NOTHING = "The source has no tokens: it gave not one chunk."
UNLIKE = "The units of one part of the source are not those of another."
COUNTS = ("n_tokens", "n_sources")  # attrs of every result
BLOCK = 256  # units at once, where a reducer is unitwise: states stay small, and rows of a block are read in one piece
WIDE = 1024  # and where all is in memory, which is read fastest in long pieces of a row


@dataclass(frozen=True)
class Step:
    """A reducer in a plan: the keys of the steps it needs, by keyword of `start`, and its level above the source."""

    reducer: Reducer
    needs: Mapping[str, str]
    level: int


def reduce(reducer: Reducer, source: xr.Dataset | Stream) -> xr.Dataset:
    """Return the result of a reducer over a dataset or a stream, after the reducers that it needs.

    Parameters
    ----------
    reducer : Reducer
        With its options. Those that it needs get its options of the same name.
    source : Dataset or Stream
        Dims ``(token, unit)``. A stream is iterated once for each level of needs.

    Raises
    ------
    SchemaError
        For labels that are missing, or a stream without a chunk.
    """
    import xarray as xr

    levels = planned(reducer, source)
    results: dict[str, xr.Dataset] = {}
    tally = Tally()
    for level, now in enumerate(levels):
        if isinstance(source, xr.Dataset):
            found = {key: _over_dataset(key, step, results, source) for key, step in now.items()}
        else:
            found = Count(now, results).over(gathered(source if level else tally.over(source))).finish()
        results |= {key: now[key].reducer.conclude(result) for key, result in found.items()}
    last = results[next(iter(levels[-1]))]
    return last.assign_attrs(counted(source) if isinstance(source, xr.Dataset) else tally.attrs())


def planned(reducer: Reducer, source: xr.Dataset | Stream) -> list[dict[str, Step]]:
    """Return for each pass over a source the steps that are run in it; the last is that of the reducer."""
    import xarray as xr

    steps: dict[str, Step] = {}
    last = plan(reducer, steps)
    if isinstance(source, Iterator) and steps[last].level:
        raise OptionError(
            f"Probe {reducer.name!r} reads its source more than once; an iterator can't: pass a list or stream."
        )
    if isinstance(source, xr.Dataset):
        check_labels(source, reducer.requires, f"Probe {reducer.name!r}")
    return [{key: step for key, step in steps.items() if step.level == level} for level in range(steps[last].level + 1)]


def plan(reducer: Reducer, steps: dict[str, Step], asking: tuple[str, ...] = ()) -> str:
    """Add a reducer to ``steps``, after all that it needs, each once; return its key."""
    key = f"{reducer.name} {json.dumps(reducer.options(), sort_keys=True, default=repr)}"
    if key in asking:
        raise PluginError(f"Reducer {reducer.name!r} needs itself: {' > '.join([*asking, key])}.")
    if key not in steps:
        needs = {name.replace("-", "_"): plan(_needed(reducer, name), steps, (*asking, key)) for name in reducer.needs}
        steps[key] = Step(reducer, needs, 1 + max((steps[other].level for other in needs.values()), default=-1))
    return key


def _needed(asking: Reducer, name: str) -> Reducer:
    kind = registry().get("probe", name)
    if not (isinstance(kind, type) and issubclass(kind, Reducer)):
        raise PluginError(f"Reducer {asking.name!r} needs {name!r}, which is no reducer.")
    known = asking.options()
    return kind(**{option: known[option] for option in signature(kind).parameters if option in known})


@dataclass
class Count:
    """Some reducers that count the same chunks side by side.

    Attributes
    ----------
    steps : mapping of str to Step
    results : mapping of str to Dataset
        Of the steps that they need, by key. Their arrays can't be written: reducers share them.
    states : dict of str to State
        Of each step; empty before the first chunk.
    units : Dataset, optional
        The coords of the units, and the attrs of the first chunk.
    """

    steps: Mapping[str, Step]
    results: Mapping[str, xr.Dataset]
    states: dict[str, State] = field(default_factory=dict)
    units: xr.Dataset | None = None

    def __post_init__(self) -> None:
        self.results = {key: locked(result) for key, result in self.results.items()}

    def over(self, chunks: Iterable[xr.Dataset]) -> Self:
        """Count chunks; return self."""
        for chunk in map(widened, chunks):
            if self.units is None:
                self.units = unit_coords(chunk)
                self.states = {key: _start(step, self.results, self.units) for key, step in self.steps.items()}
            for key, step in self.steps.items():
                check_labels(chunk, step.reducer.requires, f"Probe {step.reducer.name!r}")
                self.states[key] = step.reducer.update(self.states[key], chunk)
        return self

    def merge(self, other: Count) -> Count:
        """Return what both have counted; neither may be used afterwards."""
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
    """Return a result whose arrays are seen, but can't be written."""

    def seen(held: xr.Variable) -> xr.Variable:
        view = np.asarray(held.values).view()
        view.flags.writeable = False
        return held.copy(data=view)

    return result.assign({name: seen(held) for name, held in result.variables.items() if name not in result.indexes})


def widened(chunk: xr.Dataset) -> xr.Dataset:
    """Return a chunk whose activations are float32 at least: compiled loops know no float16."""
    if chunk.activation.dtype != np.float16:
        return chunk
    return chunk.assign(activation=chunk.activation.astype(np.float32))


def _start(step: Step, results: Mapping[str, xr.Dataset], units: xr.Dataset) -> State:
    return step.reducer.start(units, **{keyword: results[key] for keyword, key in step.needs.items()})


def unit_coords(acts: xr.Dataset) -> xr.Dataset:
    """Return the coords of ``unit`` and the attrs, without data."""
    return acts.drop_vars([name for name, held in acts.variables.items() if held.dims != ("unit",)])


def _labelled(result: xr.Dataset, units: xr.Dataset) -> xr.Dataset:
    own = {name: held.variable.copy() for name, held in result.items() if not np.asarray(held.values).flags.writeable}
    labelled = result.assign(own).assign_coords(units.coords if "unit" in result.dims else {})
    return labelled.assign_attrs(provenance(units))


def provenance(acts: xr.Dataset) -> dict[str, str | int | float]:
    """Return those attrs of activations that their results carry on."""
    names = ("model", "model_sha256", "task", "seed", "basis", "basis_seed")
    return {name: acts.attrs[name] for name in names if name in acts.attrs}


def counted(acts: xr.Dataset) -> dict[str, int]:
    """Return the numbers of tokens and sources, under the names `COUNTS`; of no activations what their attrs say."""
    if "token" not in acts.dims:
        return {name: acts.attrs[name] for name in COUNTS if name in acts.attrs}
    tally = Tally()
    tally.add(acts)
    return tally.attrs()


class Tally:
    """Counts the tokens and sources that pass by."""

    def __init__(self, tokens: int = 0, sources: np.ndarray | None = None) -> None:
        self.tokens, self.sources = tokens, np.zeros(0, np.int64) if sources is None else sources

    def add(self, acts: xr.Dataset) -> None:
        """Count the tokens of a chunk."""
        self.tokens += acts.sizes.get("token", 0)
        if "source" in acts.coords:
            self.sources = np.union1d(self.sources, acts["source"].values)

    def over(self, chunks: Iterable[xr.Dataset]) -> Iterator[xr.Dataset]:
        """Yield the chunks, counted."""
        for chunk in chunks:
            self.add(chunk)
            yield chunk

    def merge(self, other: Tally) -> Tally:
        """Return what both have counted; a source that both have seen is one."""
        return Tally(self.tokens + other.tokens, np.union1d(self.sources, other.sources))

    def attrs(self) -> dict[str, int]:
        """Return the counts under their names."""
        return dict(zip(COUNTS, (self.tokens, self.sources.size), strict=True))


def _over_dataset(key: str, step: Step, results: Mapping[str, xr.Dataset], acts: xr.Dataset) -> xr.Dataset:
    acts = in_order(acts)
    bounds = sample_bounds(acts["sample"].values)
    blocks = unit_blocks(acts) if step.reducer.unitwise else [slice(None)]
    counts = (
        Count({key: step}, of_units(results, block)).over(cut(acts.isel(unit=block), bounds)).finish()
        for block in blocks
    )
    return concat([found[key] for found in counts], "unit")


def in_order(acts: xr.Dataset) -> xr.Dataset:
    """Return activations whose samples are in one piece each."""
    samples = acts["sample"].values
    return acts if together(samples) else acts.isel(token=np.argsort(samples, kind="stable"))


def of_units(results: Mapping[str, xr.Dataset], block: slice) -> dict[str, xr.Dataset]:
    """Return what results say of some units."""
    return {name: held.isel(unit=block) if "unit" in held.dims else held for name, held in results.items()}


def unit_blocks(acts: xr.Dataset) -> list[slice]:
    """Return blocks of about `BLOCK` units; of a Dask array, whole chunks together or parts of one, never both."""
    most = WIDE if acts.activation.variable._in_memory else BLOCK
    sizes = dict(acts.activation.variable.chunksizes).get("unit", (acts.sizes["unit"],))
    edges = [0]
    for end, size in zip(np.cumsum(sizes).tolist(), sizes, strict=True):
        if size > most:
            edges += [end - size, *range(end - size + most, end, most), end]
        elif end - edges[-1] > most:
            edges.append(end - size)
    edges = sorted({*edges, acts.sizes["unit"]})
    return [slice(a, b) for a, b in pairwise(edges)] or [slice(None)]


def together(samples: np.ndarray) -> bool:
    """Return whether the tokens of each sample stand together."""
    return np.unique(samples).size == sample_bounds(samples).size - 1


def sample_bounds(samples: np.ndarray) -> np.ndarray:
    """Return where samples begin, and the end."""
    change = np.flatnonzero(samples[1:] != samples[:-1]) + 1
    return np.concatenate([[0], change, [samples.size]]) if samples.size else np.zeros(1, np.int64)


def cut(acts: xr.Dataset, bounds: np.ndarray) -> Iterator[xr.Dataset]:
    """Yield views of whole samples, as many as keep to `CHUNK` values, one at least; of no tokens, one empty view."""
    room = max(CHUNK // max(acts.sizes["unit"], 1), 1)
    first, end = 0, bounds.size - 1
    while True:
        reach = int(np.searchsorted(bounds, bounds[first] + room, side="right")) - 1
        last = min(max(reach, first + 1), end)
        yield acts.isel(token=slice(int(bounds[first]), int(bounds[last])))
        first = last
        if first >= end:
            return


def gathered(stream: Iterable[xr.Dataset]) -> Iterator[xr.Dataset]:
    """Yield the chunks of a stream, small ones together, up to `CHUNK` values: states are fetched less often."""
    waiting: list[xr.Dataset] = []
    for chunk in stream:
        if waiting and sum(held.activation.size for held in waiting) + chunk.activation.size > CHUNK:
            yield concat(waiting, "token")
            waiting = []
        waiting.append(chunk)
    if waiting:
        yield concat(waiting, "token")


def concat(parts: list[xr.Dataset], dim: str) -> xr.Dataset:
    """Join parts that differ along one dim only."""
    import xarray as xr

    if len(parts) == 1:
        return parts[0]
    alike = {"data_vars": "minimal", "coords": "minimal", "compat": "override", "join": "override"}
    return xr.concat(parts, dim, combine_attrs="override", **alike)  # type: ignore[call-overload,no-any-return]
