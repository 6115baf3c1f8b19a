"""Every capture compares the engine with the module itself, on a sample."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence, unpack_sequence

from interp.contracts import Adapter
from interp.errors import CaptureError, OptionError

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.0625, torch.float16: 0.0078}
Forward = Callable[..., Any]
SEQUENCES = 16
FEW = 2  # where only the number of samples or steps is new


class SelfCheck:
    """Compares outputs and final states with the module's own.

    Parameters
    ----------
    mode : str
        ``sample``: at most 16 sequences with the longest, on the first batch and every new shape, packing and
        dtype. ``all``: every row.

    Attributes
    ----------
    worst : float
        The largest absolute difference.
    rows : int
        Compared rows of outputs.
    """

    def __init__(self, mode: str) -> None:
        if mode not in ("sample", "all"):
            raise OptionError(f"check= must be 'sample' or 'all'; got {mode!r}.")
        self.mode = mode
        self.worst, self.rows = 0.0, 0
        self.known: set[str] = set()
        self.kinds: set[str] = set()

    def state(self) -> dict[str, Any]:
        """Return what has been compared, as plain values."""
        return {"worst": self.worst, "rows": self.rows, "known": sorted(self.known), "kinds": sorted(self.kinds)}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        self.worst, self.rows = state["worst"], state["rows"]
        self.known, self.kinds = set(state["known"]), set(state["kinds"])

    def due(self, name: str, data: Any, state: Any) -> int:
        """Return on how many samples a call is to be compared: 0 where its kind has been."""
        if self.mode == "all":
            return sys.maxsize
        key = (name, *signature(data, state))
        if repr(key) in self.known:
            return 0
        self.known.add(repr(key))
        kind = repr((name, key[1], key[-2:]))
        most = FEW if kind in self.kinds else SEQUENCES
        self.kinds.add(kind)
        return most

    def compare(
        self, name: str, own: Forward, adapter: Adapter, module: torch.nn.Module, args: Any, result: Any, most: int
    ) -> None:
        """Run the module itself on at most so many samples, and compare.

        Raises
        ------
        CaptureError
            Over the tolerance; the text says by how much and what it may be.
        """
        choice = chosen(args[0], adapter.cell, module, most)
        data, state = args
        if choice is not None:
            data, state = sample(data, choice, module, adapter.cell), sample_state(state, choice, adapter.cell)
            result = sample_result(result, choice, module, adapter.cell)
        expected = own(data, state) if state is not None else own(data)
        for got, wanted in zip(tensors(result), tensors(expected), strict=True):
            self.close(name, got, wanted)
        self.rows += tensors(expected)[0].shape[:-1].numel()

    def close(self, name: str, got: Tensor, wanted: Tensor) -> None:
        """Raise `CaptureError` unless two results are as good as equal; remember the largest difference."""
        gap = (got.double() - wanted.double()).abs()
        allowed = TOLERANCE.get(wanted.dtype, 1e-5) * wanted.double().abs().clamp(min=1)
        worst = float(gap.max()) if gap.numel() else 0.0
        if not bool((gap <= allowed).all()):
            raise CaptureError(
                f"What was read of {name!r} differs from what the module itself computes by {worst:.3g} "
                f"(allowed: {float(allowed.max()):.3g}). {cause(worst)}"
            )
        self.worst = max(self.worst, worst)


def cause(worst: float) -> str:
    """Return what may be behind a difference."""
    if worst != worst:  # NaN
        return "There are NaN values: look at the weights and the inputs."
    return "The module may be random (call model.eval()), or compute something else than its adapter says."


def signature(data: Any, state: Any) -> tuple[Any, ...]:
    """Return what makes a call a new kind of call."""
    packed = isinstance(data, PackedSequence)
    tensor = data.data if packed else data
    longest = len(data.batch_sizes) if packed else None
    return packed, tuple(tensor.shape[-1:] if packed else tensor.shape), longest, tensor.dtype, state is None


def chosen(data: Any, cell: bool, module: torch.nn.Module, most: int) -> Tensor | None:
    """Return some samples to compare, the longest first; None for all."""
    if isinstance(data, PackedSequence):
        count = int(data.batch_sizes[0])
        order = data.sorted_indices if data.sorted_indices is not None else torch.arange(count)
    elif data.dim() == (1 if cell else 2):
        return None
    else:
        count = data.shape[0 if cell or getattr(module, "batch_first", False) else 1]
        order = torch.arange(count, device=data.device)
    if count <= most:
        return None
    return order[torch.linspace(0, count - 1, most).long()]


def sample(data: Any, choice: Tensor, module: torch.nn.Module, cell: bool) -> Any:
    """Return the chosen samples of an input."""
    if isinstance(data, PackedSequence):
        whole = unpack_sequence(data)
        return pack_sequence([whole[i] for i in choice.tolist()], enforce_sorted=data.sorted_indices is None)
    return data.index_select(0 if cell or getattr(module, "batch_first", False) else 1, choice)


def sample_state(state: Any, choice: Tensor, cell: bool) -> Any:
    """Return the chosen samples of a state."""
    if state is None or isinstance(state, Tensor):
        return None if state is None else state.index_select(0 if cell else 1, choice)
    return tuple(part.index_select(0 if cell else 1, choice) for part in state)


def sample_result(result: Any, choice: Tensor, module: torch.nn.Module, cell: bool) -> Any:
    """Return the chosen samples of what the engine returned."""
    if cell:
        return sample_state(result, choice, cell)
    return sample(result[0], choice, module, cell), sample_state(result[1], choice, cell)


def tensors(result: Any) -> list[Tensor]:
    """Return all tensors of a result, the output first."""
    if isinstance(result, PackedSequence):
        return [result.data]
    if isinstance(result, Tensor):
        return [result]
    return [tensor for part in result for tensor in tensors(part)]
