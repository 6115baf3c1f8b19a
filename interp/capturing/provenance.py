"""Provenance of a capture: attributes of the model and the batches, and checks that the model can be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import torch
from torch import nn

from interp.capturing.listening import kind_of
from interp.capturing.scout import named_modules, unwrap
from interp.errors import CaptureError


def describe(model: nn.Module, batches: Any) -> dict[str, str | int | float]:
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


def weights_hash(model: nn.Module) -> str:
    """Return the SHA-256 of the names, dtypes, shapes and bytes of the tensors in a model's state dict."""
    digest = sha256()
    for name, value in sorted(model.state_dict().items()):
        if isinstance(value, torch.Tensor) and value.layout == torch.strided and not value.is_quantized:
            flat = value.detach().cpu().contiguous().reshape(-1)
            digest.update(f"{name}:{flat.dtype}:{tuple(value.shape)}".encode())
            digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def check_model(model: Any) -> None:
    """Raise `CaptureError` if the model is not a module, is in train mode with dropout or batch norm, or has NaNs."""
    if not isinstance(model, nn.Module):
        raise CaptureError(f"model= takes a torch.nn.Module; got {type(model).__name__}.")
    for name, module in named_modules(model).items():
        if not getattr(module, "training", False):  # a frozen module has no train mode
            continue
        rate = getattr(module, "p" if "Dropout" in kind_of(module) else "dropout", 0)
        if isinstance(rate, float | int) and rate:
            raise CaptureError(f"Dropout is active in {name!r} (the model is in train mode). Call model.eval() first.")
        if "BatchNorm" in kind_of(module):
            raise CaptureError(
                f"{name!r} would update its statistics (the model is in train mode). Call model.eval() first."
            )
    for name, value in unwrap(model).named_parameters():
        if value.is_floating_point() and bool(torch.isnan(value).any()):
            raise CaptureError(f"The weights {name!r} have NaN values; expected finite weights. Load the model again.")


@contextmanager
def undisturbed(state: dict[str, Any]) -> Iterator[None]:
    """Run with a separate random state, which ``state`` carries between calls; preserve the user's random state."""
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        if "cpu" in state:
            torch.set_rng_state(state["cpu"])
        try:
            yield
        finally:
            state["cpu"] = torch.get_rng_state()
