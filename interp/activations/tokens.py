"""Index of the tokens of the samples in a forward, and their selection by ``where``."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.recurrence.sequences import SequenceLayout
from interp.selection import label_mask


class TokenIndex:
    """Tokens of the samples in a forward, and the rows of the selected ones.

    Parameters
    ----------
    lengths : array (sample,)
        Number of tokens of each sample.
    labels : mapping
        Labels by name, with one value per token; without ``source`` it defaults to the sample number.
    where : mapping, callable or None
        Selection of tokens; see `interp.capture`. None selects all.
    first : int
        Number of the first sample.
    first_step : int
        Number of the first step of every sample.
    calls : array (call, sample), optional
        Number of steps of each call, if the modules are called several times; they add up to ``lengths``.

    Attributes
    ----------
    labels : dict of str to array (row,)
        Labels of the selected tokens, including ``sample``, ``step`` and ``source``.
    mask : array (token,) of bool
        True for the selected tokens.
    sample, step : Tensor (row,)
        Sample and step of each selected token, counted from 0.
    row_table : Tensor (sample, step)
        Row of each token, -1 if it is not selected.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        labels: dict[str, np.ndarray],
        where: Any,
        first: int = 0,
        first_step: int = 0,
        calls: np.ndarray | None = None,
    ) -> None:
        self.lengths = lengths
        self.call_lengths = lengths[None] if calls is None else calls
        sample = np.repeat(np.arange(lengths.size), lengths)
        step = np.arange(sample.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        source = labels.get("source", sample + first)
        coords = {"sample": sample + first, "step": step + first_step, "source": source, **labels}
        coords = {name: values.astype(np.int32) if name in ("sample", "step", "source") else values
                  for name, values in coords.items()}  # fmt: skip
        if calls is not None:
            order = np.tile(np.arange(len(self.call_lengths), dtype=np.int32), lengths.size)
            coords["call"] = np.repeat(order, self.call_lengths.T.reshape(-1))
        keep = label_mask(coords, where, sample.size)
        self.labels = coords if keep.all() else {name: values[keep] for name, values in coords.items()}
        self.mask = keep
        self.sample, self.step = torch.from_numpy(sample[keep]), torch.from_numpy(step[keep])
        self.row_table = torch.full((lengths.size, int(lengths.max())), -1)
        self.row_table[self.sample, self.step] = torch.arange(self.n_rows)

    @property
    def n_rows(self) -> int:
        """Number of selected tokens."""
        return int(self.sample.numel())

    @property
    def is_complete(self) -> bool:
        """True if every sample has all steps and every token is selected."""
        return bool(self.n_rows == self.row_table.numel())


def gather_rows(outputs: list[Tensor], layout: str, tokens: TokenIndex, axes: list[SequenceLayout]) -> Tensor:
    """Return the values of a module's outputs at each selected token ``(row, width)``.

    Parameters
    ----------
    outputs : list of Tensor
        Output of each call.
    layout : str
        Layout of the outputs; see `ModulePlan`.
    tokens : TokenIndex
        Tokens of the samples.
    axes : list of SequenceLayout
        Time axis of each call; used only for the layout ``packed``.
    """
    if layout == "packed":
        return torch.cat(outputs)[packed_row_index(axes, tokens)].flatten(1)
    if layout == "call":
        return torch.stack(outputs)[tokens.step, tokens.sample].flatten(1)
    if len(outputs) == 1:
        return gather_from_output(outputs[0], layout, tokens, tokens.step, slice(None))
    width = outputs[0].shape[2 if layout in ("batch", "time") else 1 :].numel()
    values, offset = outputs[0].new_empty(tokens.n_rows, width), np.zeros_like(tokens.lengths)
    for output, lengths in zip(outputs, tokens.call_lengths, strict=True):
        local = tokens.step - torch.from_numpy(offset)[tokens.sample]
        in_call = (local >= 0) & (local < torch.from_numpy(lengths)[tokens.sample])
        values[in_call] = gather_from_output(output, layout, tokens, local, in_call)
        offset = offset + lengths
    return values


def gather_from_output(output: Tensor, layout: str, tokens: TokenIndex, steps: Tensor, mask: Tensor | slice) -> Tensor:
    """Return the values ``(row, width)`` of one output at the tokens in ``mask``, which have these ``steps``."""
    sample, step = tokens.sample[mask], steps[mask]
    if layout == "batch":
        no_gaps = tokens.is_complete and output.shape[1] == tokens.row_table.shape[1]
        return output.flatten(0, 1).flatten(1) if no_gaps else output[sample, step].flatten(1)
    if layout == "time":
        return output[step, sample].flatten(1)
    if layout == "single":
        return output[step].flatten(1)
    samples = tokens.lengths.size
    n_steps = output.shape[0] // samples
    return output[sample * n_steps + step if layout == "flat-batch" else step * samples + sample].flatten(1)


def packed_row_index(axes: list[SequenceLayout], tokens: TokenIndex) -> Tensor:
    """Return the index of each selected token in the concatenated packed rows of all calls; -1 without a row."""
    base, offset = 0, np.zeros_like(tokens.lengths)
    indices = torch.full((tokens.n_rows,), -1)
    for axis, lengths in zip(axes, tokens.call_lengths if len(axes) > 1 else tokens.lengths[None], strict=True):
        position = torch.arange(axis.samples)
        if axis.order is not None:
            position[axis.order.cpu()] = torch.arange(axis.samples)
        local = tokens.step - torch.from_numpy(offset)[tokens.sample]
        in_call = (local >= 0) & (local < torch.from_numpy(lengths)[tokens.sample])
        starts = torch.tensor(axis.starts)
        indices[in_call] = base + starts[local[in_call]] + position[tokens.sample[in_call]]
        base, offset = base + axis.starts[-1], offset + lengths
    return indices
