"""Measure: a probe over a dataset, several of them, or a stream; results carry how they came about."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import cleandoc
from itertools import count
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from interp._version import __version__
from interp.basis import in_basis, in_memory
from interp.contracts import Reducer, Stream
from interp.errors import OptionError
from interp.options import known_options
from interp.reducers import COUNTS, counted, provenance, reduce
from interp.registry import registry
from interp.scaling.scale import Scale
from interp.schema import RESULT, SCHEMA_VERSION, check_labels

if TYPE_CHECKING:
    import xarray as xr
    from distributed import Client

Probe = Reducer | Callable[..., "xr.Dataset"]


def measure(
    name_or_probe: str | Probe | type[Reducer],
    source: Any,
    /,
    *,
    basis: str = "units",
    basis_seed: int = 0,
    client: Client | None = None,
    states: str | PathLike[str] | None = None,
    progress: bool = True,
    **options: Any,
) -> xr.Dataset:
    """Run a probe.

    Parameters
    ----------
    name_or_probe : str, reducer or function
        The name of a registered probe, a `Reducer` (class or object), or a function under ``@interp.probe``.
    source : Dataset, sequence of them, or Stream
        Activations ``(token, unit)``. Several give a result with a dim ``model``, named by their attrs. Reducers
        take streams too, which are iterated once for each level of `Reducer.needs`.
    basis : {"units", "rotated"}
        As captured, or turned at random within each layer: see `rotate`.
    basis_seed : int
        Of the rotation.
    client : distributed.Client, optional
        Count the shards of the source on its workers; the result is the same, counts to the bit. For reducers.
    states : path, optional
        A directory in which states are recorded, on a disk that the workers share. After an interruption, also a
        killed process, the same call goes on from them. It stays until it is removed, and answers the same call at
        once. For reducers.
    progress : bool
        Show a bar on a terminal, with ``client`` or ``states``.
    **options
        Of the probe. The reducers that it needs get those of the same name.

    Returns
    -------
    Dataset
        Schema ``interp.result``: dims among ``unit``, ``pair``, ``token``, ``model`` and the probe's own; attrs
        name the probe, its version, its options (JSON), a paragraph of method, and count the tokens and sources.

    Raises
    ------
    UnknownNameError
        No such probe.
    OptionError
        An option that the probe does not have, a stream, client or states for a probe that is not a reducer, or states
        of another call.
    ClusterError
        A cluster that is not there, or has lost the work.
    SchemaError
        Labels that the probe reads and the source lacks.
    """
    probe, given = resolve(name_or_probe, options)
    scale = Scale(client, Path(states) if states is not None else None, progress)
    if not isinstance(source, Sequence) or isinstance(source, str):
        return _stamped(_measured(probe, given, source, basis, basis_seed, scale), probe, given)
    if not source:
        raise OptionError("Expected at least one dataset in the list; got none.")
    results = [_measured(probe, given, one, basis, basis_seed, scale.part(number)) for number, one in enumerate(source)]
    names = unique_names(str(result.attrs.pop("model", "model")) for result in results)
    counts = {name: ", ".join(str(result.attrs.get(name)) for result in results) for name in COUNTS}
    together = stacked(results, names)
    return _stamped(together.assign_attrs(counts | together.attrs), probe, given)


def resolve(name_or_probe: Any, options: Mapping[str, Any]) -> tuple[Probe, dict[str, Any]]:
    """Return a probe, a reducer with its options set, and all options with their values."""
    probe = registry().get("probe", name_or_probe) if isinstance(name_or_probe, str) else name_or_probe
    if isinstance(probe, type) and issubclass(probe, Reducer):
        known_options("Probe", probe.name, probe, options)
        reducer = probe(**options)
        return reducer, reducer.options()
    if isinstance(probe, Reducer):
        if options:
            raise OptionError(f"This {probe.name!r} has its options already: pass its class, or no options.")
        return probe, probe.options()
    if not hasattr(probe, "interp"):
        raise OptionError(f"Expected the name of a probe, a Reducer, or a function under @interp.probe; got {probe!r}.")
    return probe, known_options("Probe", probe.interp.name, probe, options) | dict(options)


def _checked(source: Any) -> xr.Dataset | Stream:
    import xarray as xr

    if not isinstance(source, xr.Dataset | Stream) or isinstance(source, str | PathLike):
        hint = f": pass interp.open({str(source)!r})" if isinstance(source, str | PathLike) else ""
        raise OptionError(f"Expected a Dataset, a list of them, or a stream; got a {type(source).__name__}{hint}.")
    return source


def _measured(probe: Probe, options: Mapping[str, Any], source: Any, basis: str, seed: int, scale: Scale) -> xr.Dataset:
    import xarray as xr

    captured: Any = _checked(source)
    source = in_basis(captured, basis, seed)
    if isinstance(probe, Reducer):
        return scale.reduce(probe, source) if scale.asked else reduce(probe, source)
    info = probe.interp  # type: ignore[attr-defined]
    if scale.asked or not isinstance(source, xr.Dataset):
        table = registry().table("probe")
        able = ", ".join(name for name in sorted(table) if isinstance(table[name].value, type))
        what = "client= or states=" if scale.asked else "a stream"
        raise OptionError(
            f"Probe {info.name!r} reads a whole dataset and can't take {what}: pass it interp.capture(…). "
            f"Reducers take streams: {able or 'none is registered'}."
        )
    check_labels(source, info.requires, f"Probe {info.name!r}")
    if basis != "units" and in_memory(captured):
        source = source.load()  # a function may read it many times
    result = with_labels(probe(source, **options).compute(), source)
    return result.assign_attrs(provenance(source) | counted(source) | result.attrs)


def with_labels(result: xr.Dataset, acts: xr.Dataset) -> xr.Dataset:
    """Return the result with every label that the activations have for its units, where it names units of theirs."""
    if "unit" not in result.indexes or not result.indexes["unit"].isin(acts.indexes["unit"]).all():
        return result
    units = acts["unit"].sel(unit=result["unit"])
    known = {name: held for name, held in units.coords.items() if name not in result.coords}
    return result.assign_coords(known)


def _stamped(result: xr.Dataset, probe: Probe, options: Mapping[str, Any]) -> xr.Dataset:
    info = probe if isinstance(probe, Reducer) else probe.interp  # type: ignore[attr-defined]
    first = cleandoc(probe.__doc__ or "").split("\n\n")[0]
    made = {
        "schema": RESULT,
        "schema_version": SCHEMA_VERSION,
        "interp_version": __version__,
        "probe": info.name,
        "probe_version": info.version,
        "options": json.dumps(dict(options), ensure_ascii=False, default=_described),
    }
    return result.assign_attrs({"method": " ".join(first.split())} | result.attrs | made)


def _described(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else f"<{type(value).__name__}>"


def stacked(results: Sequence[xr.Dataset], names: Sequence[str]) -> xr.Dataset:
    """Return results along a new dim ``model``, aligned by label: counts are 0 and floats NaN where a label is missing.

    Parameters
    ----------
    results : sequence of Dataset
        The same variables; labelled dims may differ in their labels, which keep the order in which they come.
    names : sequence of str
        Of the models, unique.

    Raises
    ------
    OptionError
        When a dim without labels differs in length.
    """
    import xarray as xr

    labels = {dim: _union(results, str(dim)) for dim in _each(result.indexes for result in results)}
    for dim in _each(result.dims for result in results):
        if dim not in labels and len({result.sizes.get(dim) for result in results}) > 1:
            raise OptionError(f"Results differ in the length of {dim!r}, which has no labels: measure one at a time.")
    fill = {name: 0 if held.dtype.kind in "biu" else np.nan for name, held in results[0].data_vars.items()}
    bare = [result.drop_vars(set(result.coords) - set(result.indexes)) for result in results]
    alike = [result.reindex({dim: held[dim] for dim, held in labels.items()}, fill_value=fill) for result in bare]
    model = xr.Variable("model", list(names))
    together = xr.concat(alike, model, data_vars="all", join="exact", combine_attrs="drop")
    for held in labels.values():
        together = together.assign_coords(held.coords)
    shared = set.intersection(*(set(result.attrs.items()) for result in results))
    return together.assign_attrs({key: value for key, value in results[0].attrs.items() if (key, value) in shared})


def _each(groups: Iterable[Iterable[Any]]) -> list[Any]:
    return list(dict.fromkeys(value for group in groups for value in group))


def _union(results: Sequence[xr.Dataset], dim: str) -> xr.Dataset:
    """Return the coords along a dim of all results, each label once."""
    import xarray as xr

    told = [result.coords.to_dataset() for result in results if dim in result.indexes]
    told = [held.drop_vars([name for name, coord in held.coords.items() if coord.dims != (dim,)]) for held in told]
    every = xr.concat(told, dim)
    return every.isel({dim: np.flatnonzero(~every.indexes[dim].duplicated())})


def unique_names(names: Iterable[str]) -> list[str]:
    """Return the names, ``-2``, ``-3``, … added where one comes again.

    Examples
    --------
    >>> unique_names(["lstm", "gru", "lstm"])
    ['lstm', 'gru', 'lstm-2']
    """
    unique: list[str] = []
    for name in names:
        numbered = (f"{name}-{number}" for number in count(2))
        unique.append(name if name not in unique else next(new for new in numbered if new not in unique))
    return unique
