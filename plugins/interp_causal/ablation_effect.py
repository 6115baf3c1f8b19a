"""The probe ``ablation-effect``: what the right output loses when a group of units is ablated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, SchemaError, UnknownNameError, probe
from interp_causal.numbers import (
    difference,
    holm,
    interval,
    log_p,
    matched_groups,
    p_of,
    source_weights,
    uniform_groups,
)
from interp_causal.readout import logit_units
from interp_causal.tokens import Measured, in_order, labels_of, lendable, measured
from interp_causal.worlds import Dense, How, Running, World, effects

if TYPE_CHECKING:
    import torch
    import xarray as xr

CONTROLS = 999
KINDS = ("uniform", "matched")


@dataclass(frozen=True)
class Case:
    """One group, and the pair on which its effect is measured."""

    name: str
    units: np.ndarray
    given: str
    output: str


@dataclass
class Setting:
    """What all cases share; the worlds of inputs are kept, since several cases use them."""

    acts: xr.Dataset
    model: torch.nn.Module
    batches: Any
    how: How
    labels: tuple[str, str]
    fit: np.ndarray = field(init=False)
    held: dict[tuple[str, str], tuple[Measured, World]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fit = lendable(labels_of(self.acts), self.how.given)

    def world(self, given: str, output: str = "") -> tuple[Measured, World]:
        """Return the tokens of an input, or of a pair, and what gives their logits.

        Where the model runs it runs for all tokens of the input: there is no world of a pair alone.
        """
        key = (given, output if self.batches is None else "")
        if key not in self.held:
            tokens = measured(self.acts, given, self.labels, self.fit)
            tokens = tokens.part(tokens.of(output)) if key[1] else tokens
            same = {known: held for known, held in self.held.items() if known[0] == given and not known[1]}
            self.held = same | {key: (tokens, self._made(tokens, bool(key[1])))}  # few at a time: they are large
        return self.held[key]

    def _made(self, tokens: Measured, kept: bool) -> World:
        if self.batches is not None:
            return Running(self.acts, self.model, self.batches, tokens, self.how, self.labels)
        return Dense(self.acts, self.model, tokens, self.how, kept)


@probe(requires=("source",))
def ablation_effect(
    acts: xr.Dataset,
    *,
    model: torch.nn.Module | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    pairs: Sequence[str] | None = None,
    batches: Any = None,
    to: str = "resample",
    given: Sequence[str] = ("input",),
    draws: int = 8,
    seed: int = 0,
    seen_by: str = "output",
    controls: int | None = None,
    elsewhere: int = 2000,
    details: bool = True,
    labels: Sequence[str] = ("input", "output"),
) -> xr.Dataset:
    """Effect of ablating groups of units on the log-odds of the right output among what the input can become.

    At the token's own step, intact minus edited: mean over draws, then over the tokens of each source, then over
    sources, with the 95 % interval of a jackknife over groups of sources.

    Parameters
    ----------
    acts : Dataset (token, unit)
        A capture with the units, all units of the dense layers above them, and the logits (units that stand for
        symbols). Its tokens are donors too. Choose groups on `interp.halves` of it, and measure on the other.
    model : Module
        The captured one.
    groups : mapping of str to sequence of str
        Names of units; each unit may be a group of its own. Keyed by pairs (``"t=>ծ"``) each is measured on its own.
    pairs : sequence of str, optional
        Measure every group on each of these; needed where the keys are no pairs.
    batches : Batch or iterable of those, optional
        Those of the capture. Then the model runs, for each group, draw and control: needed for lower layers and
        ``seen_by="state"``. All tokens with a donor are edited. Without it the logits are worked out from the dense
        layers; for the gates and cells of an LSTM below them, capture its h, i, f, g, o and c_prev.
    to, given, draws, seed, seen_by
        As of `interp.Ablate`.
    controls : int, optional
        Random groups of as many units of the same module, layer, direction and quantity, to hold each against;
        by default 999, and none where the model runs.
    elsewhere : int
        At most so many tokens of all other inputs, on which the effect is measured too; 0 leaves it out. Never where
        the model runs.
    details : bool
        Without it the result has ``effect``, ``low``, ``high``, ``tokens``, ``sources`` and the controls alone: quick
        for hundreds of groups.
    labels : sequence of two str
        Coords of ``token``: the input and what it becomes.

    Returns
    -------
    Dataset
        Dim ``case`` (coords ``group``, ``pair``, ``pair_input``, ``pair_output``, ``size``): ``effect`` with ``low``
        and ``high``, in nats of log-odds; ``others``, the effect on the other outputs of the input, ``specificity``,
        the difference, with ``specificity_low`` and ``_high``; ``elsewhere``; ``log_p`` and ``log_p_ablated`` (nats),
        ``accuracy`` and ``accuracy_ablated`` among all outputs; ``tokens`` and ``sources`` of the pair. With controls,
        dim ``kind`` (``uniform``; ``matched`` on |outgoing weights| x standard deviation): ``p``, ``p_holm`` over all
        cases, and ``control (case, kind, draw)``.

    Raises
    ------
    OptionError, UnknownNameError
        For groups, pairs and options that do not fit.
    CaptureError
        Where the way from a unit to the logits is not known from the wiring; the text says what to do.
    """
    how = How(to, tuple(given), draws, seed, seen_by)
    setting = begun(in_order(acts), model, batches, how, labels)
    cases = listed(acts, groups, pairs)
    number = (0 if batches is not None else CONTROLS) if controls is None else controls
    elsewhere = elsewhere if details and batches is None else 0
    rows = [one(setting, case, number, elsewhere, details) for case in cases]
    return together(cases, rows, how)


def begun(acts: xr.Dataset, model: Any, batches: Any, how: How, labels: Sequence[str]) -> Setting:
    """Return the setting, after a look at the options."""
    if model is None:
        raise OptionError("Give the captured network: model=.")
    if how.seen_by == "state" and batches is None:
        raise OptionError("seen_by='state' goes through the recurrence: give batches=, so that the model runs.")
    if isinstance(labels, str) or len(labels) != 2:
        raise OptionError(f"labels= takes two names of labels, such as ('input', 'output'); got {labels!r}.")
    for name in (*labels, *how.given):
        if name not in acts.coords:
            raise SchemaError(f"These activations lack the label {name!r}.")
    return Setting(acts, model, batches, how, (labels[0], labels[1]))


def listed(acts: xr.Dataset, groups: Any, pairs: Sequence[str] | None) -> list[Case]:
    """Return the cases, ordered by pair so that each world is made once."""
    if not groups:
        raise OptionError("Give groups of units: groups={'t=>ծ': ['hidden.out.3', …]}.")
    if isinstance(pairs, str):
        raise OptionError(f"pairs= takes a list of names; got {pairs!r}: pass [{pairs!r}].")
    cases = []
    for name, units in groups.items():
        chosen = columns_of(acts, [units] if isinstance(units, str) else units)
        for pair in [name] if pairs is None else pairs:
            given, arrow, output = str(pair).partition("=>")
            if not arrow:
                raise OptionError(f"{pair!r} is no pair such as 't=>ծ': name pairs=, or key groups= by pairs.")
            cases.append(Case(str(name), np.sort(chosen), given, output))
    return sorted(cases, key=lambda case: (case.given, case.output))


def columns_of(acts: xr.Dataset, units: Sequence[str]) -> np.ndarray:
    """Return the columns of some units; `UnknownNameError` for one that is not there."""
    place = {str(name): k for k, name in enumerate(acts["unit"].values)}
    for unit in units:
        if str(unit) not in place:
            raise UnknownNameError(
                f"These activations have no unit {str(unit)!r}, such as {next(iter(place), None)!r}."
            )
    if not len(units) or len(set(map(str, units))) < len(units):
        raise OptionError(f"A group has units, each once; got {list(units)!r}.")
    return np.array([place[str(unit)] for unit in units])


def one(setting: Setting, case: Case, controls: int, elsewhere: int, details: bool) -> dict[str, Any]:
    """Return all numbers of a case."""
    tokens, world = setting.world(case.given, case.output)
    mine = tokens.of(case.output)
    lost = effects(world, tokens, case.units)
    row: dict[str, Any] = dict(zip(("effect", "low", "high"), interval(lost[mine], tokens.source[mine]), strict=True))
    row |= {"tokens": int(mine.sum()), "sources": np.unique(tokens.source[mine]).size}
    weights = source_weights(tokens.source, mine)
    row["compared"] = float(weights @ lost)  # added up as the controls are: a group that is drawn itself is a tie
    row["control"] = np.array([means(world, tokens, weights, groups)
                               for groups in control_groups(setting, world, case, controls)])  # fmt: skip
    if details:
        row |= beside(setting, world, tokens, case, mine) | specific(setting, case)
        row["elsewhere"] = other_inputs(setting, case, elsewhere) if elsewhere else np.nan
    return row


def means(world: World, tokens: Measured, weights: np.ndarray, groups: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean effect of each of some groups of one size; equal groups are ablated once."""
    if not groups:
        return np.zeros(0)
    different, place = np.unique(np.stack(groups), axis=0, return_inverse=True)
    found = np.array([weights @ effects(world, tokens, group) for group in different])
    return np.asarray(found[place.reshape(-1)])


