"""The text that is shown: a sample of the window or a typed sentence, and what an edit makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import interp
from interp import Ablate, Clamp, Edit, OptionError

if TYPE_CHECKING:
    import torch
    import xarray as xr

    from interp_dashboard.material import Material

LONGEST = 2_000  # letters of a typed sentence
NO_MODEL = "Typed sentences and what-if need the model: start again with interp serve … --model NAME."
OTHER_MODEL = "The model has other weights than the one that was captured. Give that one, or capture again."
NO_TASK = "The task of this store takes no typed sentences: one that does has a method typed_batch(lines) -> Batch."


def able(material: Material) -> torch.nn.Module:
    """Return the model; `OptionError` where no sentence can be run, with what is missing."""
    if material.model is None:
        raise OptionError(NO_MODEL)
    if material.task is None:
        raise OptionError(NO_TASK)
    return material.model


def typed(material: Material, text: str) -> xr.Dataset:
    """Return what every unit does at each letter of a sentence; as ``output`` stands what the model says.

    Raises
    ------
    OptionError
        No model or task, or a sentence that is empty or longer than 2,000 letters.
    """
    return said_as_output(run(material, text))


def said_as_output(acts: xr.Dataset) -> xr.Dataset:
    """Return the activations with the prediction as the right output: nobody knows another."""
    return acts.assign_coords(output=acts["predicted"]) if "predicted" in acts.coords else acts


def run(material: Material, text: str, edits: Sequence[Edit] = ()) -> xr.Dataset:
    """Return a sentence run through the model, under edits."""
    model = able(material)
    if not 0 < len(text) <= LONGEST:
        raise OptionError(f"A sentence has 1 to {LONGEST:,} letters; this one has {len(text):,}.")
    quantities = [name for name in np.unique(material.acts["quantity"].values).tolist() if name != "out"]
    modules = list(dict.fromkeys(material.acts["module"].values.tolist()))
    batch = material.task.typed_batch([text])
    found = interp.run(model, [batch], edits, modules=modules, quantities=quantities, progress=False)
    if found.attrs.get("model_sha256") != material.acts.attrs.get("model_sha256", found.attrs.get("model_sha256")):
        raise OptionError(OTHER_MODEL)
    return found


def edit_of(asked: Mapping[str, Any], donors: xr.Dataset) -> Edit:
    """Return the edit that a reader asked for.

    Parameters
    ----------
    asked : mapping
        ``{"unit": name, "to": "zero", "mean" or "value", "value": number}``.
    donors : Dataset
        The window: what the mean is over.

    Raises
    ------
    OptionError, UnknownNameError
        For another one.
    """
    unit, to = str(asked.get("unit", "")), asked.get("to", "zero")
    interp.one_unit(donors, unit)
    if to == "value":
        value = asked.get("value", 0.0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            raise OptionError(f"A unit is held at a number; got {value!r}.")
        return Clamp([unit], float(value))
    if to not in ("zero", "mean"):
        raise OptionError(f"An edit is to 'zero', 'mean' or 'value'; got {to!r}.")
    return Ablate([unit], to=to, donors=donors.sel(unit=[unit]) if to == "mean" else None, given=())


def before_and_after(
    material: Material, text: xr.Dataset, window: xr.Dataset, edits: Sequence[Mapping[str, Any]]
) -> tuple[xr.Dataset, xr.Dataset]:
    """Return a text run without and with edits, the right outputs of the text in both.

    Parameters
    ----------
    material : Material
        With a model.
    text : Dataset
        Activations of one sample, with the labels ``input`` and ``output``.
    window : Dataset
        What means are over.
    edits : sequence of mapping
        As of `edit_of`.
    """
    letters = "".join(text["input"].values.tolist())
    pair = [run(material, letters, made) for made in ((), [edit_of(asked, window) for asked in edits])]
    if any(one["input"].values.tolist() != text["input"].values.tolist() for one in pair):
        raise OptionError("The task reads this text in other pieces than were captured; type a sentence instead.")
    before, after = (one.assign_coords(output=("token", text["output"].values)) for one in pair)
    return before, after
