"""Errors for tokens that the batches do not contain."""

import pytest
import torch
from helpers.edited import batch, net

import interp


def measure(probe="attribution", model=None, samples=None, edit=None, **options):
    model, samples = model or net(), batch() if samples is None else samples
    acts = interp.capture(model, samples, progress=False, dtype="float64")
    acts = acts if edit is None else edit(acts)
    options = {"target": 1, "baseline": "zero", "batches": samples, **options}
    return interp.measure(probe, acts, model=model, **options)


def test_tokens_and_batches_must_match():
    with pytest.raises(interp.OptionError, match="batches= has 4 samples"):
        measure(edit=lambda acts: acts.assign_coords(sample=acts["sample"] + 1))
    with pytest.raises(interp.OptionError, match="step 7 of a sample that has 3 steps"):
        measure(edit=lambda acts: acts.assign_coords(step=acts["step"] + 7))
    with pytest.raises(interp.OptionError, match="no token to explain"):
        measure(edit=lambda acts: acts.isel(token=slice(0)))
    with pytest.raises(interp.OptionError, match="5 lengths"):
        measure(batches=interp.Batch(torch.zeros(4, 6, 3), [1, 2, 3, 4, 5]))
    with pytest.raises(interp.OptionError, match=r"shape \(4, 6, 3, 2\)"):
        measure(batches=torch.zeros(4, 6, 3, 2))