def specific(setting: Setting, case: Case) -> dict[str, float]:
    """Return the effect on the other outputs of the input, and by how much that on the pair exceeds it."""
    tokens, world = setting.world(case.given)
    mine, lost = tokens.of(case.output), effects(world, tokens, case.units)
    names = ("specificity", "specificity_low", "specificity_high")
    row = dict(zip(names, difference(lost, tokens.source, mine, ~mine), strict=True))
    return row | {"others": float(source_weights(tokens.source, ~mine) @ lost) if (~mine).any() else np.nan}


def beside(setting: Setting, world: World, tokens: Measured, case: Case, mine: np.ndarray) -> dict[str, float]:
    """Return log p and accuracy among all outputs, intact and ablated, over the tokens of the pair."""
    columns = logit_units(setting.acts)
    right = np.searchsorted(columns, tokens.logits)[tokens.right]
    weights = source_weights(tokens.source, mine)
    found = {}
    for name, logits in (("", world.intact[None][..., columns]), ("_ablated", world.ablated(case.units, columns))):
        found[f"log_p{name}"] = float(weights @ log_p(logits, right).mean(0))
        found[f"accuracy{name}"] = float(weights @ (logits.argmax(-1) == right).mean(0))
    return found


def control_groups(setting: Setting, world: World, case: Case, count: int) -> list[list[np.ndarray]]:
    """Return random groups to hold a case against: uniform, and matched on |outgoing weights| x standard deviation."""
    acts, seed = setting.acts, setting.how.seed
    places = np.stack([np.unique(acts[name].values, return_inverse=True)[1]
                       for name in ("module", "layer", "direction", "quantity")])  # fmt: skip
    blocks = np.unique(places, axis=1, return_inverse=True)[1].reshape(-1)
    generators = [np.random.default_rng([seed, kind]) for kind in range(2)]
    uniform = uniform_groups(case.units, blocks, count, generators[0])
    inside = np.flatnonzero(np.isin(blocks, blocks[case.units]))
    strength = np.zeros(acts.sizes["unit"])
    here = acts["activation"].values[setting.world(case.given)[0].rows][:, inside].astype(np.float64)
    weights = world.readout.strength(inside) if isinstance(world, Dense) else 1.0
    strength[inside] = weights * here.std(0)
    matched = matched_groups(case.units, blocks, strength, count, generators[1])
    return [[np.sort(group) for group in groups] for groups in (uniform, matched)]


