"""The probe ``activation-patching``: share of the difference between minimal pairs that groups of units transmit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, probe
from interp.statistics import jackknife, jackknife_groups
from interp_causal.ablation_backends import AblationOptions
from interp_causal.ablation_effect import make_setup, unit_columns
from interp_causal.estimators import log_odds, source_weights
from interp_causal.evaluation_tokens import sort_tokens
from interp_causal.linear_readout import logit_units, symbol_columns

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
    scope: str = "recurrence",
    labels: Sequence[str] = ("input", "output"),
) -> xr.Dataset:
    """Share of the difference between minimal pairs that returns when units get their values from the original samples.

    Every sample has a twin of the same length with a small difference: ``ts…`` and ``ta…``. The twins run, and groups
    of units get the values that they had in the samples. The result is measured at the tokens of the samples with the
    pair, if the twin has the same input there: the log-odds of the pair's output against the other possible outputs.

    Parameters
    ----------
    acts : Dataset (token, unit)
        A capture of the samples, with all units of the groups and the logits.
    model : Module
        Captured model.
    batches : Batch or iterable of those
        Twins, one per sample in the same order, with the same labels and lengths.
    groups : mapping of str to sequence of str
        Names of units that are patched together.
    pair : str
        Pair such as ``t=>ծ``.
    outputs : sequence of str, optional
        Possible outputs of the input; by default its outputs in the samples and in the twins.
    at : optional
        Tokens to patch, see `interp.Patch`; by default all.
    scope : {"recurrence", "readout"}
        ``"recurrence"``: later steps see the patch too. ``"readout"``: only the layers that read the units.
    labels : sequence of two str
        Coords of ``token``: the input, and its output.

    Returns
    -------
    Dataset
        Dim ``group``: ``patched``, the log-odds (nats) under the patch, mean over sources of the mean over tokens;
        ``restored``, ``(patched - twin) / (sample - twin)`` of those means: 1 if the units transmit the whole
        difference, 0 if they transmit nothing; ``ci_low`` and ``ci_high``, the ends of its 95 % jackknife interval.
        ``sample ()`` and ``twin ()``: the log-odds of either, unpatched. ``tokens ()``: number of tokens.

    Raises
    ------
    OptionError, UnknownNameError
        For invalid options, and twins of other lengths.
    """
    import xarray as xr

    from interp import Patch

    acts = sort_tokens(acts)
    setup = make_setup(acts, model, (), AblationOptions("zero", (), 1, 0, scope), labels)
    symbol, arrow, output = pair.partition("=>")
    if not arrow or not groups or batches is None:
        raise OptionError("Pass pair='t=>ծ', groups={'name': [units]} and the twins: batches=.")
    odds = TwinLogOdds(acts, setup.model, batches, (symbol, output), setup.labels, outputs)
    sample, twin = odds.at_tokens(acts["activation"].values[:, odds.logits]), odds.run_twins(())
    shares, patched = [], []
    for units in groups.values():
        names = [str(acts["unit"].values[k]) for k in unit_columns(acts, units)]
        values = odds.run_twins(Patch(names, acts, at, scope=scope))
        patched.append(float(odds.weights @ values))
        shares.append(restored_share(values - twin, sample - twin, odds.source))
    variables = dict(zip(("restored", "ci_low", "ci_high"), np.array(shares).T, strict=True))
    data: dict[str, Any] = {name: ("group", column) for name, column in {**variables, "patched": patched}.items()}
    scalars = {"sample": odds.weights @ sample, "twin": odds.weights @ twin, "tokens": odds.source.size}
    return xr.Dataset(data | scalars, {"group": list(groups)})


class TwinLogOdds:
    """Log-odds of one output at the evaluation tokens, with the twins run under edits.

    Parameters
    ----------
    acts : Dataset (token, unit)
        A capture of the samples.
    model : Module
        Captured model.
    batches : Batch or iterable of those
        Twins.
    pair : (str, str)
        Input and output.
    labels : (str, str)
        Names of the labels of input and output.
    outputs : sequence of str, optional
        Possible outputs of the input.
    """

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
        self.rows, possible = find_tokens(acts, self._capture_twins(()), pair, labels, outputs)
        self.correct = np.full(self.rows.size, possible.index(pair[1]))
        self.columns = np.searchsorted(self.logits, symbol_columns(acts, possible))
        self.source = acts["source"].values[self.rows]
        self.weights = source_weights(self.source)

    def _capture_twins(self, edits: Any) -> xr.Dataset:
        """Return the logits of the twins under edits, as activations."""
        from interp import capture

        return capture(self.model, self.batches, edits=edits, modules=[self.module], units=self.names, progress=False)

    def run_twins(self, edits: Any) -> np.ndarray:
        """Run the twins under edits and return the log-odds at the evaluation tokens, ``(token,)``."""
        return self.at_tokens(np.asarray(self._capture_twins(edits)["activation"].values))

    def at_tokens(self, logits: np.ndarray) -> np.ndarray:
        """Return the log-odds at the evaluation tokens, ``(token,)``, from logits ``(token, output)`` of all tokens."""
        return log_odds(logits[self.rows][:, self.columns], self.correct)


def find_tokens(
    acts: xr.Dataset,
    twins: xr.Dataset,
    pair: tuple[str, str],
    labels: tuple[str, str],
    outputs: Sequence[str] | None,
) -> tuple[np.ndarray, list[str]]:
    """Return the positions of the evaluation tokens, ``(token,)``, and the possible outputs of their input.

    Raises
    ------
    OptionError
        For twins of other lengths, a pair without tokens, and an input with a single output.
    """
    same = acts.sizes["token"] == twins.sizes["token"]
    same = same and all(np.array_equal(acts[name].values, twins[name].values) for name in ("sample", "step"))
    if not same:
        raise OptionError(
            f"The twins have {twins.sizes['token']} tokens and the samples {acts.sizes['token']}, or other lengths: "
            "capture all tokens of the samples, and pass one twin of the same length for each."
        )
    mask = (acts[labels[0]].values == pair[0]) & (acts[labels[1]].values == pair[1])
    mask &= twins[labels[0]].values == pair[0]
    if not mask.any():
        raise OptionError(
            f"No token is {'=>'.join(pair)} in a sample and has the input {pair[0]!r} in its twin. Pass another pair=."
        )
    observed = {str(o) for part in (acts, twins) for o in part[labels[1]].values[part[labels[0]].values == pair[0]]}
    possible = sorted(observed | {pair[1]}) if outputs is None else list(dict.fromkeys([*outputs, pair[1]]))
    if len(possible) < 2:
        raise OptionError(f"{pair[0]!r} only becomes {pair[1]!r}: pass other possible outputs, outputs=[…].")
    return np.flatnonzero(mask), possible


def restored_share(part: np.ndarray, whole: np.ndarray, source: np.ndarray) -> tuple[float, float, float]:
    """Return the ratio of the means over sources of two values, and the ends of its 95 % jackknife interval.

    Parameters
    ----------
    part, whole : array (token,)
        Numerator and denominator.
    source : array (token,)
        Source of each token.
    """
    from scipy.stats import t

    def ratio(mask: np.ndarray) -> float:
        weights = source_weights(source, mask)
        return float((weights @ part) / (weights @ whole))

    groups = jackknife_groups(source)
    present = np.unique(groups)
    estimate = ratio(np.ones(len(source), bool))
    if present.size < 2:
        return estimate, np.nan, np.nan
    corrected, error = jackknife(np.array(estimate), np.array([ratio(groups != g) for g in present]))
    half_width = float(t.ppf(0.975, present.size - 1) * error)
    return estimate, float(corrected) - half_width, float(corrected) + half_width
