"""Gathering of tokens from module outputs in any layout."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from interp.capturing.layout import Axis
from interp.capturing.tokens import Tokens


def read_rows(outputs: list[Tensor], layout: str, tokens: Tokens, axes: list[Axis]) -> Tensor:
    """Return the values of a module's outputs at each selected token ``(row, width)``.

    Parameters
    ----------
    outputs : list of Tensor
        Output of each call.
    layout : str
        Layout of the outputs; see `Reading`.
    tokens : Tokens
        Tokens of the samples.
    axes : list of Axis
        Time axis of each call; used only for the layout ``packed``.
    """
    if layout == "packed":
        return torch.cat(outputs)[loose_rows(axes, tokens)].flatten(1)
    if layout == "call":
        return torch.stack(outputs)[tokens.step, tokens.sample].flatten(1)
    if len(outputs) == 1:
        return pick_rows(outputs[0], layout, tokens, tokens.step, slice(None))
    width = outputs[0].shape[2 if layout in ("batch", "time") else 1 :].numel()
    values, offset = outputs[0].new_empty(tokens.rows, width), np.zeros_like(tokens.lengths)
    for output, lengths in zip(outputs, tokens.calls, strict=True):
        local = tokens.step - torch.from_numpy(offset)[tokens.sample]
        in_call = (local >= 0) & (local < torch.from_numpy(lengths)[tokens.sample])
        values[in_call] = pick_rows(output, layout, tokens, local, in_call)
        offset = offset + lengths
    return values


def pick_rows(output: Tensor, layout: str, tokens: Tokens, steps: Tensor, mask: Tensor | slice) -> Tensor:
    """Return the values ``(row, width)`` of one output at the tokens in ``mask``, which have these ``steps``."""
    sample, step = tokens.sample[mask], steps[mask]
    if layout == "batch":
        no_gaps = tokens.whole and output.shape[1] == tokens.table.shape[1]
        return output.flatten(0, 1).flatten(1) if no_gaps else output[sample, step].flatten(1)
    if layout == "time":
        return output[step, sample].flatten(1)
    if layout == "single":
        return output[step].flatten(1)
    samples = tokens.lengths.size
    n_steps = output.shape[0] // samples
    return output[sample * n_steps + step if layout == "flat-batch" else step * samples + sample].flatten(1)


def loose_rows(axes: list[Axis], tokens: Tokens) -> Tensor:
    """Return the index of each selected token in the concatenated packed rows of all calls; -1 without a row."""
    base, offset = 0, np.zeros_like(tokens.lengths)
    indices = torch.full((tokens.rows,), -1)
    for axis, lengths in zip(axes, tokens.calls if len(axes) > 1 else tokens.lengths[None], strict=True):
        position = torch.arange(axis.samples)
        if axis.order is not None:
            position[axis.order.cpu()] = torch.arange(axis.samples)
        local = tokens.step - torch.from_numpy(offset)[tokens.sample]
        in_call = (local >= 0) & (local < torch.from_numpy(lengths)[tokens.sample])
        starts = torch.tensor(axis.starts)
        indices[in_call] = base + starts[local[in_call]] + position[tokens.sample[in_call]]
        base, offset = base + axis.starts[-1], offset + lengths
    return indices