def other_inputs(setting: Setting, case: Case, most: int) -> float:
    """Return the effect on tokens of all other inputs that can become several things."""
    acts, given = setting.acts, setting.labels[0]
    among = np.flatnonzero((acts[given].values != case.given) & setting.fit)
    if among.size > most:
        among = np.sort(np.random.default_rng([setting.how.seed, 2]).choice(among, most, replace=False))
    lost, sources = [], []
    for other in np.unique(acts[given].values[among]).tolist():
        try:
            tokens = measured(acts, str(other), setting.labels, np.isin(np.arange(acts.sizes["token"]), among))
        except OptionError:  # it becomes one thing only
            continue
        lost.append(effects(Dense(acts, setting.model, tokens, setting.how), tokens, case.units))
        sources.append(tokens.source)
    if not lost:
        return float("nan")
    return float(source_weights(np.concatenate(sources)) @ np.concatenate(lost))


def together(cases: Sequence[Case], rows: Sequence[dict[str, Any]], how: How) -> xr.Dataset:
    """Return all cases as one result."""
    import xarray as xr

    plain = [name for name in rows[0] if name not in ("control", "compared")]
    data: dict[str, Any] = {name: ("case", [row[name] for row in rows]) for name in plain}
    control = np.stack([row["control"] for row in rows])
    if control.shape[2]:
        p = np.array([[p_of(row["compared"], kind) for kind in row["control"]] for row in rows])
        adjusted = np.stack([holm(column) for column in p.T], 1)
        data |= {"control": (("case", "kind", "draw"), control), "p": (("case", "kind"), p)}
        data["p_holm"] = (("case", "kind"), adjusted)
    coords: dict[str, Any] = {
        "group": ("case", [case.name for case in cases]),
        "pair": ("case", [f"{case.given}=>{case.output}" for case in cases]),
        "pair_input": ("case", [case.given for case in cases]),
        "pair_output": ("case", [case.output for case in cases]),
        "size": ("case", [case.units.size for case in cases]),
    }
    return xr.Dataset(data, coords | ({"kind": list(KINDS)} if control.shape[2] else {}), {"method": method(how)})


def method(how: How) -> str:
    """Return the method as a paragraph."""
    given = " and ".join(how.given) or "no label"
    put = {
        "resample": f"set to its value at a token of another source with the same {given}, the same token for the "
        f"whole group, mean over {how.draws} draws",
        "mean": f"set to its mean over tokens with the same {given}",
        "zero": "set to zero",
    }[how.to]
    through = "through the recurrence" if how.seen_by == "state" else "for what reads it, not through the recurrence"
    return (
        f"Each unit of a group is {put}, {through}. Effect: the log-odds (nats) of the right output among what the "
        "input can become, at the token's own step, intact minus edited; mean over sources of the mean over tokens, "
        "95 % interval by a delete-a-group jackknife over sources. p = (1 + #{control >= effect}) / (1 + #controls), "
        "controls being random groups of the same module, layer, direction and quantity; Holm over cases."
    )
