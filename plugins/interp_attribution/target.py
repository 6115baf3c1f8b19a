"""Target of an attribution: one output of the model per token, as it is or as log-odds against other outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, UnknownNameError
from interp_attribution.batch_indexing import unpack_samples

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from torch import Tensor

Target = str | int


@dataclass(frozen=True)
class TargetReadout:
    """Reads target values from a model's output.

    Attributes
    ----------
    select_output : callable, optional
        Function that selects a part of the model's output; by default its first tensor.
    contrast : Tensor (output,) of int, optional
        Columns of the contrast set: the target value is then ``z_y - logsumexp`` of these without y.
    time_first : bool
        Layout of outputs whose shape is ambiguous.
    """

    select_output: Callable[[Any], Any] | None = None
    contrast: Any = None
    time_first: bool = False

    def __call__(self, output: Any, step: Tensor, column: Tensor, lengths: Tensor) -> Tensor:
        """Return the target values ``(row,)`` at ``step (row,)`` of ``column (row,)``."""
        import torch

        logits = self.logits(output, step, lengths)
        if int(column.max()) >= logits.shape[1] or int(column.min()) < 0:
            raise OptionError(f"target= names output {int(column.max())}; the model has {logits.shape[1]}, from 0.")
        own = logits.gather(1, column[:, None])[:, 0]
        if self.contrast is None:
            return own
        others = logits[:, self.contrast].masked_fill(self.contrast[None] == column[:, None], -torch.inf)
        return own - others.logsumexp(1)

    def logits(self, output: Any, step: Tensor, lengths: Tensor) -> Tensor:
        """Return the outputs at ``step (row,)``, ``(row, output)``; `OptionError` for other shapes."""
        import torch
        from torch.nn.utils.rnn import PackedSequence

        from interp.adapters import first_tensor

        tensor = first_tensor(output if self.select_output is None else self.select_output(output))
        if isinstance(tensor, PackedSequence):
            tensor = unpack_samples(tensor)[0]
        rows = torch.arange(len(step), device=step.device)
        if tensor is not None and tensor.dim() in (1, 2) and tensor.shape[0] == len(step):
            return tensor.reshape(len(step), -1)  # type: ignore[no-any-return]
        if tensor is None or tensor.dim() != 3 or len(step) not in tensor.shape[:2]:
            shape = None if tensor is None else tuple(tensor.shape)
            raise OptionError(
                f"The model's output has shape {shape} for {len(step)} samples of up to {int(lengths.max())} steps: "
                "expected (sample, step, output), (step, sample, output), (sample, output) or a PackedSequence. "
                "Pass output=, a function that returns one of those."
            )
        by_time = tensor.shape[0] != len(step) or (tensor.shape[1] == len(step) and self.time_first)
        if int(step.max()) >= tensor.shape[0 if by_time else 1]:
            raise OptionError(
                f"The target is at step {int(step.max())}, and the output has {tensor.shape[1 - by_time]} steps. "
                "Pass output=, a function that returns all steps."
            )
        return tensor[step, rows] if by_time else tensor[rows, step]  # type: ignore[no-any-return]


def target_columns(acts: xr.Dataset, model: torch.nn.Module, target: Target) -> np.ndarray:
    """Return the target column of each token, ``(token,)`` of int64.

    Parameters
    ----------
    acts : Dataset (token, unit)
        Activations with the tokens' labels.
    model : Module
        Model whose ``symbols`` name its outputs.
    target : str or int
        Column, symbol, or label whose value is the symbol.

    Raises
    ------
    OptionError
        For a negative column, and for symbols of a model without ``symbols``.
    UnknownNameError
        For a symbol that no output stands for.
    """
    count = acts.sizes["token"]
    if isinstance(target, int | np.integer) and not isinstance(target, bool):
        if target < 0:
            raise OptionError(f"target= counts outputs from 0; got {target}.")
        return np.full(count, int(target))
    columns = symbol_columns(model)
    if target not in acts.coords or acts[target].dims != ("token",):
        return np.full(count, symbol_column(columns, str(target)))
    symbols, inverse = np.unique(acts[target].values.astype(str), return_inverse=True)
    return np.asarray([symbol_column(columns, symbol) for symbol in symbols.tolist()])[inverse]


def contrast_columns(model: torch.nn.Module, contrast_with: Sequence[Target] | None) -> Tensor | None:
    """Return the columns ``(output,)`` of the contrast set, or None."""
    import torch

    if contrast_with is None:
        return None
    if isinstance(contrast_with, str) or len(set(contrast_with)) < 2:
        raise OptionError(f"contrast_with= takes at least two outputs, such as ['թ', 'տ', 'ծ']; got {contrast_with!r}.")
    columns = symbol_columns(model) if any(isinstance(name, str) for name in contrast_with) else {}
    return torch.tensor([symbol_column(columns, n) if isinstance(n, str) else int(n) for n in contrast_with])


def symbol_columns(model: torch.nn.Module) -> Mapping[str, int]:
    """Return the output column of each symbol in ``model.symbols``."""
    tables = getattr(getattr(model, "_orig_mod", model), "symbols", None) or {}
    if len(tables) != 1:
        raise OptionError(
            f"The model's outputs have no unique names: model.symbols has {len(tables)} tables. Set "
            "model.symbols = {'output': [...]}, or pass a column: target=3."
        )
    return {str(symbol): column for column, symbol in enumerate(next(iter(tables.values())))}


def symbol_column(columns: Mapping[str, int], symbol: str) -> int:
    """Return the column of a symbol; `UnknownNameError` if there is none."""
    if symbol not in columns:
        raise UnknownNameError(
            f"target= or contrast_with= names {symbol!r}, which is neither a label of these tokens nor an output. "
            f"Outputs: {', '.join(list(columns)[:40])}."
        )
    return columns[symbol]
