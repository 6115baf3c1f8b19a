"""Measurement: a probe over one dataset, several datasets or a stream, with provenance in the result."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from inspect import cleandoc
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp._version import __version__
from interp.base import ActivationStream, Reducer
from interp.distributed.backend import Backend
from interp.errors import OptionError
from interp.measurement.reduce import COUNT_ATTRS, count_attrs, provenance_attrs, reduce
from interp.measurement.results import concat_models, unique_names, with_labels
from interp.measurement.rotation import is_in_memory, to_basis
from interp.registry import active_registry, names_missing_extra
from interp.schema import RESULT, SCHEMA_VERSION, require_labels
from interp.signatures import check_options

if TYPE_CHECKING:
    import xarray as xr
    from distributed import Client


ProbeLike = Reducer | Callable[..., "xr.Dataset"]


@names_missing_extra
def measure(
    name_or_probe: str | ProbeLike | type[Reducer],
    source: Any,
    /,
    *,
    basis: str = "units",
    basis_seed: int = 0,
    client: Client | None = None,
    checkpoint_dir: str | PathLike[str] | None = None,
    progress: bool = True,
    **options: Any,
) -> xr.Dataset:
    """Run a probe on activations.

    Parameters
    ----------
    name_or_probe : str, reducer or function
        Name of a registered probe, a `Reducer` (class or object), or a function decorated with ``@interp.probe``.
    source : Dataset, sequence of Dataset, or ActivationStream
        Activations ``(token, unit)``. Several datasets give a result with a dim ``model``, labelled by their attr
        ``model``. Reducers also take streams, which are iterated once per level of `Reducer.depends_on`.
    basis : {"units", "rotated"}
        Basis of the activations: as captured, or rotated at random within each layer (see `rotate_basis`).
    basis_seed : int
        Random seed of the rotation.
    client : distributed.Client, optional
        Client of a Dask cluster, whose workers process the shards of the source. The result is the same; counts are
        bit-identical. For reducers only.
    checkpoint_dir : path, optional
        Directory for partial states, on a disk that the workers share. After an interruption, even a killed process,
        the same call resumes from them. The directory is kept until you remove it; the same call then returns its
        result at once. For reducers only.
    progress : bool
        Show a progress bar on a terminal, with ``client`` or ``checkpoint_dir``.
    **options
        Options of the probe. The reducers that it depends on receive the options of the same name.

    Returns
    -------
    Dataset
        Dataset of schema ``interp.result`` with dims among ``unit``, ``pair``, ``token``, ``model`` and dims of the
        probe. Its attrs contain the probe, its version and options (JSON), a paragraph on the method, and the numbers
        of tokens and sources.

    Raises
    ------
    UnknownNameError
        If there is no such probe.
    OptionError
        For an unknown option, for a stream, ``client`` or ``checkpoint_dir`` with a probe that is not a reducer, or for
        states of another call.
    ClusterError
        If the cluster is unavailable, or lost the work.
    SchemaError
        If the source lacks a label that the probe reads.
    """
    probe, values = resolve_probe(name_or_probe, options)
    scale = Backend(client, Path(checkpoint_dir) if checkpoint_dir is not None else None, progress)
    if not isinstance(source, Sequence) or isinstance(source, str):
        return _with_provenance(_run_probe(probe, values, source, basis, basis_seed, scale), probe, values)
    if not source:
        raise OptionError("Expected at least one dataset in the list; got none.")
    results = [
        _run_probe(probe, values, acts, basis, basis_seed, scale.for_source(number))
        for number, acts in enumerate(source)
    ]
    names = unique_names(str(result.attrs.pop("model", "model")) for result in results)
    counts = {name: ", ".join(str(result.attrs.get(name)) for result in results) for name in COUNT_ATTRS}
    combined = concat_models(results, names)
    return _with_provenance(combined.assign_attrs(counts | combined.attrs), probe, values)


def resolve_probe(name_or_probe: Any, options: Mapping[str, Any]) -> tuple[ProbeLike, dict[str, Any]]:
    """Return the probe, with reducers instantiated, and all its options with their values."""
    probe = active_registry().get("probe", name_or_probe) if isinstance(name_or_probe, str) else name_or_probe
    if isinstance(probe, type) and issubclass(probe, Reducer):
        check_options("Probe", probe.name, probe, options)
        reducer = probe(**options)
        return reducer, reducer.options()
    if isinstance(probe, Reducer):
        if options:
            raise OptionError(f"This {probe.name!r} object already has its options: pass its class, or no options.")
        return probe, probe.options()
    if not hasattr(probe, "interp"):
        raise OptionError(f"Expected the name of a probe, a Reducer, or a function under @interp.probe; got {probe!r}.")
    return probe, check_options("Probe", probe.interp.name, probe, options) | dict(options)


def _require_source(source: Any) -> xr.Dataset | ActivationStream:
    import xarray as xr

    if not isinstance(source, xr.Dataset | ActivationStream) or isinstance(source, str | PathLike):
        hint = f": pass interp.open({str(source)!r})" if isinstance(source, str | PathLike) else ""
        raise OptionError(f"Expected a Dataset, a list of them, or a stream; got a {type(source).__name__}{hint}.")
    return source


def _run_probe(
    probe: ProbeLike, options: Mapping[str, Any], source: Any, basis: str, seed: int, scale: Backend
) -> xr.Dataset:
    import xarray as xr

    captured: Any = _require_source(source)
    source = to_basis(captured, basis, seed)
    if isinstance(probe, Reducer):
        return scale.reduce(probe, source) if scale.needs_shards else reduce(probe, source)
    info = probe.interp  # type: ignore[attr-defined]
    if scale.needs_shards or not isinstance(source, xr.Dataset):
        table = active_registry().table("probe")
        reducers = ", ".join(name for name in sorted(table) if isinstance(table[name].value, type))
        argument = "client= or checkpoint_dir=" if scale.needs_shards else "a stream"
        raise OptionError(
            f"Probe {info.name!r} reads a whole dataset and can't take {argument}: pass it interp.capture(…). "
            f"Reducers take streams: {reducers or 'none is registered'}."
        )
    require_labels(source, info.requires, f"Probe {info.name!r}")
    if basis != "units" and is_in_memory(captured):
        source = source.load()  # a function may read it many times
    result = with_labels(probe(source, **options).compute(), source)
    return result.assign_attrs(provenance_attrs(source) | count_attrs(source) | result.attrs)


def _with_provenance(result: xr.Dataset, probe: ProbeLike, options: Mapping[str, Any]) -> xr.Dataset:
    info = probe if isinstance(probe, Reducer) else probe.interp  # type: ignore[attr-defined]
    summary = cleandoc(probe.__doc__ or "").split("\n\n")[0]
    attrs = {
        "schema": RESULT,
        "schema_version": SCHEMA_VERSION,
        "interp_version": __version__,
        "probe": info.name,
        "probe_version": info.version,
        "options": json.dumps(dict(options), ensure_ascii=False, default=_to_json),
    }
    return result.assign_attrs({"method": " ".join(summary.split())} | result.attrs | attrs)


def _to_json(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else f"<{type(value).__name__}>"
