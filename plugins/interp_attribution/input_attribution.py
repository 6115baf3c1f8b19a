"""The probe ``attribution``: contribution of each input step to an output at a token."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import probe
from interp_attribution.baselines import make_baselines
from interp_attribution.captum_methods import BASELINE_SET_METHODS, CaptumMethod, infidelity, sensitivity
from interp_attribution.dataset import AttributionData, TokenBatch, read_target
from interp_attribution.quadrature import RunningMean

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from torch import Tensor

MAX_STEPS = 1 << 12  # of all rows that Captum gets at once


@probe(requires=("source",))
def attribution(
    acts: xr.Dataset,
    *,
    model: torch.nn.Module | None = None,
    batches: Any = None,
    method: str = "IntegratedGradients",
    method_options: Mapping[str, Any] | None = None,
    target: str | int = "output",
    contrast_with: Sequence[str | int] | None = None,
    output: Callable[[Any], Any] | None = None,
    baseline: str = "samples",
    n_baselines: int = 20,
    baseline_pool: Any = None,
    embedding: str = "",
    infidelity: int = 0,
    sensitivity: int = 0,
    seed: int = 0,
) -> xr.Dataset:
    """Attribute an output at each token to the steps of its input, by one of Captum's methods.

    The engine replaces the recurrent modules, so gradients are available in eval mode and on every device.

    Parameters
    ----------
    acts : Dataset (token, unit)
        Tokens to explain: any part of a capture, such as ``interp.select(acts, input="t", output="ծ")``.
    model : Module
        Captured model.
    batches : Batch, tensor, PackedSequence or iterable of those
        All batches of the capture, in the same order. The first input is attributed to: numbers ``(sample, step,
        feature)``, or integer codes, as rows of the embedding or one-hot rows.
    method : str
        Name of a Captum method: ``IntegratedGradients``, ``InputXGradient``, ``FeatureAblation``, ….
    method_options : mapping, optional
        Options of the method by name: ``{"n_steps": 100}``.
    target : str or int
        Output to explain: a label whose value is its symbol, a symbol, or a column.
    contrast_with : sequence of str or int, optional
        Outputs of the contrast set: the target value is then ``z_y - logsumexp`` of these without y, else ``z_y``.
    output : callable, optional
        Function that selects a part of the model's output; by default its first tensor.
    baseline : {"samples", "zero", "space"}
        Baseline that the input is compared with.
    n_baselines : int
        Number of samples of other sources that a sample is compared with; attributions are means over them.
    baseline_pool : Batch or iterable of those, optional
        Batches that those samples are taken from, by default ``batches``.
    embedding : str
        Name of the layer that embeds codes; by default the only ``nn.Embedding``.
    infidelity, sensitivity : int
        Number of random changes of the input to measure infidelity and sensitivity with; 0 skips the measurement. See
        the functions of these names in ``interp_attribution.captum_methods``.
    seed : int
        Random seed for the choice of samples and for methods that draw random numbers.

    Returns
    -------
    Dataset
        Dims ``token`` (with its labels) and ``source_step`` (from 0). ``attribution (token, source_step)``, summed over
        the features of a step, in the unit of the target value; NaN beyond a sample's end. Coords ``offset (token,
        source_step)``, the source step minus the token's own, and ``source_input (token, source_step)``, the input
        symbol there. ``target_value (token)``; ``baseline_value (token)``, its mean over the baselines;
        ``convergence_delta (token)``, the sum of attributions minus ``target_value - baseline_value``, 0 for complete
        attributions; ``n_baselines (token)``. On request ``infidelity`` and ``sensitivity (token)``. Methods without a
        baseline have no ``baseline_value``, ``convergence_delta`` and ``n_baselines``.

    Raises
    ------
    OptionError, UnknownNameError
        For invalid options, tokens and shapes.
    """
    from interp import intervene

    captum_method = CaptumMethod(method, method_options or {})
    data = AttributionData(acts, model, batches, target, contrast_with, output, embedding)
    kind = baseline if captum_method.uses_baselines else "zero"
    baselines = make_baselines(
        data.model, data.inputs, kind=kind, count=n_baselines, pool=baseline_pool, embedding=embedding, seed=seed
    )
    means = RunningMean(acts.sizes["token"])
    one_token = captum_method.name in BASELINE_SET_METHODS
    with intervene(data.model, [], verify="none"), seeded_generators(seed):
        for tokens in data.token_batches(baselines, MAX_STEPS, one_token):
            with tokens.inputs.replacing_embedding():
                add_attributions(means, data, captum_method, tokens, infidelity, sensitivity)
    return make_result(data, means, captum_method.uses_baselines)


def make_result(data: AttributionData, means: RunningMean, uses_baselines: bool) -> xr.Dataset:
    """Return the result of the probe."""
    import xarray as xr

    lengths = data.lengths
    steps = int(lengths.max())
    table = np.where(np.arange(steps) < lengths[:, None], means.mean("attribution")[:, :steps], np.nan)
    per_token: dict[str, Any] = {name: means.mean(name) for name in means if name != "attribution"}
    if uses_baselines:
        change = per_token["target_value"] - per_token["baseline_value"]
        per_token["convergence_delta"] = np.nansum(table, 1) - change
        per_token["n_baselines"] = means.counts["baseline_value"]
    dims = ("token", "source_step")
    coords: dict[str, Any] = {str(n): coord for n, coord in data.acts.coords.items() if coord.dims == ("token",)}
    coords |= {"source_step": np.arange(steps), "offset": (dims, np.arange(steps)[None] - data.step[:, None])}
    symbols = data.source_labels("input", steps)
    if symbols is not None:
        coords["source_input"] = (dims, symbols)
    variables = {name: ("token", values) for name, values in per_token.items()}
    return xr.Dataset({"attribution": (dims, table)} | variables, coords)


def add_attributions(
    means: RunningMean,
    data: AttributionData,
    method: CaptumMethod,
    tokens: TokenBatch,
    n_infidelity: int,
    n_sensitivity: int,
) -> None:
    """Explain a batch of tokens, and add attributions, their checks and the target values to the means."""
    target, extra = target_module(data, tokens), (tokens.sample, tokens.step, tokens.column)
    steps = int(tokens.lengths.max())
    values = method.explain(target, tokens.x, tokens.baseline, extra, steps)
    padded = np.zeros((len(values), data.max_steps))
    padded[:, : values.shape[1]] = values.double().cpu().numpy()
    means.add("attribution", tokens.token[: len(values)], padded)
    if n_infidelity:
        by_row = values.expand(len(tokens.x), -1)
        measured = infidelity(target, tokens.x, tokens.baseline, extra, by_row, n_infidelity)
        means.add("infidelity", tokens.token, measured)
    if n_sensitivity:
        measured = sensitivity(method, target, tokens.x, tokens.baseline, extra, steps, n_sensitivity)
        means.add("sensitivity", tokens.token, measured)
    add_target_values(means, data, method, tokens)


def add_target_values(means: RunningMean, data: AttributionData, method: CaptumMethod, tokens: TokenBatch) -> None:
    """Add the target values of inputs and baselines to the means."""
    import torch

    with torch.no_grad():
        means.add("target_value", tokens.token, data.target_value(tokens, tokens.x))
        if method.uses_baselines:
            means.add("baseline_value", tokens.token, data.target_value(tokens, tokens.baseline))


@contextmanager
def seeded_generators(seed: int) -> Iterator[None]:
    """Seed the generators of torch and NumPy, which Captum draws from, and restore their states afterwards."""
    import torch

    state = np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002


def target_module(data: AttributionData, tokens: TokenBatch) -> torch.nn.Module:
    """Return a module that computes the target values of a batch of tokens, as Captum requires."""
    import torch

    class Target(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = data.model

        def forward(self, x: Tensor, sample: Tensor, step: Tensor, column: Tensor) -> Tensor:
            return read_target(data.readout, tokens.inputs, x, sample, step, column)

    return Target()
