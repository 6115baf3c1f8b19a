"""Logits under ablation: through the dense layers alone, along rotated directions, or by running the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from interp import OptionError, make_dataset, rotate_basis
from interp_causal.estimators import log_odds
from interp_causal.evaluation_tokens import DonorValues, EvaluationTokens, Labels, has_donor, token_labels
from interp_causal.linear_readout import LinearReadout, logit_units
from interp_causal.lstm_output import LSTMOutput

if TYPE_CHECKING:
    import torch
    import xarray as xr

LAYER_COORDS = ("module", "layer", "direction", "quantity")
SCOPES = ("recurrence", "readout")  # values of the option scope= of edits


def check_scope(scope: str) -> None:
    """Raise `OptionError` for an unknown scope."""
    if scope not in SCOPES:
        raise OptionError(f"scope= must be 'recurrence' or 'readout'; got {scope!r}.")


@dataclass(frozen=True)
class AblationOptions:
    """Options of an ablation, as the probes take them.

    Attributes
    ----------
    replace_with : {"resample", "mean", "zero"}
        Replacement.
    match_on : tuple of str
        Labels that donors share with the token.
    n_draws : int
        Number of donors per token.
    seed : int
        Random seed.
    scope : {"recurrence", "readout"}
        Readers that the edit reaches.
    """

    replace_with: str
    match_on: tuple[str, ...]
    n_draws: int
    seed: int
    scope: str


class AblationBackend(Protocol):
    """Logits of evaluation tokens, intact and with a group of units ablated."""

    intact: np.ndarray

    def ablated(self, units: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return logits ``(draw, token, output)`` with units ablated; both arguments are columns of the activations."""


