"""Compiled loops over the steps of LSTM, GRU and RNN cells. All quantities are written directly into a buffer.

In torch a step takes about ten small operations. Here it is one matrix product and one loop that is compiled for
float32 and float64; for few samples the product is part of the loop. This module imports numba, so it is itself
imported only when it is used.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import torch
from numba import njit, types
from numba.extending import intrinsic, overload
from torch import Tensor

from interp.numba_utils import jit
from interp.recurrence.adapter import OutputBuffer

LSTM, GRU, TANH, RELU = range(4)
SMALL_BATCH = (
    16  # maximum number of samples for which the loop includes the product; for more, torch's product is faster
)
EXP_COEFFICIENTS = [np.float32(1 / math.factorial(k)) for k in range(8)]  # exp on ±ln 2 / 2; the next term is 5e-9
C2, C3, C4, C5, C6, C7 = EXP_COEFFICIENTS[2:]
ONE, TWO = np.float32(1), np.float32(2)
LOG2E = np.float32(math.log2(math.e))
LN2_HIGH = np.float32(0.693145751953125)  # its last bits are 0, so that n * LN2_HIGH is exact
LN2_LOW = np.float32(math.log(2) - 0.693145751953125)
ROUNDING_SHIFT = np.float32(3 << 22)  # adding it rounds to the nearest integer
MAX_EXPONENT = np.float32(88)  # exp of a larger number overflows float32
kernel_jit = partial(jit, fastmath={"contract"}, error_model="numpy")  # fused a * b + c; x / 0 as in numpy


@intrinsic
def power_of_two(typing: Any, exponent: Any) -> Any:  # noqa: ARG001
    """Return 2 to the power of an integral float32 from -126 to 127, computed on its bits; 0 for -127."""

    def build(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        from llvmlite import ir

        power = builder.fptosi(values[0], ir.IntType(32))
        return builder.bitcast(builder.shl(builder.add(power, ir.IntType(32)(127)), ir.IntType(32)(23)), ir.FloatType())

    return types.float32(types.float32), build


@njit(inline="always")
def exponential(x: Any) -> Any:
    """Return ``(p, s)`` with ``exp(x) = s * p + s``, which is accurate for x near 0 as well; NaN stays NaN."""
    x = MAX_EXPONENT if x > MAX_EXPONENT else x  # noqa: FURB136 (min would lose NaN)
    x = -MAX_EXPONENT if x < -MAX_EXPONENT else x  # noqa: FURB136
    n = (x * LOG2E + ROUNDING_SHIFT) - ROUNDING_SHIFT
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    p = C2 + r * (C3 + r * (C4 + r * (C5 + r * (C6 + r * C7))))
    return p * r * r + r, power_of_two(n)  # type: ignore[call-arg]


def sigmoid(x: Any) -> Any:
    """Return ``1 / (1 + exp(-x))``."""
    return 1 / (1 + math.exp(-x))


def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent."""
    return math.tanh(x)


@overload(sigmoid, inline="always")
def _sigmoid(x: Any) -> Any:
    if x == types.float32:

        def single(x: Any) -> Any:
            p, s = exponential(-x)
            return ONE / (ONE + (s * p + s))

        return single

    def double(x: Any) -> Any:
        return 1.0 / (1.0 + math.exp(-x))

    return double


@overload(tanh, inline="always")
def _tanh(x: Any) -> Any:
    if x == types.float32:

        def single(x: Any) -> Any:
            p, s = exponential(TWO * x)
            e = s * p + (s - ONE)
            return e / (e + TWO)

        return single

    def double(x: Any) -> Any:
        return math.tanh(x)

    return double


@kernel_jit
def sigmoid_sum(a: Any, b: Any, out: Any) -> None:
    """Write ``out = sigmoid(a + b)``."""
    for j in range(out.size):
        out[j] = sigmoid(a[j] + b[j])


@kernel_jit
def tanh_sum(a: Any, b: Any, out: Any) -> None:
    """Write ``out = tanh(a + b)``."""
    for j in range(out.size):
        out[j] = tanh(a[j] + b[j])


