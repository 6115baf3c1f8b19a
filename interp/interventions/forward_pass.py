"""State of one forward under edits: its tokens and the rows of values that each edit assigns to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.activations.batching import MicroBatch
from interp.activations.inspection import ModuleTrace, output_layout
from interp.activations.tokens import TokenIndex
from interp.errors import CaptureError, OptionError, UnknownNameError
from interp.interventions.edits import Edit
from interp.recurrence.sequences import SequenceLayout


@dataclass
class EditUsage:
    """Usage of an edit so far: calls of its modules, number of edited tokens, and steps of the longest sample."""

    calls: int = 0
    tokens: int = 0
    steps: int = 0

    def require_use(self, edit: Edit) -> None:
        """Raise an error if the edit changed nothing, or has steps that no sample has.

        Raises
        ------
        CaptureError
            If its modules were not called.
        OptionError
            If ``at`` matched no token.
        """
        if not self.calls:
            raise CaptureError(f"Nothing was edited: the model did not call the modules of {edit!r}.")
        beyond = [step for step in edit.steps if step >= self.steps]
        if beyond:
            raise OptionError(
                f"at={edit.at!r}: no sample has step {beyond[0]}; the longest has {self.steps} (0 to {self.steps - 1})."
            )
        if not self.tokens:
            raise OptionError(f"Nothing was edited: at={edit.at!r} matches no token of the forwards.")


@dataclass
class ForwardPass:
    """State of one forward.

    Attributes
    ----------
    first : int
        Number of its first sample.
    draw : int
        Number of the draw.
    piece : MicroBatch, optional
        Samples with their labels, if available.
    tokens : TokenIndex, optional
        All tokens, once the lengths are known.
    layouts : dict of str to list of SequenceLayout
        Layout of each call of each recurrent module so far.
    outputs : dict of str to int
        Number of calls of each other module so far.
    """

    first: int = 0
    draw: int = 0
    piece: MicroBatch | None = None
    tokens: TokenIndex | None = None
    layouts: dict[str, list[SequenceLayout]] = field(default_factory=dict)
    outputs: dict[str, int] = field(default_factory=dict)
    row_tables: dict[int, Tensor] = field(default_factory=dict)

    def set_lengths(self, lengths: np.ndarray) -> None:
        """Set the number of tokens of each sample, unless set already or the forward has no piece with labels."""
        if self.tokens is None and self.piece is not None:
            labels = self.piece.labels.for_samples(lengths, self.piece.start, self.piece.start + lengths.size)
            self.tokens = TokenIndex(lengths, labels, None, self.first)

    def enter_call(self, name: str, axis: SequenceLayout, several: bool) -> np.ndarray:
        """Record a call of a recurrent module; return the number of steps of each sample in its earlier calls."""
        earlier = self.layouts.setdefault(name, [])
        offset = sum((call.lengths.numpy() for call in earlier), np.zeros(axis.samples, np.int64))
        earlier.append(axis)
        if axis.layout != "cell" and not several and len(earlier) == 1:
            self.set_lengths(axis.lengths.numpy())
        return np.asarray(offset)

    def edit_rows(self, edit: Edit, tally: EditUsage, lengths: np.ndarray, offset: np.ndarray) -> Tensor:
        """Return the row of its values that an edit assigns to each token of a call: ``(sample, step)``, -1 for none.

        Parameters
        ----------
        edit, tally
            The edit and its usage.
        lengths : array (sample,)
            Number of steps in this call.
        offset : array (sample,)
            Number of steps in earlier calls.
        """
        tally.calls += 1
        tally.steps = max(tally.steps, int((lengths + offset).max()))
        if self.tokens is not None and self.tokens.lengths.size != lengths.size:
            raise CaptureError(
                f"The model ran {lengths.size} samples, and the batch whose labels edits read has "
                f"{self.tokens.lengths.size}. Call it with the inputs of that batch."
            )
        if self.tokens is not None:
            table = self._row_table(edit)
            steps = torch.from_numpy(offset[:, None] + np.arange(lengths.max()))
            valid = (steps < table.shape[1]) & (torch.arange(int(lengths.max())) < torch.from_numpy(lengths)[:, None])
            rows = torch.where(valid, table.gather(1, steps.clamp(max=table.shape[1] - 1)), -1)
        else:
            rows = self._rows_without_labels(edit, lengths, offset)
        tally.tokens += int((rows >= 0).sum())
        return rows

    def _row_table(self, edit: Edit) -> Tensor:
        """Return the rows of all tokens, ``(sample, step)``."""
        assert self.tokens is not None  # noqa: S101
        if id(edit) not in self.row_tables:
            flat = torch.from_numpy(edit.applied_rows(self.tokens.labels, self.tokens.n_rows, self.draw))
            table = torch.full_like(self.tokens.row_table, -1)
            table[self.tokens.sample, self.tokens.step] = flat
            self.row_tables[id(edit)] = table
        return self.row_tables[id(edit)]

    def _rows_without_labels(self, edit: Edit, lengths: np.ndarray, offset: np.ndarray) -> Tensor:
        """Return the rows of tokens that have only the labels sample and step."""
        sample = np.repeat(np.arange(lengths.size), lengths)
        step = np.arange(sample.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        labels = {"sample": sample + self.first, "step": step + offset[sample], "source": sample + self.first}
        try:
            flat = edit.applied_rows(labels, sample.size, self.draw)
        except UnknownNameError as error:
            raise UnknownNameError(
                f"{error} Other labels come from a batch: use interp.intervene(model, edits, batch=…) or "
                "interp.capture(..., edits=…); "
                "for cells and modules that are called several times, the batch needs lengths=."
            ) from error
        table = torch.full((lengths.size, int(lengths.max())), -1)
        table[torch.from_numpy(sample), torch.from_numpy(step)] = torch.from_numpy(flat)
        return table

    def output_layout(self, name: str, module: Any, output: Tensor) -> str | None:
        """Return the layout of an output, by that of the last recurrent module called; None if unclear."""
        if not self.layouts:
            return None
        axis = list(self.layouts.values())[-1][-1]
        return output_layout(ModuleTrace(name, module, None, [], [output]), axis)

    def output_rows(self, edit: Edit, tally: EditUsage, layout: str, output: Tensor, call: int) -> Tensor:
        """Return the row of its values that an edit assigns to each row of an output, in its layout: ``(row,)``."""
        if layout == "packed":
            axis = self._packed_layout(len(output), call)
            table = self.edit_rows(edit, tally, axis.lengths.numpy(), self._earlier_steps(call, axis.samples, 0))
            return to_packed_rows(table, axis)
        samples, steps = self._samples_and_steps(layout, output)
        if layout != "call":
            self.set_lengths(np.full(samples, steps)) if call == 0 else None
        offset = np.full(samples, call) if layout == "call" else self._earlier_steps(call, samples, steps)
        table = self.edit_rows(edit, tally, np.full(samples, steps), offset)
        return (table.t() if layout in ("time", "flat-time") else table).reshape(-1)

    def _samples_and_steps(self, layout: str, output: Tensor) -> tuple[int, int]:
        """Return the numbers of samples and steps of an output."""
        first, second = int(output.shape[0]), int(output.shape[1])
        if layout in ("batch", "time"):
            return (first, second) if layout == "batch" else (second, first)
        if layout in ("call", "single"):
            return (first, 1) if layout == "call" else (1, first)
        samples = self.tokens.lengths.size if self.tokens is not None else list(self.layouts.values())[-1][-1].samples
        return samples, first // samples

    def _packed_layout(self, rows: int, call: int) -> SequenceLayout:
        """Return the layout of the recurrent call whose packed rows match an output."""
        for axes in self.layouts.values():
            fitting = [axis for axis in axes if axis.layout == "packed" and axis.starts[-1] == rows]
            if fitting:
                return axes[call] if call < len(axes) and axes[call] in fitting else fitting[-1]
        raise CaptureError(f"An output of {rows} packed rows matches no recurrent module that was called before it.")

    def _earlier_steps(self, call: int, samples: int, steps: int) -> np.ndarray:
        """Return the number of steps of each sample in earlier calls."""
        for axes in self.layouts.values():
            if len(axes) >= call > 0 and axes[0].layout != "cell":
                return sum((axis.lengths.numpy() for axis in axes[:call]), np.zeros(samples, np.int64))
        return np.full(samples, call * steps)


def to_packed_rows(table: Tensor, axis: SequenceLayout) -> Tensor:
    """Return a table ``(sample, step)`` in the packed order of a layout: ``(row,)``."""
    ordered = table if axis.order is None else table[axis.order.cpu()]
    return torch.cat([ordered[:size, step] for step, size in enumerate(axis.batch_sizes)])
