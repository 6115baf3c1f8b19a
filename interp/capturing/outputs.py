"""Buffers for the outputs of a layer, filled by its directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


def fresh(like: Tensor, rows: int, width: int) -> Tensor:
    """Return uninitialised memory ``(rows, width)``, from numpy if possible: its huge pages have fewer page faults."""
    if like.device.type == "cpu" and like.dtype in (torch.float32, torch.float64):
        return torch.from_numpy(np.empty((rows, width), str(like.dtype).removeprefix("torch.")))
    return like.new_empty(rows, width)


@dataclass(frozen=True)
class Side:
    """One direction's columns of an `Output`."""

    output: Output
    number: int

    def take(self, row: int, outputs: list[Tensor]) -> None:
        """Store the outputs of consecutive steps, starting at a row."""
        self.output.take(self.number, row, outputs)

    def array(self, rows: slice) -> tuple[np.ndarray, int]:
        """Return rows of the layer's output, and the first column of this direction."""
        assert self.output.buffer is not None  # noqa: S101 (gradients are disabled)
        return self.output.buffer[rows].numpy(), self.number * self.output.width


class Output:
    """Outputs of all directions of a layer: written into one array, or, if gradients are enabled, concatenated."""

    def __init__(self, like: Tensor, width: int, sides: int) -> None:
        self.width = width
        self.parts: list[dict[int, Tensor]] = [{} for _ in range(sides)]
        self.buffer = None if torch.is_grad_enabled() else fresh(like, like.shape[0], sides * width)

    def take(self, side: int, row: int, outputs: list[Tensor]) -> None:
        """Store the outputs of consecutive steps, starting at a row."""
        joined = torch.cat(outputs) if len(outputs) > 1 else outputs[0]
        if self.buffer is None:
            self.parts[side][row] = joined
        else:
            self.buffer[row : row + joined.shape[0], side * self.width : (side + 1) * self.width] = joined

    def joined(self) -> Tensor:
        """Return the outputs of all steps and directions ``(row, feature)``."""
        if self.buffer is not None:
            return self.buffer
        return torch.cat([torch.cat([side[row] for row in sorted(side)]) for side in self.parts], 1)
