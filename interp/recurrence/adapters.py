"""Adapters of torch's own recurrent modules: LSTM, GRU, RNN and their cells.

A built-in plugin, registered in the same way as any other. The formulas are those of the PyTorch documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from interp.hookspecs import Register, hookimpl
from interp.recurrence.adapter import Adapter

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from interp.recurrence.adapter import CompiledLoop, QuantityHook


class Weights(NamedTuple):
    """Weights of one layer and direction; ``recurrent`` and ``projection`` are transposed."""

    input: Tensor
    recurrent: Tensor
    bias: Tensor | None
    reset_bias: Tensor | None = None
    projection: Tensor | None = None
    relu: bool = False


class TorchAdapter(Adapter):
    """Base class for torch's sequence modules and cells, which share the names and shapes of their weights."""

    kernel: ClassVar[str] = "TANH"

    def layers(self, module: torch.nn.Module) -> int:
        """Return the number of layers."""
        return 1 if self.cell else int(module.num_layers)  # type: ignore[arg-type]

    def directions(self, module: torch.nn.Module) -> tuple[str, ...]:
        """Return the directions of every layer."""
        return ("forward", "backward") if getattr(module, "bidirectional", False) else ("forward",)

    def weights(self, module: torch.nn.Module, layer: int, direction: str) -> Weights:
        """Return the weights of a layer and direction."""
        suffix = "" if self.cell else f"_l{layer}" + ("_reverse" if direction == "backward" else "")
        biases = [getattr(module, name + suffix, None) for name in ("bias_ih", "bias_hh")]
        bias = biases[0] + biases[1] if biases[0] is not None and biases[1] is not None else None
        mode = getattr(module, "nonlinearity", "tanh")
        projection = getattr(module, "weight_hr" + suffix, None)
        return Weights(
            getattr(module, "weight_ih" + suffix),
            getattr(module, "weight_hh" + suffix).t(),
            bias,
            projection=None if projection is None else projection.t(),
            relu=mode == "relu",
        )

    def input_projection(self, weights: Weights, x: Tensor) -> Tensor:
        """Return the input projection, including all biases that do not depend on the state."""
        from torch.nn.functional import linear

        return linear(x, weights.input, weights.bias)

    def compiled_loop(self, weights: Weights) -> CompiledLoop | None:
        """Return the compiled loop, or None for a projected LSTM, which it does not support."""
        if weights.projection is not None:
            return None
        from interp.recurrence import kernels

        kind = kernels.RELU if weights.relu else getattr(kernels, self.kernel)
        bias = None if weights.reset_bias is None else weights.reset_bias.detach()
        return partial(kernels.run_steps_kernel, kind, weights.recurrent.detach(), bias)


class LSTM(TorchAdapter):
    """``c = f * c_prev + i * g``, ``h = o * tanh(c)``; ``h`` is then projected if ``proj_size`` is set."""

    name = "lstm"
    module = "torch.nn.modules.rnn.LSTM"
    quantities = ("h", "c", "i", "f", "g", "o", "c_prev")
    state = ("h", "c")
    kernel: ClassVar[str] = "LSTM"

    def quantity_sizes(self, module: torch.nn.Module) -> Mapping[str, int]:
        """Return the width of each quantity; that of ``h`` is ``proj_size`` if set."""
        hidden = int(module.hidden_size)  # type: ignore[arg-type]
        return dict.fromkeys(self.quantities, hidden) | {"h": int(getattr(module, "proj_size", 0)) or hidden}

    def step(self, weights: Weights, x: Tensor, state: tuple[Tensor, ...], tap: QuantityHook) -> tuple[Tensor, ...]:
        """Return the next state."""
        import torch

        h, c = state
        c = tap("c_prev", c)
        i, f, g, o = torch.addmm(x, h, weights.recurrent).chunk(4, 1)
        i, f, o = tap("i", torch.sigmoid, i), tap("f", torch.sigmoid, f), tap("o", torch.sigmoid, o)
        c = tap("c", torch.addcmul, f * c, i, tap("g", torch.tanh, g))
        squashed = tap("tanh c", torch.tanh, c)
        if weights.projection is None:
            return tap("h", torch.mul, o, squashed), c
        return tap("h", torch.mm, o * squashed, weights.projection), c


class LSTMCell(LSTM):
    """One step of an LSTM per call."""

    name = "lstm-cell"
    module = "torch.nn.modules.rnn.LSTMCell"
    cell: ClassVar[bool] = True


class GRU(TorchAdapter):
    """``n = tanh(W x + b + r * (U h + b'))``, ``h = n + z * (h_prev - n)``."""

    name = "gru"
    module = "torch.nn.modules.rnn.GRU"
    quantities = ("h", "r", "z", "n")
    kernel: ClassVar[str] = "GRU"

    def weights(self, module: torch.nn.Module, layer: int, direction: str) -> Weights:
        """Return the weights of a layer and direction."""
        import torch

        weights = super().weights(module, layer, direction)
        if weights.bias is None:
            return weights
        suffix = "" if self.cell else f"_l{layer}" + ("_reverse" if direction == "backward" else "")
        outer, inner = getattr(module, "bias_ih" + suffix), getattr(module, "bias_hh" + suffix)
        gates = 2 * int(module.hidden_size)  # type: ignore[arg-type]
        bias = torch.cat([weights.bias[:gates], outer[gates:]])  # the reset gate multiplies the inner bias of n
        return weights._replace(bias=bias, reset_bias=torch.cat([torch.zeros_like(inner[:gates]), inner[gates:]]))

    def step(self, weights: Weights, x: Tensor, state: tuple[Tensor, ...], tap: QuantityHook) -> tuple[Tensor, ...]:
        """Return the next state."""
        import torch

        (h,) = state
        width = h.shape[1]
        inner = torch.nn.functional.linear(h, weights.recurrent.t(), weights.reset_bias)
        gates = x[:, : 2 * width] + inner[:, : 2 * width]
        r = tap("r", torch.sigmoid, gates[:, :width])
        z = tap("z", torch.sigmoid, gates[:, width:])
        n = tap("n", torch.tanh, torch.addcmul(x[:, 2 * width :], r, inner[:, 2 * width :]))
        return (tap("h", torch.lerp, n, h, z),)


class GRUCell(GRU):
    """One step of a GRU per call."""

    name = "gru-cell"
    module = "torch.nn.modules.rnn.GRUCell"
    cell: ClassVar[bool] = True


class RNN(TorchAdapter):
    """``h = tanh(W x + U h_prev + b)``, or relu instead of tanh."""

    name = "rnn"
    module = "torch.nn.modules.rnn.RNN"

    def step(self, weights: Weights, x: Tensor, state: tuple[Tensor, ...], tap: QuantityHook) -> tuple[Tensor, ...]:
        """Return the next state."""
        import torch

        total = torch.addmm(x, state[0], weights.recurrent)
        return (tap("h", total.relu()) if weights.relu else tap("h", torch.tanh, total),)


class RNNCell(RNN):
    """One step of an RNN per call."""

    name = "rnn-cell"
    module = "torch.nn.modules.rnn.RNNCell"
    cell: ClassVar[bool] = True


@hookimpl
def register_adapters(register: Register) -> None:
    """Register the adapters of torch's own modules."""
    adapters: tuple[Any, ...] = (LSTM, LSTMCell, GRU, GRUCell, RNN, RNNCell)
    for adapter in adapters:
        register(adapter())