@kernel_jit
def relu_sum(a: Any, b: Any, out: Any) -> None:
    """Write ``out = max(a + b, 0)``; NaN stays NaN."""
    for j in range(out.size):
        total = a[j] + b[j]
        out[j] = 0 if total < 0 else total  # noqa: FURB136


@kernel_jit
def update_cell(f: Any, i: Any, g: Any, c: Any, out: Any) -> None:
    """Write ``out = f * c + i * g``, and the same into ``c``."""
    for j in range(out.size):
        value = f[j] * c[j] + i[j] * g[j]
        c[j] = value
        out[j] = value


@kernel_jit
def emit_hidden(o: Any, c: Any, h: Any) -> None:
    """Write ``h = o * tanh(c)``."""
    for j in range(h.size):
        h[j] = o[j] * tanh(c[j])


@kernel_jit
def gru_blend(n: Any, z: Any, h: Any) -> None:
    """Write ``h = n + z * (h - n)``."""
    for j in range(h.size):
        h[j] = n[j] + z[j] * (h[j] - n[j])


@kernel_jit
def lstm_step(x: Any, inner: Any, h: Any, c: Any, row: Any, at: Any) -> None:
    """Write c, i, f, g, o and, if it is recorded, c_prev of one sample at one step; update h and c in place."""
    n = h.size
    i, f, g, o = (row[at[2] : at[2] + n], row[at[3] : at[3] + n], row[at[4] : at[4] + n], row[at[5] : at[5] + n])
    if at[6] >= 0:
        row[at[6] : at[6] + n] = c
    sigmoid_sum(x[:n], inner[:n], i)
    sigmoid_sum(x[n : 2 * n], inner[n : 2 * n], f)
    tanh_sum(x[2 * n : 3 * n], inner[2 * n : 3 * n], g)
    sigmoid_sum(x[3 * n :], inner[3 * n :], o)
    update_cell(f, i, g, c, row[at[1] : at[1] + n])
    emit_hidden(o, c, h)


@kernel_jit
def gru_step(x: Any, inner: Any, h: Any, row: Any, at: Any) -> None:
    """Write r, z, n of one sample at one step; update h in place."""
    size = h.size
    r, z, n = row[at[1] : at[1] + size], row[at[2] : at[2] + size], row[at[3] : at[3] + size]
    sigmoid_sum(x[:size], inner[:size], r)
    sigmoid_sum(x[size : 2 * size], inner[size : 2 * size], z)
    recurrent = inner[2 * size :]
    for j in range(size):
        recurrent[j] *= r[j]
    tanh_sum(x[2 * size :], recurrent, n)
    gru_blend(n, z, h)


@kernel_jit
def step_kernel(
    kind: int, x: Any, inner: Any, h: Any, c: Any, sheet: Any, rows: Any, at: Any, out: Any, column: int
) -> None:
    """Write one step of all samples; update ``h`` and ``c`` in place."""
    size, unused = h.shape[1], np.empty(sheet.shape[1], sheet.dtype)
    for k in range(x.shape[0]):
        row = sheet[rows[k]] if rows[k] >= 0 else unused
        if kind == LSTM:
            lstm_step(x[k], inner[k], h[k], c[k], row, at)
        elif kind == GRU:
            gru_step(x[k], inner[k], h[k], row, at)
        elif kind == TANH:
            tanh_sum(x[k], inner[k], h[k])
        else:
            relu_sum(x[k], inner[k], h[k])
        row[at[0] : at[0] + size] = h[k]
        out[k, column : column + size] = h[k]


