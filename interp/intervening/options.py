"""Options of edits, checked and made ready."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from interp.errors import CaptureError, OptionError, SchemaError, unknown

if TYPE_CHECKING:
    import xarray as xr


def listed_steps(at: Any) -> tuple[int, ...]:
    """Return the steps that ``at`` names, none where it has labels; `OptionError` for what it can't be."""
    if at is None or callable(at) or isinstance(at, Mapping | slice):
        return ()
    steps = np.atleast_1d(np.asarray(at))
    if isinstance(at, str) or steps.dtype.kind not in "iu" or steps.ndim > 1:
        raise OptionError(f"at= takes labels such as {{'input': 't'}}, steps or a function; got {at!r}.")
    if (steps < 0).any():
        raise OptionError(f"at= takes steps from 0; got {at!r}. For a sample's last steps give a label.")
    return tuple(steps.tolist())


def key_of(sample: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return one number for each (sample, step)."""
    return np.asarray(np.asarray(sample).astype(np.int64) * 2**31 + np.asarray(step))


def check_activations(acts: Any, option: str) -> xr.Dataset:
    """Return activations as they are, or raise `SchemaError`."""
    if not hasattr(acts, "data_vars") or "activation" not in acts or acts["activation"].dims != ("token", "unit"):
        got = f"dims {tuple(acts.dims)}" if hasattr(acts, "dims") else type(acts).__name__
        raise SchemaError(f"{option}= takes activations (token, unit), as interp.capture returns them; got {got}.")
    return acts  # type: ignore[no-any-return]


def columns_of(acts: xr.Dataset, names: Sequence[str], option: str) -> Tensor:
    """Return the values of some units, ``(token, unit)``."""
    import pandas as pd

    index = acts.indexes["unit"]
    found = index.get_indexer(pd.Index(names))
    if (found < 0).any():
        name = names[int((found < 0).argmax())]
        raise unknown(f"unit in {option}=", name, map(str, index))
    values = torch.from_numpy(np.ascontiguousarray(acts["activation"].isel(unit=found).values))
    if not values.shape[0]:
        raise CaptureError(f"{option}= has no token.")
    return values


def short(value: Any) -> str:
    """Return an option as one short piece of text."""
    if hasattr(value, "coords"):
        return f"<dataset {dict(value.sizes)}>"
    if isinstance(value, Tensor):
        return repr(value.item()) if value.numel() == 1 else f"<tensor {tuple(value.shape)}>"
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping) and len(listed := list(value)) > 4:
        return f"[{', '.join(map(repr, listed[:3]))}, … {len(listed)}]"
    return getattr(value, "__name__", None) or repr(value)
