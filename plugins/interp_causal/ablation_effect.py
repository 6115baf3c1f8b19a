"""The probe ``ablation-effect``: loss of log-odds of the correct output when a group of units is ablated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, SchemaError, UnknownNameError, probe
from interp.statistics import holm
from interp_causal.ablation_backends import (
    LAYER_COORDS,
    AblationBackend,
    AblationOptions,
    LinearBackend,
    ModelBackend,
    check_scope,
    token_effects,
)
from interp_causal.estimators import (
    control_p_value,
    difference_with_interval,
    log_probability,
    matched_groups,
    mean_with_interval,
    source_weights,
    uniform_groups,
)
from interp_causal.evaluation_tokens import EvaluationTokens, has_donor, select_tokens, sort_tokens, token_labels
from interp_causal.linear_readout import logit_units

if TYPE_CHECKING:
    import torch
    import xarray as xr

DEFAULT_N_CONTROLS = 999
CONTROLS = ("uniform", "matched")


@dataclass(frozen=True)
class AblationCase:
    """A group of units and the pair on which its effect is measured.

    Attributes
    ----------
    name : str
        Name of the group.
    units : array (unit,) of int
        Columns of the units.
    symbol, output : str
        Input and output of the pair.
    """

    name: str
    units: np.ndarray
    symbol: str
    output: str


@dataclass
class AblationSetup:
    """Data shared by all cases; the backends of an input are kept, since several cases use them.

    Attributes
    ----------
    acts : Dataset (token, unit)
        A capture.
    model : Module
        Captured model.
    batches : Batch or iterable of those, optional
        Batches of the capture; the model runs on them if given.
    options : AblationOptions
        Options of the ablation.
    labels : (str, str)
        Names of the labels of input and output.
    has_donor : array (token,) of bool
        Tokens with a donor.
    """

    acts: xr.Dataset
    model: torch.nn.Module
    batches: Any
    options: AblationOptions
    labels: tuple[str, str]
    has_donor: np.ndarray = field(init=False)
    _cache: dict[tuple[str, str], tuple[EvaluationTokens, AblationBackend]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.has_donor = has_donor(token_labels(self.acts), self.options.match_on)

    def backend(self, symbol: str, output: str = "") -> tuple[EvaluationTokens, AblationBackend]:
        """Return the tokens of an input, or of a pair, and the backend for their logits.

        If the model runs, it runs for all tokens of the input, and there is no backend for a pair alone.
        """
        key = (symbol, output if self.batches is None else "")
        if key not in self._cache:
            tokens = select_tokens(self.acts, symbol, self.labels, self.has_donor)
            tokens = tokens.subset(tokens.has_output(output)) if key[1] else tokens
            of_input = {old: value for old, value in self._cache.items() if old[0] == symbol and not old[1]}
            backend = self._make_backend(tokens, cache=bool(key[1]))
            self._cache = of_input | {key: (tokens, backend)}  # only two at a time: backends are large
        return self._cache[key]

    def _make_backend(self, tokens: EvaluationTokens, cache: bool) -> AblationBackend:
        if self.batches is not None:
            return ModelBackend(self.acts, self.model, self.batches, tokens, self.options, self.labels)
        return LinearBackend(self.acts, self.model, tokens, self.options, cache)


@probe(requires=("source",))
def ablation_effect(
    acts: xr.Dataset,
    *,
    model: torch.nn.Module | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    pairs: Sequence[str] | None = None,
    batches: Any = None,
    replace_with: str = "resample",
    match_on: Sequence[str] = ("input",),
    n_draws: int = 8,
    seed: int = 0,
    scope: str = "readout",
    n_controls: int | None = None,
    n_other_tokens: int = 2000,
    full_output: bool = True,
    labels: Sequence[str] = ("input", "output"),
) -> xr.Dataset:
    """Effect of ablating groups of units on the log-odds of the correct output among the possible outputs of an input.

    The effect is measured at the token's own step, intact minus ablated: mean over draws, then over the tokens of each
    source, then over sources, with a 95 % interval from a jackknife over groups of sources.

    Parameters
    ----------
    acts : Dataset (token, unit)
        A capture with the units, all units of the dense layers above them, and the logits (units with a symbol). Its
        tokens are also the donors. Choose groups on one part of `interp.split_by_source`, and measure on the other.
    model : Module
        Captured model.
    groups : mapping of str to sequence of str
        Names of the units of each group; a single unit can be a group. If the keys are pairs (``"t=>ծ"``), each group
        is measured on its own pair.
    pairs : sequence of str, optional
        Pairs on which every group is measured; required if the keys of ``groups`` are not pairs.
    batches : Batch or iterable of those, optional
        Batches of the capture. If given, the model runs for each group, draw and control, with all tokens that have a
        donor edited: required for lower layers and for ``scope="recurrence"``. Otherwise logits are computed from the
        dense layers; for the gates and cells of an LSTM below them, capture its h, i, f, g, o and c_prev.
    replace_with : {"resample", "mean", "zero"}
        Replacement: values of donors, the mean over tokens with equal labels ``match_on``, or 0.
    match_on : sequence of str
        Labels that donors share with the token.
    n_draws : int
        Number of donors per token.
    seed : int
        Random seed for donors and controls.
    scope : {"readout", "recurrence"}
        ``"readout"``: only the layers that read the units see the ablation. ``"recurrence"``: later steps see it too.
    n_controls : int, optional
        Number of random control groups of each type, with as many units of the same module, layer, direction and
        quantity; by default 999, or 0 if the model runs.
    n_other_tokens : int
        Maximum number of tokens of all other inputs, on which the effect is measured too; 0 skips the measurement, and
        so does ``batches``.
    full_output : bool
        False restricts the result to ``effect``, ``ci_low``, ``ci_high``, ``tokens``, ``sources`` and the controls,
        which is faster for hundreds of groups.
    labels : sequence of two str
        Coords of ``token``: the input, and its output.

    Returns
    -------
    Dataset
        Dim ``case`` (coords ``group``, ``pair``, ``pair_input``, ``pair_output``, ``size``): ``effect`` with ``ci_low``
        and ``ci_high``, in nats of log-odds; ``effect_other_outputs``, the effect on the other outputs of the input;
        ``specificity``, the difference, with ``specificity_ci_low`` and ``specificity_ci_high``;
        ``effect_other_inputs``; ``log_p`` and ``log_p_ablated`` (nats), ``accuracy`` and ``accuracy_ablated`` among all
        outputs; ``tokens`` and ``sources``, the numbers of both for the pair. With controls, dim ``control``
        (``uniform``; ``matched`` on |outgoing weights| x standard deviation): ``p``, ``p_holm`` over all cases, and
        ``control_effect (case, control, draw)``.

    Raises
    ------
    OptionError, UnknownNameError
        For invalid groups, pairs and options.
    CaptureError
        If the path from a unit to the logits is not known from the connectivity; the message says how to proceed.
    """
    options = AblationOptions(replace_with, tuple(match_on), n_draws, seed, scope)
    setup = make_setup(sort_tokens(acts), model, batches, options, labels)
    cases = make_cases(acts, groups, pairs)
    count = (0 if batches is not None else DEFAULT_N_CONTROLS) if n_controls is None else n_controls
    n_other_tokens = n_other_tokens if full_output and batches is None else 0
    rows = [measure_case(setup, case, count, n_other_tokens, full_output) for case in cases]
    return make_result(cases, rows, options)


def make_setup(
    acts: xr.Dataset, model: Any, batches: Any, options: AblationOptions, labels: Sequence[str]
) -> AblationSetup:
    """Return the setup of a probe, after checking its options."""
    if model is None:
        raise OptionError("Pass the captured model: model=.")
    check_scope(options.scope)
    if options.scope == "recurrence" and batches is None:
        raise OptionError("scope='recurrence' requires running the model: pass batches=, or scope='readout'.")
    if isinstance(labels, str) or len(labels) != 2:
        raise OptionError(f"labels= takes two names of labels, such as ('input', 'output'); got {labels!r}.")
    for name in (*labels, *options.match_on):
        if name not in acts.coords:
            available = ", ".join(str(key) for key, coord in acts.coords.items() if coord.dims == ("token",))
            raise SchemaError(f"These activations lack the label {name!r}. Labels: {available}.")
    return AblationSetup(acts, model, batches, options, (labels[0], labels[1]))


def make_cases(acts: xr.Dataset, groups: Any, pairs: Sequence[str] | None) -> list[AblationCase]:
    """Return the cases, sorted by pair so that each backend is made once."""
    if not groups:
        raise OptionError("Pass groups of units: groups={'t=>ծ': ['hidden.out.3', …]}.")
    if isinstance(pairs, str):
        raise OptionError(f"pairs= takes a list of names; got {pairs!r}: pass [{pairs!r}].")
    cases = []
    for name, units in groups.items():
        columns = unit_columns(acts, [units] if isinstance(units, str) else units)
        for pair in [name] if pairs is None else pairs:
            symbol, arrow, output = str(pair).partition("=>")
            if not arrow:
                raise OptionError(
                    f"{pair!r} is not a pair such as 't=>ծ': pass pairs=, or use pairs as keys of groups=."
                )
            cases.append(AblationCase(str(name), np.sort(columns), symbol, output))
    return sorted(cases, key=lambda case: (case.symbol, case.output))


def unit_columns(acts: xr.Dataset, units: Sequence[str]) -> np.ndarray:
    """Return the columns of some units, ``(unit,)``; `UnknownNameError` for a unit that was not captured."""
    columns = {str(name): k for k, name in enumerate(acts["unit"].values)}
    for unit in units:
        if str(unit) not in columns:
            raise UnknownNameError(
                f"These activations have no unit {str(unit)!r}; expected names such as {next(iter(columns), None)!r}."
            )
    if not len(units) or len(set(map(str, units))) < len(units):
        raise OptionError(f"A group must have at least one unit, and each unit once; got {list(units)!r}.")
    return np.array([columns[str(unit)] for unit in units])


def measure_case(
    setup: AblationSetup, case: AblationCase, n_controls: int, n_other_tokens: int, full_output: bool
) -> dict[str, Any]:
    """Return all variables of a case, and under ``own_effect`` and ``control_effect`` the values for its p-values."""
    tokens, backend = setup.backend(case.symbol, case.output)
    mask = tokens.has_output(case.output)
    effects = token_effects(backend, tokens, case.units)
    interval = mean_with_interval(effects[mask], tokens.source[mask])
    row: dict[str, Any] = dict(zip(("effect", "ci_low", "ci_high"), interval, strict=True))
    row |= {"tokens": int(mask.sum()), "sources": np.unique(tokens.source[mask]).size}
    weights = source_weights(tokens.source, mask)
    row["own_effect"] = float(weights @ effects)  # summed as for controls, so that drawing the group itself is a tie
    row["control_effect"] = np.array([mean_effects(backend, tokens, weights, groups)
                                      for groups in control_groups(setup, backend, case, n_controls)])  # fmt: skip
    if full_output:
        row |= prediction_quality(setup, backend, tokens, case, mask) | specificity(setup, case)
        row["effect_other_inputs"] = effect_on_other_inputs(setup, case, n_other_tokens) if n_other_tokens else np.nan
    return row


def mean_effects(
    backend: AblationBackend, tokens: EvaluationTokens, weights: np.ndarray, groups: Sequence[np.ndarray]
) -> np.ndarray:
    """Return the weighted mean effect of each group, ``(group,)``; equal groups are ablated once.

    Parameters
    ----------
    backend : AblationBackend
        Source of logits.
    tokens : EvaluationTokens
        Evaluation tokens.
    weights : array (token,)
        See `source_weights`.
    groups : sequence of array (unit,) of int
        Sorted groups of one size.
    """
    if not groups:
        return np.zeros(0)
    distinct, inverse = np.unique(np.stack(groups), axis=0, return_inverse=True)
    effects = np.array([weights @ token_effects(backend, tokens, group) for group in distinct])
    return np.asarray(effects[inverse.reshape(-1)])


def specificity(setup: AblationSetup, case: AblationCase) -> dict[str, float]:
    """Return the effect on the other outputs of the input, and the excess of the effect on the pair."""
    tokens, backend = setup.backend(case.symbol)
    mask, effects = tokens.has_output(case.output), token_effects(backend, tokens, case.units)
    names = ("specificity", "specificity_ci_low", "specificity_ci_high")
    row = dict(zip(names, difference_with_interval(effects, tokens.source, mask, ~mask), strict=True))
    others = float(source_weights(tokens.source, ~mask) @ effects) if (~mask).any() else np.nan
    return row | {"effect_other_outputs": others}


def prediction_quality(
    setup: AblationSetup, backend: AblationBackend, tokens: EvaluationTokens, case: AblationCase, mask: np.ndarray
) -> dict[str, float]:
    """Return log p and accuracy among all outputs, intact and ablated, over the tokens of the pair."""
    columns = logit_units(setup.acts)
    correct = np.searchsorted(columns, tokens.logits)[tokens.correct]
    weights = source_weights(tokens.source, mask)
    row = {}
    for suffix, logits in (
        ("", backend.intact[None][..., columns]),
        ("_ablated", backend.ablated(case.units, columns)),
    ):
        row[f"log_p{suffix}"] = float(weights @ log_probability(logits, correct).mean(0))
        row[f"accuracy{suffix}"] = float(weights @ (logits.argmax(-1) == correct).mean(0))
    return row


def control_groups(
    setup: AblationSetup, backend: AblationBackend, case: AblationCase, count: int
) -> list[list[np.ndarray]]:
    """Return random control groups of a case: uniform, and matched on |outgoing weights| x standard deviation."""
    acts, seed = setup.acts, setup.options.seed
    codes = np.stack([np.unique(acts[name].values, return_inverse=True)[1] for name in LAYER_COORDS])
    blocks = np.unique(codes, axis=1, return_inverse=True)[1].reshape(-1)
    generators = [np.random.default_rng([seed, number]) for number in range(2)]
    uniform = uniform_groups(case.units, blocks, count, generators[0])
    candidates = np.flatnonzero(np.isin(blocks, blocks[case.units]))
    strength = np.zeros(acts.sizes["unit"])
    rows = setup.backend(case.symbol)[0].rows
    values = acts["activation"].values[rows][:, candidates].astype(np.float64)
    weights = backend.readout.outgoing_norm(candidates) if isinstance(backend, LinearBackend) else 1.0
    strength[candidates] = weights * values.std(0)
    matched = matched_groups(case.units, blocks, strength, count, generators[1])
    return [[np.sort(group) for group in groups] for groups in (uniform, matched)]


def effect_on_other_inputs(setup: AblationSetup, case: AblationCase, max_tokens: int) -> float:
    """Return the mean effect on tokens of all other inputs with several outputs; NaN if there are none."""
    acts, label = setup.acts, setup.labels[0]
    candidates = np.flatnonzero((acts[label].values != case.symbol) & setup.has_donor)
    if candidates.size > max_tokens:
        generator = np.random.default_rng([setup.options.seed, 2])
        candidates = np.sort(generator.choice(candidates, max_tokens, replace=False))
    mask = np.isin(np.arange(acts.sizes["token"]), candidates)
    effects, sources = [], []
    for symbol in np.unique(acts[label].values[candidates]).tolist():
        try:
            tokens = select_tokens(acts, str(symbol), setup.labels, mask)
        except OptionError:  # the input has only one output
            continue
        backend = LinearBackend(acts, setup.model, tokens, setup.options)
        effects.append(token_effects(backend, tokens, case.units))
        sources.append(tokens.source)
    if not effects:
        return float("nan")
    return float(source_weights(np.concatenate(sources)) @ np.concatenate(effects))


def make_result(cases: Sequence[AblationCase], rows: Sequence[dict[str, Any]], options: AblationOptions) -> xr.Dataset:
    """Return all cases as one result."""
    import xarray as xr

    names = [name for name in rows[0] if name not in ("control_effect", "own_effect")]
    data: dict[str, Any] = {name: ("case", [row[name] for row in rows]) for name in names}
    control_effect = np.stack([row["control_effect"] for row in rows])
    has_controls = bool(control_effect.shape[2])
    if has_controls:
        p = np.array([[control_p_value(row["own_effect"], effects) for effects in row["control_effect"]]
                      for row in rows])  # fmt: skip
        adjusted = np.stack([holm(column) for column in p.T], 1)
        data["control_effect"] = (("case", "control", "draw"), control_effect)
        data |= {"p": (("case", "control"), p), "p_holm": (("case", "control"), adjusted)}
    coords: dict[str, Any] = {
        "group": ("case", [case.name for case in cases]),
        "pair": ("case", [f"{case.symbol}=>{case.output}" for case in cases]),
        "pair_input": ("case", [case.symbol for case in cases]),
        "pair_output": ("case", [case.output for case in cases]),
        "size": ("case", [case.units.size for case in cases]),
    }
    controls = {"control": list(CONTROLS)} if has_controls else {}
    return xr.Dataset(data, coords | controls, {"method": method_text(options)})


def method_text(options: AblationOptions) -> str:
    """Return the method as a paragraph."""
    labels = " and ".join(options.match_on) or "no label"
    replacement = {
        "resample": f"set to its value at a token of another source with the same {labels}, the same token for the "
        f"whole group, mean over {options.n_draws} draws",
        "mean": f"set to its mean over tokens with the same {labels}",
        "zero": "set to zero",
    }[options.replace_with]
    readers = {"recurrence": "including the recurrence", "readout": "but not for the recurrence"}[options.scope]
    return (
        f"Each unit of a group is {replacement}, for all layers that read it, {readers}. Effect: the log-odds (nats) "
        "of the correct output among the possible outputs of the input, at the token's own step, intact minus ablated; "
        "mean over sources of the mean over tokens, 95 % interval by a delete-a-group jackknife over sources. "
        "p = (1 + #{control >= effect}) / (1 + #controls), with random control groups of the same module, layer, "
        "direction and quantity; Holm correction over cases."
    )