class LinearBackend:
    """Logits through the dense layers above the units, without running the model.

    Only the layers that read the units see the ablation. Gates and cells of an LSTM act through the h they produce.

    Parameters
    ----------
    acts : Dataset (token, unit)
        A capture.
    model : Module
        Captured model.
    tokens : EvaluationTokens
        Evaluation tokens.
    options : AblationOptions
        Options of the ablation.
    cache : bool
        Keep donor values, for many groups.
    """

    def __init__(
        self,
        acts: xr.Dataset,
        model: torch.nn.Module,
        tokens: EvaluationTokens,
        options: AblationOptions,
        cache: bool = False,
    ) -> None:
        import torch

        self.values, self.names = acts["activation"].values, acts["unit"].values
        self.donors = DonorValues(
            self.values,
            token_labels(acts),
            tokens.rows,
            options.replace_with,
            options.match_on,
            options.n_draws,
            options.seed,
            cache,
        )
        self.lstm = LSTMOutput(acts, tokens.rows)
        values = torch.from_numpy(np.ascontiguousarray(self.values[tokens.rows]))
        self.readout = LinearReadout(acts, model, values, self.donors.draws)
        self.intact = self.values[tokens.rows]

    def ablated(self, units: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return logits ``(draw, token, output)`` with units ablated."""
        import torch

        units, unit_change = self.unit_change(units)
        self.readout.check_units_are_read(units, self.names)
        with torch.no_grad():
            change = self.readout.logit_change(units, torch.from_numpy(unit_change), columns).numpy()
        return np.asarray(self.intact[:, columns] + change.reshape(self.donors.draws, len(self.intact), -1))

    def unit_change(self, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the changed units ``(unit,)`` as later layers read them, and their change ``(draw x token, unit)``."""
        if self.lstm.is_cell_unit(units).any():
            return self.lstm.output_change(units, self.donors.change)
        return units, self.donors.change(units)


def layer_rotations(acts: xr.Dataset, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the columns ``(unit,)`` and the rotation ``(unit, direction)`` of each layer for `interp.rotate_basis`.

    Parameters
    ----------
    acts : Dataset (token, unit)
        A capture.
    seed : int
        Seed of `interp.rotate_basis`.
    """
    codes = np.stack([np.unique(acts[name].values, return_inverse=True)[1] for name in LAYER_COORDS])
    layers = np.unique(codes, axis=1, return_inverse=True)[1].reshape(-1)
    rotations = []
    for layer in np.unique(layers):
        columns = np.flatnonzero(layers == layer)
        labels = {name: acts[name].values[columns] for name in ("unit", *LAYER_COORDS, "index")}
        rows = np.arange(columns.size)
        one_hot = make_dataset(np.eye(columns.size), labels, {"sample": rows, "step": 0 * rows, "source": rows})
        rotations.append((columns, rotate_basis(one_hot, seed)["activation"].values))
    return rotations


class RotatedBackend(LinearBackend):
    """Logits with directions of a rotated layer ablated: the control for curves about single units.

    Columns stand for the directions of `interp.rotate_basis`. The component of a token along an ablated direction is
    replaced by that of its donor, and the other components of the layer are unchanged.

    Parameters
    ----------
    acts, model, tokens, options
        See `LinearBackend`.
    seed : int
        Seed of the rotation.
    """

    def __init__(
        self,
        acts: xr.Dataset,
        model: torch.nn.Module,
        tokens: EvaluationTokens,
        options: AblationOptions,
        seed: int,
    ) -> None:
        super().__init__(acts, model, tokens, options, cache=True)
        self.rotations = layer_rotations(acts, seed)

    def unit_change(self, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the units of all layers with an ablated direction, and their change ``(draw x token, unit)``."""
        layers, changes = [], []
        for columns, rotation in self.rotations:
            directions = rotation[:, np.isin(columns, units)]
            if directions.size:
                layers.append(columns)
                changes.append((self.donors.change(columns) @ directions @ directions.T).astype(self.values.dtype))
        return np.concatenate(layers), np.concatenate(changes, axis=1)


class ModelBackend:
    """Logits by running the model under edits: for any units, and through the recurrence.

    Parameters
    ----------
    acts : Dataset (token, unit)
        A capture of the batches, from which donors are drawn.
    model : Module
        Captured model.
    batches : Batch or iterable of those
        Batches of the capture.
    tokens : EvaluationTokens
        Evaluation tokens.
    options : AblationOptions
        Options of the ablation.
    labels : (str, str)
        Names of the labels of input and output.
    """

    def __init__(
        self,
        acts: xr.Dataset,
        model: torch.nn.Module,
        batches: Any,
        tokens: EvaluationTokens,
        options: AblationOptions,
        labels: tuple[str, str],
    ) -> None:
        self.acts, self.model, self.batches, self.tokens, self.options = acts, model, batches, tokens, options
        self.logits = logit_units(acts)
        values = token_labels(acts)
        self.where = {labels[0]: str(values[labels[0]][tokens.rows[0]])}
        self.at = donor_mask(values, options.match_on)
        self.intact = np.full((len(tokens.rows), acts.sizes["unit"]), np.nan, np.float32)
        self.intact[:, self.logits] = self._run(())[0]

    def _run(self, edits: Any) -> np.ndarray:
        """Return the logits of the evaluation tokens under edits, ``(draw, token, output)``."""
        from interp import capture

        names = [str(name) for name in self.acts["unit"].values[self.logits]]
        module = str(self.acts["module"].values[self.logits[0]])
        edited = capture(
            self.model, self.batches, edits=edits, modules=[module], where=self.where, units=names, progress=False
        )
        own = self.acts.isel(token=self.tokens.rows)
        own_keys = own["sample"].values.astype(np.int64) * 2**31 + own["step"].values
        keys = edited["sample"].values.astype(np.int64) * 2**31 + edited["step"].values
        draw = edited["draw"].values if "draw" in edited.coords else np.zeros(keys.size, np.int64)
        logits = []
        for number in range(int(draw.max()) + 1):
            rows = np.flatnonzero(draw == number)
            position = rows[np.minimum(np.searchsorted(keys[rows], own_keys), rows.size - 1)]
            if not np.array_equal(keys[position], own_keys):
                raise OptionError("batches= has other tokens than the activations: pass the captured batches.")
            logits.append(edited["activation"].values[position])
        return np.stack(logits)

    def ablated(self, units: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return logits ``(draw, token, output)`` with units ablated at every token that has a donor."""
        from interp import Ablate

        options, names = self.options, [str(name) for name in self.acts["unit"].values[units]]
        edit = Ablate(
            names,
            options.replace_with,
            self.acts,
            options.match_on,
            options.n_draws,
            options.seed,
            self.at,
            options.scope,
        )
        position = {int(unit): k for k, unit in enumerate(self.logits)}
        return np.asarray(self._run(edit)[..., [position[int(column)] for column in columns]])


def donor_mask(labels: Labels, match_on: Sequence[str]) -> Callable[[Any], np.ndarray]:
    """Return a function of labels that returns the mask of tokens with a donor, as the option ``at=`` of an edit."""
    mask = has_donor(labels, match_on)
    columns = [np.asarray(labels[name])[mask].tolist() for name in match_on]
    strata = set(zip(*columns, strict=True))

    def at(tokens: Any) -> np.ndarray:
        count = len(tokens["sample"])
        if not match_on:
            return np.ones(count, bool)
        rows = zip(*(np.asarray(tokens[name]).tolist() for name in match_on), strict=True)
        return np.fromiter((row in strata for row in rows), bool, count)

    return at


def token_effects(backend: AblationBackend, tokens: EvaluationTokens, units: np.ndarray) -> np.ndarray:
    """Return the effect of ablating units on each token, ``(token,)``.

    The effect is the log-odds (nats) of the correct output, intact minus ablated, mean over draws.
    """
    intact = log_odds(backend.intact[:, tokens.logits], tokens.correct)
    ablated = log_odds(backend.ablated(units, tokens.logits), tokens.correct)
    return np.asarray(intact - ablated.mean(0))
