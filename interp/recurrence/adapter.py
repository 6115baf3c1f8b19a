"""The adapter interface, and the compiled loops that an adapter may supply."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch


class QuantityHook(Protocol):
    """Callback that an `Adapter` calls with every quantity as it is computed, and whose return value it uses instead.

    ``tap("i", torch.sigmoid, x)`` returns ``torch.sigmoid(x)``, recorded (possibly written directly into its buffer)
    and possibly edited; ``tap("i", value)`` does the same for a value that is already computed. A name that is not a
    quantity of the adapter is computed and not recorded.
    """

    def __call__(self, quantity: str, function: Any, *args: torch.Tensor) -> torch.Tensor:
        """Return the value that the adapter continues with."""


@dataclass(frozen=True)
class OutputBuffer:
    """Buffer into which a compiled loop writes its quantities.

    Attributes
    ----------
    values : array (row, column)
        Buffer, in C order.
    rows : array (row,) of int64
        Row of the buffer for each row of the inputs; -1 for rows that are not recorded.
    first_columns : array of int64
        First column of each quantity of the adapter, in its order; -1 for quantities that are not recorded.
    output, output_column : array (row, feature), int
        Second destination of the output, starting at that column; its rows are those of the inputs.
    """

    values: np.ndarray
    rows: np.ndarray
    first_columns: np.ndarray
    output: np.ndarray | None = None
    output_column: int = 0

    def slice_rows(self, rows: slice, out: np.ndarray, column: int) -> OutputBuffer:
        """Return the buffer restricted to some rows of the inputs, with the destination of their output."""
        return OutputBuffer(self.values, self.rows[rows], self.first_columns, out, column)


class CompiledLoop(Protocol):
    """Compiled loop over several steps of the same samples that writes all quantities; see `Adapter.compiled`."""

    def __call__(self, x: torch.Tensor, state: tuple[torch.Tensor, ...], buffer: OutputBuffer, backward: bool) -> None:
        """Write every quantity into the buffer and update the state in place.

        Parameters
        ----------
        x : Tensor (row, feature)
            Input projections, as returned by `Adapter.project`, step after step.
        state : tuple of Tensor (sample, size)
            State before the first step; overwritten with the state after the last one.
        buffer : Place
            Buffer of the quantities.
        backward : bool
            Whether the steps are processed from the last to the first.
        """


class Adapter(ABC):
    """Exact access to the quantities of one type of recurrent module.

    The engine calls `step` instead of the module, so the formula must be that of the module; every capture compares
    the two. A sequence module is called like ``nn.LSTM``, ``forward(input, state=None) -> (output, state)``, with
    ``batch_first`` where it has that attribute; a cell like ``nn.LSTMCell``, ``forward(input, state=None) -> state``.

    Attributes
    ----------
    name : str
        Kebab-case, such as ``peephole-lstm``.
    module : str
        Dotted name of the module's class. Subclasses that keep its ``forward`` are read too.
    quantities : tuple of str
        Names of the quantities in the order of the units, after their activation functions; ``c_prev``, if any, last.
    state : tuple of str
        Quantities that are passed to the next step; the first is the output.
    cell : bool
        True if one call is one step.
    """

    name: ClassVar[str]
    module: ClassVar[str]
    quantities: ClassVar[tuple[str, ...]] = ("h",)
    state: ClassVar[tuple[str, ...]] = ("h",)
    cell: ClassVar[bool] = False

    @abstractmethod
    def step(
        self, weights: Any, x: torch.Tensor, state: tuple[torch.Tensor, ...], tap: QuantityHook
    ) -> tuple[torch.Tensor, ...]:
        """Return the next state, and pass each quantity to ``tap``.

        Parameters
        ----------
        weights : object
            Return value of `weights`; the module itself unless overridden.
        x : Tensor (sample, feature)
            Inputs of this step, as returned by `project`.
        state : tuple of Tensor (sample, size)
            Previous state, in the order of the attribute `state`.
        tap : QuantityHook
            Function to call once per quantity; continue with the value that it returns.
        """

    def input_projection(self, weights: Any, x: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """Return the part of the step that depends on inputs only, for all steps at once: ``(row, feature)``."""
        return x

    def weights(self, module: torch.nn.Module, layer: int, direction: str) -> Any:  # noqa: ARG002
        """Return the weights of a layer and direction for `project` and `step`, prepared once per call."""
        return module

    def compiled_loop(self, weights: Any) -> CompiledLoop | None:  # noqa: ARG002
        """Return a compiled loop for many steps (CPU, float32/float64), or None if there is none.

        It is used if quantities are only recorded. The engine compares it with the module, as it does `step`.
        """
        return None

    def layers(self, module: torch.nn.Module) -> int:  # noqa: ARG002
        """Return the number of layers."""
        return 1

    def directions(self, module: torch.nn.Module) -> tuple[str, ...]:  # noqa: ARG002
        """Return the directions of every layer: forward, and backward if there is one."""
        return ("forward",)

    def quantity_sizes(self, module: torch.nn.Module) -> Mapping[str, int]:
        """Return the width of each quantity; ``module.hidden_size`` unless overridden."""
        return dict.fromkeys(self.quantities, int(module.hidden_size))  # type: ignore[arg-type]
