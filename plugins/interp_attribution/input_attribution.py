"""The probe ``attribution``: what each letter of a text gives to an output at a token."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import probe
from interp_attribution import checks
from interp_attribution.baselines import baselines_of
from interp_attribution.means import Means
from interp_attribution.methods import MANY, Method
from interp_attribution.setting import Rows, Setting, read

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from torch import Tensor

STEPS = 1 << 12  # of all rows that Captum gets at once


@probe(requires=("source",))
def attribution(
    acts: xr.Dataset,
    *,
    model: torch.nn.Module | None = None,
    batches: Any = None,
    method: str = "IntegratedGradients",
    options: Mapping[str, Any] | None = None,
    target: str | int = "output",
    against: Sequence[str | int] | None = None,
    output: Callable[[Any], Any] | None = None,
    baseline: str = "sentences",
    sentences: int = 20,
    pool: Any = None,
    embedding: str = "",
    infidelity: int = 0,
    sensitivity: int = 0,
    seed: int = 0,
) -> xr.Dataset:
    """Attribute an output at each token to the steps of its input, by one of Captum's methods.

    The engine stands in for the recurrent modules, so gradients flow in eval mode and on every device.

    Parameters
    ----------
    acts : Dataset (token, unit)
        The tokens to explain: any part of a capture, such as ``interp.pick(acts, input="t", output="ծ")``.
    model : Module
        The captured one.
    batches : Batch, tensor, PackedSequence or iterable of those
        All of the capture, in the same order. The leading input is attributed to: numbers ``(sample, step, feature)``,
        or letters, as rows of the embedding or one-hot rows.
    method : str
        A name of Captum's: ``IntegratedGradients``, ``InputXGradient``, ``FeatureAblation``, ….
    options : mapping, optional
        Of the method, by name: ``{"n_steps": 100}``.
    target : str or int
        Which output: a label whose value is its symbol, a symbol, or a column.
    against : sequence of str or int, optional
        Outputs that it is held against: the number is then ``z_y - logsumexp`` of these without y, else ``z_y``.
    output : callable, optional
        Takes the part of the model's output that is read: by default its first tensor.
    baseline : {"sentences", "zero", "space"}
        What the input is compared with.
    sentences : int
        How many samples of other sources a sample is compared with; the attribution is the mean.
    pool : Batch or iterable of those, optional
        Where those samples are taken from, by default ``batches``.
    embedding : str
        The layer that looks letters up; by default the only ``nn.Embedding``.
    infidelity, sensitivity : int
        Measure those too, with so many random changes of the input: see `infidelity` and `sensitivity` in ``checks``.
    seed : int
        Of the choice of sentences, and of methods that draw.

    Returns
    -------
    Dataset
        Dims ``token`` (with its labels) and ``source_step`` (0 …; NaN behind a sample's end): ``attribution``, summed
        over the features of a step, in the unit of the number; coords ``offset (token, source_step)``, the source step
        minus the token's own, and ``source_input (token, source_step)``, the letter there. ``value (token)``, the
        number; ``baseline_value (token)``, its mean over the baselines; ``delta (token)``, the sum of attributions
        minus ``value - baseline_value``, 0 where they are complete; ``baselines (token)``, how many. On request
        ``infidelity`` and ``sensitivity (token)``. Methods without a baseline have no ``baseline_value`` and ``delta``.

    Raises
    ------
    OptionError, UnknownNameError
        For options, tokens and shapes that do not fit.
    """
    from interp import intervene

    asked = Method(method, options or {})
    setting = Setting(acts, model, batches, target, against, output, embedding)
    baselines = baselines_of(setting, baseline if asked.compares else "zero", sentences, pool, embedding, seed)
    found = Means(acts.sizes["token"])
    with intervene(setting.model, [], check="none"), seeded(seed):
        for rows in setting.rows(baselines, STEPS, together=asked.name in MANY):
            with rows.feed.looked_up():
                explain(setting, asked, rows, found, (infidelity, sensitivity))
    return dataset(setting, found, asked.compares)


def dataset(setting: Setting, found: Means, compares: bool) -> xr.Dataset:
    """Return the result."""
    import xarray as xr

    lengths = setting.lengths
    steps = int(lengths.max())
    table = np.where(np.arange(steps) < lengths[:, None], found.of("attribution")[:, :steps], np.nan)
    single: dict[str, Any] = {name: found.of(name) for name in found if name != "attribution"}
    if compares:
        single["delta"] = np.nansum(table, 1) - (single["value"] - single["baseline_value"])
        single["baselines"] = found.counts["baseline_value"]
    both = ("token", "source_step")
    coords: dict[str, Any] = {str(n): held for n, held in setting.acts.coords.items() if held.dims == ("token",)}
    coords |= {"source_step": np.arange(steps), "offset": (both, np.arange(steps)[None] - setting.step[:, None])}
    letters = setting.source_letters("input", steps)
    if letters is not None:
        coords["source_input"] = (both, letters)
    return xr.Dataset({"attribution": (both, table)} | {name: ("token", held) for name, held in single.items()}, coords)


def explain(setting: Setting, method: Method, rows: Rows, found: Means, draws: tuple[int, int]) -> None:
    """Explain some rows, and keep what comes out."""
    number, rest = number_of(setting, rows), (rows.index, rows.at, rows.column)
    steps = int(rows.lengths.max())
    values = method.explain(number, rows.x, rows.reference, rest, steps)
    wide = np.zeros((len(values), setting.steps))
    wide[:, : values.shape[1]] = values.double().cpu().numpy()
    found.add("attribution", rows.token[: len(values)], wide)
    if draws[0]:
        every = values.expand(len(rows.x), -1)
        lost = checks.infidelity(number, rows.x, rows.reference, rest, every, draws[0])
        found.add("infidelity", rows.token, lost)
    if draws[1]:
        again = checks.sensitivity(method, number, rows.x, rows.reference, rest, steps, draws[1])
        found.add("sensitivity", rows.token, again)
    ends(setting, method, rows, found)


def ends(setting: Setting, method: Method, rows: Rows, found: Means) -> None:
    """Keep the number of inputs and baselines."""
    import torch

    with torch.no_grad():
        found.add("value", rows.token, setting.number(rows, rows.x))
        if method.compares:
            found.add("baseline_value", rows.token, setting.number(rows, rows.reference))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the two generators that Captum draws from, and leave both as they were."""
    import torch

    held = np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(held)  # noqa: NPY002


def number_of(setting: Setting, rows: Rows) -> torch.nn.Module:
    """Return the number of some rows as a module, which is what Captum asks for."""
    import torch

    class Number(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = setting.model

        def forward(self, x: Tensor, index: Tensor, at: Tensor, column: Tensor) -> Tensor:
            return read(setting.readout, rows.feed, x, index, at, column)

    return Number()
