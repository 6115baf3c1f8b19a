"""Edits of units while a model runs: `Clamp`, `Patch` and `Ablate`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from interp.errors import CaptureError, OptionError, SchemaError, unknown_name_error
from interp.selection import label_mask, value_mask
from interp.statistics.matching import DonorPool

if TYPE_CHECKING:
    import xarray as xr


Labels = Mapping[str, np.ndarray]
At: TypeAlias = Mapping[str, Any] | Callable[[Labels], np.ndarray] | int | slice | Sequence[int] | None
SCOPES = ("recurrence", "readout")


class Edit(ABC):
    """Base class of edits, which replace the values of some units at some tokens.

    Parameters
    ----------
    units : str, sequence of str, mapping or Dataset
        Units to edit: names, labels as for `select` (without ``quantity``: every quantity except ``c_prev``), or a
        dataset with these units.
    at : mapping, callable, int, slice or sequence of int, optional
        Tokens to edit: labels as for `select`, a function of all labels (name to array) that returns one boolean per
        token, or steps. By default all tokens. Padding is never edited.
    scope : {"recurrence", "readout"}
        ``state``: the edit propagates through the recurrence. ``output``: the edit affects only the modules that read
        ``h``; the recurrence continues with the unedited values.
    """

    n_draws = 1

    def __init__(self, units: Any, *, at: At = None, scope: str = "recurrence") -> None:
        if scope not in SCOPES:
            raise OptionError(f"scope= must be 'recurrence' or 'readout'; got {scope!r}.")
        self.units, self.at, self.scope = units, at, scope
        self.steps = parse_steps(at)

    @abstractmethod
    def value_rows(self, labels: Labels, n: int, draw: int) -> np.ndarray:
        """Return the row of `values` for each of n tokens, ``(token,)`` of int64."""

    @abstractmethod
    def values(self, names: Sequence[str]) -> Tensor:
        """Return the replacement values, ``(row, unit)``."""

    @property
    def is_constant(self) -> bool:
        """True if every token gets the same values, so that labels of tokens are not needed."""
        return False

    def applied_rows(self, labels: Labels, n: int, draw: int) -> np.ndarray:
        """Return `rows` for tokens to which the edit applies, and -1 for others, ``(token,)`` of int64."""
        mask = self.mask(labels, n)
        rows = np.full(n, -1)
        if mask.any():
            subset = labels if mask.all() else {name: np.asarray(values)[mask] for name, values in labels.items()}
            rows[mask] = self.value_rows(subset, int(mask.sum()), draw)
        return rows

    def mask(self, labels: Labels, n: int) -> np.ndarray:
        """Return a mask of the tokens to which the edit applies, ``(token,)`` of bool."""
        if self.at is None or callable(self.at) or isinstance(self.at, Mapping):
            try:
                return label_mask(labels, self.at, n)
            except OptionError as error:
                raise OptionError(str(error).replace("where=", "at=")) from error
        return value_mask(np.asarray(labels["step"]), self.at)

    def __repr__(self) -> str:
        options = [f"{name}={format_option(value)}" for name, value in self.options_repr().items()]
        return f"{type(self).__name__}({', '.join(options)})"

    def options_repr(self) -> dict[str, Any]:
        """Return the options by name, for the repr, which is stored in the attrs of edited activations."""
        return {"units": self.units, "at": self.at, "scope": self.scope}


class Clamp(Edit):
    """Set units to fixed values.

    Parameters
    ----------
    units, at, scope
        As in `Edit`.
    value : float, array or Tensor
        Values: a scalar, ``(unit,)``, or ``(sample, step, unit)`` where each dim has its full size or 1. Gradients flow
        into a tensor.
    """

    def __init__(self, units: Any, value: Any, at: At = None, *, scope: str = "recurrence") -> None:
        super().__init__(units, at=at, scope=scope)
        self.value = value if isinstance(value, Tensor) else torch.as_tensor(np.asarray(value))
        if self.value.dim() not in (0, 1, 3):
            raise OptionError(
                f"value= must be a number, (unit,) or (sample, step, unit); got shape {tuple(self.value.shape)}. "
                "For one row per sample use value[:, None]."
            )

    @property
    def is_constant(self) -> bool:
        """True if every token gets the same values."""
        return self.at is None and self.value.dim() < 3

    def value_rows(self, labels: Labels, n: int, draw: int) -> np.ndarray:  # noqa: ARG002
        """Return the flat (sample, step) index into the values for each token."""
        if self.value.dim() < 3:
            return np.zeros(n, np.int64)
        indices = []
        for name, size in zip(("sample", "step"), self.value.shape[:2], strict=True):
            index = np.asarray(labels[name]) if size > 1 else np.zeros(n, np.int64)
            if (index >= size).any():
                raise OptionError(f"value= has {size} {name}s, but {name} {int(index.max())} is required.")
            indices.append(index.astype(np.int64))
        return indices[0] * self.value.shape[1] + indices[1]

    def values(self, names: Sequence[str]) -> Tensor:
        """Return the values, ``(row, unit)``."""
        flat = self.value.reshape(1, -1) if self.value.dim() < 3 else self.value.flatten(0, 1)
        if flat.shape[1] not in (1, len(names)):
            raise OptionError(
                f"value= has {flat.shape[1]} columns (its shape is {tuple(self.value.shape)}) for {len(names)} units."
            )
        return flat.expand(-1, len(names))

    def options_repr(self) -> dict[str, Any]:
        """Return the options by name."""
        return {"units": self.units, "value": self.value, "at": self.at, "scope": self.scope}


class Patch(Edit):
    """Replace the values of units with those of other activations at the same sample and step.

    Parameters
    ----------
    units, at, scope
        As in `Edit`.
    values_from : Dataset (token, unit)
        Activations with these units, and with every (sample, step) to which the edit applies. Samples are numbered from
        0 over all batches in `interp.capture`, and within each forward in `interp.intervene`.
    """

    def __init__(self, units: Any, values_from: xr.Dataset, at: At = None, *, scope: str = "recurrence") -> None:
        super().__init__(units, at=at, scope=scope)
        self.values_from = require_activations(values_from, "values_from")

    @cached_property
    def _index(self) -> tuple[np.ndarray, np.ndarray]:
        keys = sample_step_key(self.values_from["sample"].values, self.values_from["step"].values)
        order = np.argsort(keys, kind="stable")
        if (np.diff(keys[order]) == 0).any():
            raise OptionError(
                "values_from= has several tokens with the same sample and step; select one draw or call first."
            )
        return keys[order], order

    def value_rows(self, labels: Labels, n: int, draw: int) -> np.ndarray:  # noqa: ARG002
        """Return the token with the same sample and step."""
        keys, order = self._index
        targets = sample_step_key(labels["sample"], labels["step"])
        index = np.minimum(np.searchsorted(keys, targets), keys.size - 1)
        missing = keys[index] != targets if keys.size else np.ones(n, bool)
        if missing.any():
            sample, step = (int(np.asarray(labels[name])[missing.argmax()]) for name in ("sample", "step"))
            raise OptionError(
                f"values_from= has no token at sample {sample}, step {step}, nor at {int(missing.sum()) - 1} others of "
                f"{n}. Capture the same batches, or restrict the patch with at=."
            )
        return np.asarray(order[index])

    def values(self, names: Sequence[str]) -> Tensor:
        """Return the activations, ``(token, unit)``."""
        return unit_columns(self.values_from, names, "values_from")

    def options_repr(self) -> dict[str, Any]:
        """Return the options by name."""
        return {"units": self.units, "values_from": self.values_from, "at": self.at, "scope": self.scope}


class Ablate(Edit):
    """Remove the information in units by replacing their values.

    Parameters
    ----------
    units, at, scope
        As in `Edit`. Unlike `Clamp` and `Patch`, the default of ``scope`` is ``"readout"``.
    replace_with : {"resample", "mean", "zero"}
        Replacement. ``resample``: the values at a token of **another source** with the same ``match_on`` labels, the
        same token for all units. This preserves the distribution of each unit given those labels, and removes all other
        information. ``mean``: the mean over all such tokens. ``zero``: zeros.
    donors : Dataset (token, unit), optional
        Activations with these units and labels; required unless ``replace_with`` is ``zero``.
    match_on : sequence of str
        Labels that a token and its donor share.
    n_draws : int
        Number of donors drawn per token. `interp.capture` returns the tokens once per draw; `interp.intervene` uses the
        first draw.
    seed : int
        Random seed of the draws. Ablations with the same seed, ``match_on`` and donors use the same tokens.
    """

    def __init__(
        self,
        units: Any,
        replace_with: str = "resample",
        donors: xr.Dataset | None = None,
        match_on: Sequence[str] = ("input",),
        n_draws: int = 8,
        seed: int = 0,
        at: At = None,
        scope: str = "readout",
    ) -> None:
        super().__init__(units, at=at, scope=scope)
        if replace_with not in ("resample", "mean", "zero"):
            raise OptionError(f"replace_with= must be 'resample', 'mean' or 'zero'; got {replace_with!r}.")
        if n_draws < 1:
            raise OptionError(f"n_draws= must be at least 1; got {n_draws}.")
        if replace_with != "zero" and donors is None:
            raise OptionError(
                f"replace_with={replace_with!r} uses the values of other tokens: give donors=interp.capture(…)."
            )
        self.replace_with, self.match_on, self.seed = (
            replace_with,
            (match_on,) if isinstance(match_on, str) else tuple(match_on),
            seed,
        )
        self.donors = None if donors is None or replace_with == "zero" else require_activations(donors, "donors")
        self.n_draws = n_draws if replace_with == "resample" else 1

    @property
    def is_constant(self) -> bool:
        """True if every token gets the same values."""
        return self.at is None and self.replace_with == "zero"

    @cached_property
    def pool(self) -> DonorPool:
        """The donors, grouped by their labels."""
        assert self.donors is not None  # noqa: S101
        labels = {str(name): coord.values for name, coord in self.donors.coords.items() if coord.dims == ("token",)}
        return DonorPool(labels, self.match_on)

    def value_rows(self, labels: Labels, n: int, draw: int) -> np.ndarray:
        """Return the donor (``resample``), the group of labels (``mean``) or 0 (``zero``) of each token."""
        if self.replace_with == "zero":
            return np.zeros(n, np.int64)
        if self.replace_with == "resample":
            return self.pool.draw(labels, draw % self.n_draws, self.seed)
        group = self.pool.assign_groups(labels, n)
        self.pool.require_donors(labels, group < 0, "no donor token")
        return group

    def values(self, names: Sequence[str]) -> Tensor:
        """Return the values of the donors, the means of the groups, or zeros: ``(row, unit)``."""
        if self.donors is None:
            return torch.zeros(1, len(names))
        values = unit_columns(self.donors, names, "donors")
        if self.replace_with == "resample":
            return values
        codes = torch.from_numpy(self.pool.codes)
        sums = torch.zeros(self.pool.n_groups, len(names), dtype=torch.float64).index_add_(0, codes, values.double())
        return sums / torch.bincount(codes, minlength=self.pool.n_groups)[:, None]

    def options_repr(self) -> dict[str, Any]:
        """Return the options by name."""
        names = ("units", "replace_with", "donors", "match_on", "n_draws", "seed", "at", "scope")
        return {name: getattr(self, name) for name in names}


def parse_steps(at: Any) -> tuple[int, ...]:
    """Return the steps in ``at``, or an empty tuple if it has labels; raise `OptionError` if it is invalid."""
    if at is None or callable(at) or isinstance(at, Mapping | slice):
        return ()
    steps = np.atleast_1d(np.asarray(at))
    if isinstance(at, str) or steps.dtype.kind not in "iu" or steps.ndim > 1:
        raise OptionError(f"at= takes labels such as {{'input': 't'}}, steps or a function; got {at!r}.")
    if (steps < 0).any():
        raise OptionError(f"at= takes steps from 0; got {at!r}. For the last steps of samples use a label.")
    return tuple(steps.tolist())


def sample_step_key(sample: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return a unique number for each (sample, step)."""
    return np.asarray(np.asarray(sample).astype(np.int64) * 2**31 + np.asarray(step))


