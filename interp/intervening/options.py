"""Validation and conversion of the options of edits."""

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
    """Return the steps in ``at``, or an empty tuple if it has labels; raise `OptionError` if it is invalid."""
    if at is None or callable(at) or isinstance(at, Mapping | slice):
        return ()
    steps = np.atleast_1d(np.asarray(at))
    if isinstance(at, str) or steps.dtype.kind not in "iu" or steps.ndim > 1:
        raise OptionError(f"at= takes labels such as {{'input': 't'}}, steps or a function; got {at!r}.")
    if (steps < 0).any():
        raise OptionError(f"at= takes steps from 0; got {at!r}. For the last steps of samples use a label.")
    return tuple(steps.tolist())


def key_of(sample: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return a unique number for each (sample, step)."""
    return np.asarray(np.asarray(sample).astype(np.int64) * 2**31 + np.asarray(step))


def check_activations(acts: Any, option: str) -> xr.Dataset:
    """Return activations unchanged, or raise `SchemaError` if they are none."""
    if not hasattr(acts, "data_vars") or "activation" not in acts or acts["activation"].dims != ("token", "unit"):
        got = f"dims {tuple(acts.dims)}" if hasattr(acts, "dims") else type(acts).__name__
        raise SchemaError(f"{option}= takes activations (token, unit), as interp.capture returns them; got {got}.")
    return acts  # type: ignore[no-any-return]


def columns_of(acts: xr.Dataset, names: Sequence[str], option: str) -> Tensor:
    """Return the values of some units, ``(token, unit)``."""
    import pandas as pd

    index = acts.indexes["unit"]
    columns = index.get_indexer(pd.Index(names))
    if (columns < 0).any():
        name = names[int((columns < 0).argmax())]
        raise unknown(f"unit in {option}=", name, map(str, index))
    values = torch.from_numpy(np.ascontiguousarray(acts["activation"].isel(unit=columns).values))
    if not values.shape[0]:
        raise CaptureError(f"{option}= has no token.")
    return values


def short(value: Any) -> str:
    """Return an option as short text."""
    if hasattr(value, "coords"):
        return f"<dataset {dict(value.sizes)}>"
    if isinstance(value, Tensor):
        return repr(value.item()) if value.numel() == 1 else f"<tensor {tuple(value.shape)}>"
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping) and len(items := list(value)) > 4:
        return f"[{', '.join(map(repr, items[:3]))}, … {len(items)}]"
    return getattr(value, "__name__", None) or repr(value)
