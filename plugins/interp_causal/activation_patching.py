"""The probe ``activation-patching``: how much of what one letter changes comes through some units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, jackknife, probe, source_groups
from interp_causal.effect import begun, columns_of
from interp_causal.numbers import log_odds, source_weights
from interp_causal.readout import logit_units, symbol_columns
from interp_causal.tokens import in_order
from interp_causal.worlds import How

if TYPE_CHECKING:
    import torch
    import xarray as xr


@probe(requires=("source",))
def activation_patching(
    acts: xr.Dataset,
    *,
    model: torch.nn.Module | None = None,
    batches: Any = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    pair: str = "",
    outputs: Sequence[str] | None = None,
    at: Any = None,
    seen_by: str = "state",
    labels: Sequence[str] = ("input", "output"),
) -> xr.Dataset:
    """Share of a difference between minimal pairs that comes back when units get the values they had in the twin.

    Every sample has a twin of the same length that differs in little: ``ts…`` and ``ta…``. The twins run, and groups of
    units get the values that they had in the samples. Measured at the tokens of the samples with the pair, where the
    twin has the same input: the log-odds of the pair's output against what else the input can become.

    Parameters
    ----------
    acts : Dataset (token, unit)
        A capture of the samples, with all units of the groups and the logits.
    model : Module
        The captured one.
    batches : Batch or iterable of those
        The twins, sample for sample, with the same labels and lengths.
    groups : mapping of str to sequence of str
        Names of units that are patched together.
    pair : str
        Such as ``t=>ծ``.
    outputs : sequence of str, optional
        What the input can become; by default what it becomes in the samples and in the twins.
    at, seen_by
        As of `interp.Patch`: which tokens are patched, and for whom.
    labels : sequence of two str
        Coords of ``token``: the input and what it becomes.

    Returns
    -------
    Dataset
        Dim ``group``: ``patched``, the log-odds (nats) under the patch, mean over sources of the mean over tokens;
        ``restored``, ``(patched - twin) / (sample - twin)`` of those means: 1 where all of the difference comes
        through the units, 0 where none does; ``low`` and ``high``, the ends of its 95 % interval by the jackknife.
        ``sample ()`` and ``twin ()``: the log-odds of either, unpatched. ``tokens ()``.

    Raises
    ------
    OptionError, UnknownNameError
        For options that do not fit, and twins of other lengths.
    """
    import xarray as xr

    from interp import Patch

    acts = in_order(acts)
    setting = begun(acts, model, (), How("zero", (), 1, 0, seen_by), labels)
    given, arrow, output = pair.partition("=>")
    if not arrow or not groups or batches is None:
        raise OptionError("Give pair='t=>ծ', groups={'name': [units]} and the twins: batches=.")
    odds = Odds(acts, setting.model, batches, (given, output), setting.labels, outputs)
    before, without = odds.of(acts["activation"].values[:, odds.logits]), odds.of(odds.run(()))
    found, patched = [], []
    for units in groups.values():
        names = [str(acts["unit"].values[k]) for k in columns_of(acts, units)]
        under = odds.of(odds.run(Patch(names, acts, at, seen_by=seen_by)))
        patched.append(float(odds.weights @ under))
        found.append(share(under - without, before - without, odds.source))
    values = dict(zip(("restored", "low", "high"), np.array(found).T, strict=True))
    data: dict[str, Any] = {name: ("group", held) for name, held in {**values, "patched": patched}.items()}
    single = {"sample": odds.weights @ before, "twin": odds.weights @ without, "tokens": odds.source.size}
    return xr.Dataset(data | single, {"group": list(groups)})


class Odds:
    """The log-odds of one output at the tokens that are measured, with the twins run under edits."""

    def __init__(
        self,
        acts: xr.Dataset,
        model: Any,
        batches: Any,
        pair: tuple[str, str],
        labels: tuple[str, str],
        outputs: Sequence[str] | None,
    ) -> None:
        self.model, self.batches, self.logits = model, batches, logit_units(acts)
        self.module, self.names = str(acts["module"].values[self.logits[0]]), acts["unit"].values[self.logits].tolist()
        self.rows, others = tokens_of(acts, self.twins(()), pair, labels, outputs)
        self.right = np.full(self.rows.size, others.index(pair[1]))
        self.places = np.searchsorted(self.logits, symbol_columns(acts, others))
        self.source = acts["source"].values[self.rows]
        self.weights = source_weights(self.source)

    def twins(self, edits: Any) -> xr.Dataset:
        """Return the logits of the twins as activations."""
        from interp import run

        return run(self.model, self.batches, edits, modules=[self.module], units=self.names, progress=False)

    def run(self, edits: Any) -> np.ndarray:
        """Return the logits of the twins, ``(token, output)``."""
        return np.asarray(self.twins(edits)["activation"].values)

    def of(self, logits: np.ndarray) -> np.ndarray:
        """Return the log-odds at the tokens that are measured, ``(token,)``."""
        return log_odds(logits[self.rows][:, self.places], self.right)


def tokens_of(
    acts: xr.Dataset,
    twin: xr.Dataset,
    pair: tuple[str, str],
    labels: tuple[str, str],
    outputs: Sequence[str] | None,
) -> tuple[np.ndarray, list[str]]:
    """Return the tokens that are measured, and what their input can become."""
    same = acts.sizes["token"] == twin.sizes["token"]
    same = same and all(np.array_equal(acts[name].values, twin[name].values) for name in ("sample", "step"))
    if not same:
        raise OptionError(
            f"The twins have {twin.sizes['token']} tokens and the samples {acts.sizes['token']}, or other lengths: "
            "capture all tokens of the samples, and give one twin of the same length for each."
        )
    here = (acts[labels[0]].values == pair[0]) & (acts[labels[1]].values == pair[1])
    here &= twin[labels[0]].values == pair[0]
    if not here.any():
        raise OptionError(f"No token is {'=>'.join(pair)} in a sample and {pair[0]!r} in its twin.")
    seen = {str(o) for held in (acts, twin) for o in held[labels[1]].values[held[labels[0]].values == pair[0]]}
    others = sorted(seen | {pair[1]}) if outputs is None else list(dict.fromkeys([*outputs, pair[1]]))
    if len(others) < 2:
        raise OptionError(f"{pair[0]!r} becomes {pair[1]!r} only: name outputs= to hold it against.")
    return np.flatnonzero(here), others


def share(part: np.ndarray, whole: np.ndarray, source: np.ndarray) -> tuple[float, float, float]:
    """Return the ratio of two means over sources, and the ends of its 95 % interval by the jackknife."""
    from scipy.stats import t

    def ratio(kept: np.ndarray) -> float:
        weights = source_weights(source, kept)
        return float((weights @ part) / (weights @ whole))

    groups = source_groups(source)
    present = np.unique(groups)
    estimate = ratio(np.ones(len(source), bool))
    if present.size < 2:
        return estimate, np.nan, np.nan
    corrected, error = jackknife(np.array(estimate), np.array([ratio(groups != g) for g in present]))
    reach = float(t.ppf(0.975, present.size - 1) * error)
    return estimate, float(corrected) - reach, float(corrected) + reach
