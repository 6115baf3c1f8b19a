"""Runs of the model on a typed sentence or a sample, with and without edits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import interp
from interp import Ablate, Clamp, Edit, OptionError

if TYPE_CHECKING:
    import torch
    import xarray as xr

    from interp_dashboard.data import DashboardData

MAX_SENTENCE = 2_000  # letters
NO_MODEL = "Typed sentences and edits need the model: restart with interp serve … --model NAME."
OTHER_MODEL = "The model has other weights than the captured one. Pass the captured one, or capture again."
NO_TASK = "The task of this store takes no typed sentences; that requires a method typed_batch(lines) -> Batch."


def require_model(data: DashboardData) -> torch.nn.Module:
    """Return the model; raise `OptionError` if the model or a task for sentences is missing."""
    if data.model is None:
        raise OptionError(NO_MODEL)
    if data.task is None:
        raise OptionError(NO_TASK)
    return data.model


def run_sentence(data: DashboardData, text: str) -> xr.Dataset:
    """Return the activations of every unit at each letter of a sentence; ``output`` is the prediction of the model.

    Raises
    ------
    OptionError
        If there is no model or task, or the sentence is empty or longer than 2,000 letters.
    """
    return use_prediction_as_output(run_text(data, text))


def use_prediction_as_output(acts: xr.Dataset) -> xr.Dataset:
    """Return the activations with the prediction as ``output``, because the right output is unknown."""
    return acts.assign_coords(output=acts["predicted"]) if "predicted" in acts.coords else acts


def run_text(data: DashboardData, text: str, edits: Sequence[Edit] = ()) -> xr.Dataset:
    """Run the model on a sentence under edits, and return its activations."""
    model = require_model(data)
    if not 0 < len(text) <= MAX_SENTENCE:
        raise OptionError(f"Expected a sentence of 1 to {MAX_SENTENCE:,} letters; got {len(text):,}.")
    quantities = [name for name in np.unique(data.acts["quantity"].values).tolist() if name != "out"]
    modules = list(dict.fromkeys(data.acts["module"].values.tolist()))
    batch = data.task.typed_batch([text])
    acts = interp.capture(model, [batch], edits=edits, modules=modules, quantities=quantities, progress=False)
    if acts.attrs.get("model_sha256") != data.acts.attrs.get("model_sha256", acts.attrs.get("model_sha256")):
        raise OptionError(OTHER_MODEL)
    return acts


def make_edit(spec: Mapping[str, Any], donors: xr.Dataset) -> Edit:
    """Return the edit that a reader specified.

    Parameters
    ----------
    spec : mapping
        ``{"unit": name, "to": "zero", "mean" or "value", "value": number}``.
    donors : Dataset
        Tokens over which the mean is taken.

    Raises
    ------
    OptionError, UnknownNameError
        If the specification is invalid, or there is no such unit.
    """
    unit, replacement = str(spec.get("unit", "")), spec.get("to", "zero")
    interp.plotting.select_unit(donors, unit)
    if replacement == "value":
        value = spec.get("value", 0.0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            raise OptionError(f"Expected a number as the value of a unit; got {value!r}.")
        return Clamp([unit], float(value))
    if replacement not in ("zero", "mean"):
        raise OptionError(f"Expected 'zero', 'mean' or 'value' as the replacement; got {replacement!r}.")
    own_donors = donors.sel(unit=[unit]) if replacement == "mean" else None
    return Ablate([unit], replace_with=replacement, donors=own_donors, match_on=())


def run_before_after(
    data: DashboardData, text: xr.Dataset, window: xr.Dataset, edits: Sequence[Mapping[str, Any]]
) -> tuple[xr.Dataset, xr.Dataset]:
    """Run a text without and with edits; return both runs with the right outputs of the text.

    Parameters
    ----------
    data : DashboardData
        Data with a model.
    text : Dataset
        Activations of one sample, with the labels ``input`` and ``output``.
    window : Dataset
        Tokens over which means are taken.
    edits : sequence of mapping
        Specifications of `make_edit`.
    """
    letters = "".join(text["input"].values.tolist())
    runs = [run_text(data, letters, batch_edits) for batch_edits in ((), [make_edit(spec, window) for spec in edits])]
    if any(run["input"].values.tolist() != text["input"].values.tolist() for run in runs):
        raise OptionError("The task splits this text differently than it was captured; type a sentence instead.")
    before, after = (run.assign_coords(output=("token", text["output"].values)) for run in runs)
    return before, after