@kernel_jit
def add_product(h: Any, weight: Any, out: Any) -> None:
    """Add ``h @ weight`` to one row, using four rows of the weights at a time."""
    for k in range(0, h.size - 3, 4):
        p, q, r, s = h[k], h[k + 1], h[k + 2], h[k + 3]
        a, b, c, d = weight[k], weight[k + 1], weight[k + 2], weight[k + 3]
        for j in range(out.size):
            out[j] += p * a[j] + q * b[j] + r * c[j] + s * d[j]
    for k in range(h.size // 4 * 4, h.size):
        for j in range(out.size):
            out[j] += h[k] * weight[k, j]


@kernel_jit
def add_two_products(h: Any, g: Any, weight: Any, out: Any, out_2: Any) -> None:
    """Add ``h @ weight`` to one row and ``g @ weight`` to another, reading the weights once."""
    for k in range(0, h.size - 3, 4):
        p, q, r, s = h[k], h[k + 1], h[k + 2], h[k + 3]
        t, u, v, w = g[k], g[k + 1], g[k + 2], g[k + 3]
        a, b, c, d = weight[k], weight[k + 1], weight[k + 2], weight[k + 3]
        for j in range(out.size):
            out[j] += p * a[j] + q * b[j] + r * c[j] + s * d[j]
            out_2[j] += t * a[j] + u * b[j] + v * c[j] + w * d[j]
    for k in range(h.size // 4 * 4, h.size):
        for j in range(out.size):
            out[j] += h[k] * weight[k, j]
            out_2[j] += g[k] * weight[k, j]


@kernel_jit
def product_kernel(h: Any, weight: Any, bias: Any, out: Any) -> None:
    """Write ``out = h @ weight + bias`` for a small number of rows."""
    out[:] = bias
    for b in range(0, h.shape[0] - 1, 2):
        add_two_products(h[b], h[b + 1], weight, out[b], out[b + 1])
    if h.shape[0] % 2:
        add_product(h[-1], weight, out[-1])


@kernel_jit
def run_small_batch(
    kind: int, weight: Any, bias: Any, x: Any, inner: Any, h: Any, c: Any, sheet: Any, rows: Any, at: Any, out: Any,
    column: int, backward: bool,
) -> None:  # fmt: skip
    """Run all steps of a small number of samples: product and cells."""
    size = inner.shape[0]
    for step in range(x.shape[0] // size):
        first = x.shape[0] - (step + 1) * size if backward else step * size
        span = slice(first, first + size)
        product_kernel(h, weight, bias, inner)
        step_kernel(kind, x[span], inner, h, c, sheet, rows[span], at, out[span], column)


def run_steps_kernel(
    kind: int,
    weight: Tensor,
    bias: Tensor | None,
    x: Tensor,
    state: tuple[Tensor, ...],
    buffer: OutputBuffer,
    backward: bool,
) -> None:
    """Run several steps of the same samples. With the first three arguments bound, this is a `CompiledLoop`.

    Parameters
    ----------
    kind : int
        `LSTM`, `GRU`, `TANH` or `RELU`.
    weight, bias : Tensor (size, feature), Tensor (feature,)
        Weight and bias of the product with the state; without a bias, 0.
    x, state, buffer, backward
        See `CompiledLoop`; the state is ``h``, and for an LSTM also ``c``.
    """
    h, size = state[0], state[0].shape[0]
    inner = x.new_empty(size, weight.shape[1])
    inputs, product, *states = (part.numpy() for part in (x, inner, h, state[-1]))
    if size <= SMALL_BATCH:
        offset = x.new_zeros(weight.shape[1]) if bias is None else bias
        arguments = weight.contiguous().numpy(), offset.numpy(), inputs, product, *states
        loop: Any = run_small_batch
        loop(
            kind,
            *arguments,
            buffer.values,
            buffer.rows,
            buffer.first_columns,
            buffer.output,
            buffer.output_column,
            backward,
        )
        return
    step: Any = step_kernel
    assert buffer.output is not None  # noqa: S101
    rows = range(0, len(inputs), size)
    for row in reversed(rows) if backward else rows:
        torch.mm(h, weight, out=inner) if bias is None else torch.addmm(bias, h, weight, out=inner)
        span = slice(row, row + size)
        target = buffer.values, buffer.rows[span], buffer.first_columns, buffer.output[span], buffer.output_column
        step(kind, inputs[span], product, *states, *target)
