"""Provenance of a capture: attributes of the model and the batches, and checks that the model can be read."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from interp.errors import CaptureError
from interp.torch_utils import class_name, named_modules, unwrap, weights_hash


def model_attrs(model: nn.Module, batches: Any) -> dict[str, str | int | float]:
    """Return the attrs of a dataset: the attrs of the batches, the model's name and the hash of its weights."""
    inner = unwrap(model)
    batch_attrs = getattr(batches, "attrs", None) or {}
    scalars = {str(name): value for name, value in batch_attrs.items() if isinstance(value, str | int | float)}
    name = getattr(inner, "name", None)
    return {
        **scalars,
        "model": name if isinstance(name, str) and name else type(inner).__name__,
        "model_sha256": weights_hash(inner),
    }


def check_model(model: Any) -> None:
    """Raise `CaptureError` if the model is not a module, is in train mode with dropout or batch norm, or has NaNs."""
    if not isinstance(model, nn.Module):
        raise CaptureError(f"model= takes a torch.nn.Module; got {type(model).__name__}.")
    for name, module in named_modules(model).items():
        if not getattr(module, "training", False):  # a frozen module has no train mode
            continue
        rate = getattr(module, "p" if "Dropout" in class_name(module) else "dropout", 0)
        if isinstance(rate, float | int) and rate:
            raise CaptureError(f"Dropout is active in {name!r} (the model is in train mode). Call model.eval() first.")
        if "BatchNorm" in class_name(module):
            raise CaptureError(
                f"{name!r} would update its statistics (the model is in train mode). Call model.eval() first."
            )
    for name, value in unwrap(model).named_parameters():
        if value.is_floating_point() and bool(torch.isnan(value).any()):
            raise CaptureError(f"The weights {name!r} have NaN values; expected finite weights. Load the model again.")