def require_activations(acts: Any, option: str) -> xr.Dataset:
    """Return activations unchanged, or raise `SchemaError` if they are none."""
    if not hasattr(acts, "data_vars") or "activation" not in acts or acts["activation"].dims != ("token", "unit"):
        got = f"dims {tuple(acts.dims)}" if hasattr(acts, "dims") else type(acts).__name__
        raise SchemaError(f"{option}= takes activations (token, unit), as interp.capture returns them; got {got}.")
    return acts  # type: ignore[no-any-return]


def unit_columns(acts: xr.Dataset, names: Sequence[str], option: str) -> Tensor:
    """Return the values of some units, ``(token, unit)``."""
    import pandas as pd

    index = acts.indexes["unit"]
    columns = index.get_indexer(pd.Index(names))
    if (columns < 0).any():
        name = names[int((columns < 0).argmax())]
        raise unknown_name_error(f"unit in {option}=", name, map(str, index))
    values = torch.from_numpy(np.ascontiguousarray(acts["activation"].isel(unit=columns).values))
    if not values.shape[0]:
        raise CaptureError(f"{option}= has no token.")
    return values


def format_option(value: Any) -> str:
    """Return an option as short text."""
    if hasattr(value, "coords"):
        return f"<dataset {dict(value.sizes)}>"
    if isinstance(value, Tensor):
        return repr(value.item()) if value.numel() == 1 else f"<tensor {tuple(value.shape)}>"
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping) and len(items := list(value)) > 4:
        return f"[{', '.join(map(repr, items[:3]))}, … {len(items)}]"
    return getattr(value, "__name__", None) or repr(value)
