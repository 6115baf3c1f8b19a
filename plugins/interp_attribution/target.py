"""The one number that is attributed: an output of the model at a token, alone or against others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, UnknownNameError
from interp_attribution.selecting import leading, padded

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from torch import Tensor

Target = str | int


@dataclass(frozen=True)
class Readout:
    """How the number is read.

    Attributes
    ----------
    pick : callable, optional
        Takes the part of the model's output that is read; by default its first tensor.
    against : Tensor (output,) of int, optional
        Columns against which the target is held: ``z_y - logsumexp`` of these, without y.
    steps_first : bool
        Which way an output is laid out whose shape does not tell.
    """

    pick: Callable[[Any], Any] | None = None
    against: Any = None
    steps_first: bool = False

    def __call__(self, output: Any, at: Tensor, column: Tensor, lengths: Tensor) -> Tensor:
        """Return the numbers ``(row,)`` at steps ``at (row,)`` of columns ``column (row,)``."""
        import torch

        logits = self.logits(output, at, lengths)
        if int(column.max()) >= logits.shape[1] or int(column.min()) < 0:
            raise OptionError(f"target= names output {int(column.max())}; the model has {logits.shape[1]}, from 0.")
        mine = logits.gather(1, column[:, None])[:, 0]
        if self.against is None:
            return mine
        others = logits[:, self.against].masked_fill(self.against[None] == column[:, None], -torch.inf)
        return mine - others.logsumexp(1)

    def logits(self, output: Any, at: Tensor, lengths: Tensor) -> Tensor:
        """Return the outputs at some steps: ``(row, output)``."""
        import torch
        from torch.nn.utils.rnn import PackedSequence

        found = leading(output if self.pick is None else self.pick(output))
        if isinstance(found, PackedSequence):
            found = padded(found)[0]
        rows = torch.arange(len(at), device=at.device)
        if found is not None and found.dim() in (1, 2) and found.shape[0] == len(at):
            return found.reshape(len(at), -1)  # type: ignore[no-any-return]
        if found is None or found.dim() != 3 or len(at) not in found.shape[:2]:
            shape = None if found is None else tuple(found.shape)
            raise OptionError(
                f"The model's output has shape {shape} for {len(at)} samples of up to {int(lengths.max())} steps: "
                "expected (sample, step, output), (step, sample, output), (sample, output) or a PackedSequence. "
                "Give output=, a function that returns one of those."
            )
        by_time = found.shape[0] != len(at) or (found.shape[1] == len(at) and self.steps_first)
        if int(at.max()) >= found.shape[0 if by_time else 1]:
            raise OptionError(
                f"Step {int(at.max())} is asked for, and the output has {found.shape[1 - by_time]} steps."
            )
        return found[at, rows] if by_time else found[rows, at]  # type: ignore[no-any-return]


def columns_of(acts: xr.Dataset, model: torch.nn.Module, target: Target) -> np.ndarray:
    """Return the output whose number is attributed at each token, ``(token,)`` of int64.

    Parameters
    ----------
    acts : Dataset
        With the tokens' labels.
    model : Module
        Its ``symbols`` say what outputs stand for.
    target : str or int
        A column, a symbol, or a label whose value is the symbol.
    """
    count = acts.sizes["token"]
    if isinstance(target, int | np.integer) and not isinstance(target, bool):
        if target < 0:
            raise OptionError(f"target= counts outputs from 0; got {target}.")
        return np.full(count, int(target))
    known = symbols_of(model)
    if target not in acts.coords or acts[target].dims != ("token",):
        return np.full(count, column_of(known, str(target)))
    wanted, inverse = np.unique(acts[target].values.astype(str), return_inverse=True)
    return np.asarray([column_of(known, symbol) for symbol in wanted.tolist()])[inverse]


def against_of(model: torch.nn.Module, against: Sequence[Target] | None) -> Tensor | None:
    """Return the columns of outputs that a target is held against, or None."""
    import torch

    if against is None:
        return None
    if isinstance(against, str) or len(set(against)) < 2:
        raise OptionError(f"against= takes two outputs at least, such as ['թ', 'տ', 'ծ']; got {against!r}.")
    known = symbols_of(model) if any(isinstance(one, str) for one in against) else {}
    return torch.tensor([column_of(known, one) if isinstance(one, str) else int(one) for one in against])


def symbols_of(model: torch.nn.Module) -> Mapping[str, int]:
    """Return the column of each symbol, as ``model.symbols`` has them."""
    tables = getattr(getattr(model, "_orig_mod", model), "symbols", None) or {}
    if len(tables) != 1:
        raise OptionError(
            f"What the outputs stand for is not known: model.symbols has {len(tables)} tables. Set "
            "model.symbols = {'output': [...]}, or give a column: target=3."
        )
    return {str(symbol): place for place, symbol in enumerate(next(iter(tables.values())))}


def column_of(known: Mapping[str, int], symbol: str) -> int:
    """Return the column of a symbol."""
    if symbol not in known:
        raise UnknownNameError(
            f"target= or against= names {symbol!r}: no label of these tokens, and no output. Outputs: "
            f"{', '.join(list(known)[:40])}."
        )
    return known[symbol]
