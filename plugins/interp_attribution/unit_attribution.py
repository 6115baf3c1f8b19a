"""The probe ``unit-attribution``: conductance of each unit and gate for an output at a token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, probe
from interp_attribution.baselines import make_baselines
from interp_attribution.conductance import StraightLinePath, check_scope, residual_attribution, unit_conductance
from interp_attribution.dataset import AttributionData, TokenBatch
from interp_attribution.quadrature import RunningMean, source_means

if TYPE_CHECKING:
    import torch
    import xarray as xr

MAX_STEPS = 1 << 14  # of all rows at all nodes that are in memory at once, with every unit


@probe(requires=("source",))
def unit_attribution(
    acts: xr.Dataset,
    *,
    model: torch.nn.Module | None = None,
    batches: Any = None,
    units: Any = None,
    offset: int | Sequence[int] = 0,
    scope: str = "recurrence",
    include_residual: bool = False,
    target: str | int = "output",
    contrast_with: Sequence[str | int] | None = None,
    output: Callable[[Any], Any] | None = None,
    baseline: str = "samples",
    n_baselines: int = 20,
    baseline_pool: Any = None,
    n_steps: int = 50,
    embedding: str = "",
    seed: int = 0,
) -> xr.Dataset:
    """Conductance of units for an output at each token: the part of its change along a path that they transmit.

    The input moves in a straight line from a baseline to its value. The conductance of a unit is the integral of the
    gradient of the output with respect to it, times its own change (Dhamdhere, Sundararajan and Yan, "How important is
    a neuron?", 2018). All units of all gates share one backward pass per node of the Gauss-Legendre rule.

    Parameters
    ----------
    acts : Dataset (token, unit)
        Tokens to explain: any part of a capture, such as ``interp.select(acts, input="t", output="ծ")``.
    model, batches, target, contrast_with, output, baseline, n_baselines, baseline_pool, embedding, seed
        See the probe ``attribution``.
    units : str, sequence of str, mapping or Dataset, optional
        Units as `interp.adapters.ActivationGradients` takes them, by default those of ``acts``.
    offset : int or sequence of int
        Steps of the units relative to the token's own: 0 the same step, -1 the one before.
    scope : {"recurrence", "readout"}
        ``"recurrence"``: conductance along all paths. ``"readout"``: only through the layers that read ``h``, not
        through the recurrence.
    include_residual : bool
        Also measure the attribution that bypasses these units, in a second pass with the units clamped.
    n_steps : int
        Number of quadrature nodes, at least 2.

    Returns
    -------
    Dataset
        Dims ``token`` (with its labels), ``unit`` (with its labels, if ``acts`` has them) and, if ``offset`` is a
        sequence, ``offset``: ``conductance (token, offset, unit)``, NaN where a sample has no such step; ``mean``,
        ``ci_low`` and ``ci_high (offset, unit)``, the mean over sources of the mean over tokens with its 95 % jackknife
        interval. ``target_value``, ``baseline_value`` and ``n_baselines (token)`` as in ``attribution``. With
        ``include_residual``: ``residual (token)``, the attribution of the input with the units clamped to their values
        along the path, and ``convergence_delta (token)``, the sum of conductances and residual minus ``target_value -
        baseline_value``: 0 if the units are a cut, a set in which no unit feeds another. Units of several steps, or
        ``c`` beside the gates that compute it, lie on the same paths: they are counted twice, and
        ``convergence_delta`` shows it.

    Raises
    ------
    OptionError, UnknownNameError
        For invalid options, tokens, units and shapes.
    CaptureError
        For units of modules that can't be read.
    """
    data = AttributionData(acts, model, batches, target, contrast_with, output, embedding)
    if n_steps < 2:
        raise OptionError(f"n_steps= must be at least 2; got {n_steps}.")
    check_scope(scope)
    names = [str(name) for name in acts["unit"].values] if units is None else units
    path = StraightLinePath(data, names, check_offsets(data, offset), scope, n_steps)
    baselines = make_baselines(
        data.model, data.inputs, kind=baseline, count=n_baselines, pool=baseline_pool, embedding=embedding, seed=seed
    )
    means = RunningMean(acts.sizes["token"])
    for tokens in data.token_batches(baselines, MAX_STEPS // n_steps):
        with tokens.inputs.replacing_embedding():
            add_conductance(means, path, tokens, include_residual)
    return make_result(path, means, np.ndim(offset) > 0)


def check_offsets(data: AttributionData, offset: int | Sequence[int]) -> np.ndarray:
    """Return the offsets as an array ``(offset,)``; `OptionError` if no token has a step at one of them."""
    offsets = np.atleast_1d(np.asarray(offset))
    if offsets.dtype.kind not in "iu" or offsets.ndim > 1 or not offsets.size or len(np.unique(offsets)) < offsets.size:
        raise OptionError(f"offset= takes a whole number of steps, or several different ones; got {offset!r}.")
    lengths = data.lengths
    for number in offsets.tolist():
        step = data.step + number
        if not ((step >= 0) & (step < lengths)).any():
            raise OptionError(
                f"offset={number}: no token has a step at this offset; the tokens are at steps {data.step.min()} to "
                f"{data.step.max()} of samples of up to {lengths.max()} steps."
            )
    return offsets.astype(np.int64)


def add_conductance(means: RunningMean, path: StraightLinePath, tokens: TokenBatch, include_residual: bool) -> None:
    """Add the conductance of a batch of tokens, the target values and the residual to the means."""
    conductance, values, ends = unit_conductance(path, tokens)
    for name, value in ends.items():
        means.add(name, tokens.token, value)
    means.add("conductance", tokens.token, conductance)
    if include_residual:
        means.add("residual", tokens.token, residual_attribution(path, tokens, values))


def make_result(path: StraightLinePath, means: RunningMean, several_offsets: bool) -> xr.Dataset:
    """Return the result of the probe; without the dim ``offset`` unless ``several_offsets``."""
    import xarray as xr

    acts, table = path.data.acts, means.mean("conductance")
    dims = ("token", "offset", "unit")
    statistics = dict(zip(("mean", "ci_low", "ci_high"), source_means(table, acts["source"].values), strict=True))
    variables: dict[str, Any] = {"conductance": (dims, table)}
    variables |= {name: (dims[1:], values) for name, values in statistics.items()}
    per_token: dict[str, Any] = {name: means.mean(name) for name in means if name != "conductance"}
    if "residual" in per_token:
        change = per_token["target_value"] - per_token["baseline_value"]
        per_token["convergence_delta"] = np.nansum(table, (1, 2)) + per_token["residual"] - change
    per_token["n_baselines"] = means.counts["target_value"]
    variables |= {name: ("token", values) for name, values in per_token.items()}
    coords: dict[str, Any] = {"unit": path.names, "offset": path.offsets}
    coords |= {str(name): coord for name, coord in acts.coords.items() if coord.dims == ("token",)}
    if set(path.names) <= set(acts["unit"].values.tolist()):
        own_units = acts.sel(unit=path.names)
        coords |= {str(name): coord for name, coord in own_units.coords.items() if coord.dims == ("unit",)}
    result = xr.Dataset(variables, coords)
    return result if several_offsets else result.isel(offset=0)
