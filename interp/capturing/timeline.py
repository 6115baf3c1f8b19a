"""Where each token is in what a module gave out, however that is laid out in time."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from interp.capturing.layout import Axis
from interp.capturing.tokens import Tokens


def read_rows(outputs: list[Tensor], layout: str, tokens: Tokens, axes: list[Axis]) -> Tensor:
    """Return the values of a module's outputs for each kept token: ``(row, width)``.

    Parameters
    ----------
    outputs : list of Tensor
        One a call.
    layout : str
        See `Reading`.
    tokens : Tokens
        Which tokens.
    axes : list of Axis
        Those of the calls whose rows the layout ``packed`` follows.
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
        mine = (local >= 0) & (local < torch.from_numpy(lengths)[tokens.sample])
        values[mine] = pick_rows(output, layout, tokens, local, mine)
        offset = offset + lengths
    return values


def pick_rows(output: Tensor, layout: str, tokens: Tokens, steps: Tensor, mine: Tensor | slice) -> Tensor:
    """Return one output's values at some tokens, by its layout in time."""
    sample, step = tokens.sample[mine], steps[mine]
    if layout == "batch":
        even = tokens.whole and output.shape[1] == tokens.table.shape[1]
        return output.flatten(0, 1).flatten(1) if even else output[sample, step].flatten(1)
    if layout == "time":
        return output[step, sample].flatten(1)
    if layout == "single":
        return output[step].flatten(1)
    count = tokens.lengths.size
    steps_each = output.shape[0] // count
    return output[sample * steps_each + step if layout == "flat-batch" else step * count + sample].flatten(1)


def loose_rows(axes: list[Axis], tokens: Tokens) -> Tensor:
    """Return where, in the rows of all calls one after the other, each kept token is."""
    base, offset = 0, np.zeros_like(tokens.lengths)
    found = torch.full((tokens.rows,), -1)
    for axis, lengths in zip(axes, tokens.calls if len(axes) > 1 else tokens.lengths[None], strict=True):
        position = torch.arange(axis.samples)
        if axis.order is not None:
            position[axis.order.cpu()] = torch.arange(axis.samples)
        local = tokens.step - torch.from_numpy(offset)[tokens.sample]
        mine = (local >= 0) & (local < torch.from_numpy(lengths)[tokens.sample])
        starts = torch.tensor(axis.starts)
        found[mine] = base + starts[local[mine]] + position[tokens.sample[mine]]
        base, offset = base + axis.starts[-1], offset + lengths
    return found
