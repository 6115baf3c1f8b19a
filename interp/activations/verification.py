"""Verification: the results of the engine are compared with those of the module itself, on a sample."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence, unpack_sequence

from interp.errors import CaptureError, OptionError
from interp.recurrence.adapter import Adapter

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.0625, torch.float16: 0.0078}
Forward = Callable[..., Any]
MAX_SAMPLES = 16  # samples to check for a new kind of call
MAX_SAMPLES_RESIZED = 2  # samples to check if only the number of samples or steps is new


class EngineCheck:
    """Comparison of outputs and final states of the engine with those of the module.

    Parameters
    ----------
    mode : str
        ``sample``: at most 16 sequences including the longest, on the first batch and on every new shape, packing and
        dtype. ``all``: every row.

    Attributes
    ----------
    max_error : float
        Largest absolute difference so far.
    checked_rows : int
        Number of output rows compared.
    checked_calls : set of str
        Signatures of the calls compared.
    checked_kinds : set of str
        Signatures of the calls compared, without the number of samples and steps.
    """

    def __init__(self, mode: str) -> None:
        if mode not in ("sample", "all"):
            raise OptionError(f"verify= must be 'sample' or 'all'; got {mode!r}.")
        self.mode = mode
        self.max_error, self.checked_rows = 0.0, 0
        self.checked_calls: set[str] = set()
        self.checked_kinds: set[str] = set()

    def state(self) -> dict[str, Any]:
        """Return the progress of the comparison as JSON-serialisable values."""
        return {
            "worst": self.max_error,
            "rows": self.checked_rows,
            "known": sorted(self.checked_calls),
            "kinds": sorted(self.checked_kinds),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a `state`."""
        self.max_error, self.checked_rows = state["worst"], state["rows"]
        self.checked_calls, self.checked_kinds = set(state["known"]), set(state["kinds"])

    def samples_to_check(self, name: str, data: Any, state: Any) -> int:
        """Return the number of samples of a call to compare; 0 if a call of the same kind was compared before."""
        if self.mode == "all":
            return sys.maxsize
        key = (name, *call_signature(data, state))
        if repr(key) in self.checked_calls:
            return 0
        self.checked_calls.add(repr(key))
        kind = repr((name, key[1], key[-2:]))
        samples = MAX_SAMPLES_RESIZED if kind in self.checked_kinds else MAX_SAMPLES
        self.checked_kinds.add(kind)
        return samples

    def compare(
        self, name: str, own: Forward, adapter: Adapter, module: torch.nn.Module, args: Any, result: Any,
        max_samples: int,
    ) -> None:  # fmt: skip
        """Run the module itself on at most ``max_samples`` samples of the call and compare.

        Raises
        ------
        CaptureError
            If the difference exceeds the tolerance; the message gives its size and the likely cause.
        """
        choice = sample_indices(args[0], adapter.cell, module, max_samples)
        data, state = args
        if choice is not None:
            data, state = (
                select_samples(data, choice, module, adapter.cell),
                select_state_samples(state, choice, adapter.cell),
            )
            result = select_result_samples(result, choice, module, adapter.cell)
        expected = own(data, state) if state is not None else own(data)
        for actual, reference in zip(result_tensors(result), result_tensors(expected), strict=True):
            self.assert_close(name, actual, reference)
        self.checked_rows += result_tensors(expected)[0].shape[:-1].numel()

    def assert_close(self, name: str, actual: Tensor, expected: Tensor) -> None:
        """Raise `CaptureError` if two results differ by more than the tolerance; update the largest difference."""
        difference = (actual.double() - expected.double()).abs()
        tolerance = TOLERANCE.get(expected.dtype, 1e-5) * expected.double().abs().clamp(min=1)
        worst = float(difference.max()) if difference.numel() else 0.0
        if not bool((difference <= tolerance).all()):
            raise CaptureError(
                f"The values read from {name!r} differ from those that the module itself computes by {worst:.3g} "
                f"(tolerance: {float(tolerance.max()):.3g}). {likely_cause(worst)}"
            )
        self.max_error = max(self.max_error, worst)


def likely_cause(worst: float) -> str:
    """Return the likely cause of a difference, and what to do."""
    if worst != worst:  # NaN
        return "There are NaN values; check the weights and the inputs."
    return "The module may be random (call model.eval()), or its adapter may compute a different formula (correct it)."


def call_signature(data: Any, state: Any) -> tuple[Any, ...]:
    """Return the properties by which kinds of calls are distinguished: packing, shape, steps, dtype, state."""
    packed = isinstance(data, PackedSequence)
    tensor = data.data if packed else data
    longest = len(data.batch_sizes) if packed else None
    return packed, tuple(tensor.shape[-1:] if packed else tensor.shape), longest, tensor.dtype, state is None


def sample_indices(data: Any, cell: bool, module: torch.nn.Module, max_samples: int) -> Tensor | None:
    """Return the indices of at most ``max_samples`` samples, the longest first; None for all."""
    if isinstance(data, PackedSequence):
        count = int(data.batch_sizes[0])
        order = data.sorted_indices if data.sorted_indices is not None else torch.arange(count)
    elif data.dim() == (1 if cell else 2):
        return None
    else:
        count = data.shape[0 if cell or getattr(module, "batch_first", False) else 1]
        order = torch.arange(count, device=data.device)
    if count <= max_samples:
        return None
    return order[torch.linspace(0, count - 1, max_samples).long()]


def select_samples(data: Any, choice: Tensor, module: torch.nn.Module, cell: bool) -> Any:
    """Return the samples ``choice`` of an input."""
    if isinstance(data, PackedSequence):
        sequences = unpack_sequence(data)
        return pack_sequence([sequences[i] for i in choice.tolist()], enforce_sorted=data.sorted_indices is None)
    return data.index_select(0 if cell or getattr(module, "batch_first", False) else 1, choice)


def select_state_samples(state: Any, choice: Tensor, cell: bool) -> Any:
    """Return the samples ``choice`` of a state."""
    if state is None or isinstance(state, Tensor):
        return None if state is None else state.index_select(0 if cell else 1, choice)
    return tuple(part.index_select(0 if cell else 1, choice) for part in state)


def select_result_samples(result: Any, choice: Tensor, module: torch.nn.Module, cell: bool) -> Any:
    """Return the samples ``choice`` of the engine's result."""
    if cell:
        return select_state_samples(result, choice, cell)
    return select_samples(result[0], choice, module, cell), select_state_samples(result[1], choice, cell)


def result_tensors(result: Any) -> list[Tensor]:
    """Return all tensors of a result, the output first."""
    if isinstance(result, PackedSequence):
        return [result.data]
    if isinstance(result, Tensor):
        return [result]
    return [tensor for part in result for tensor in result_tensors(part)]
