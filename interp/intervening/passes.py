"""One forward under edits: its tokens, as far as they are known, and what each edit does to each of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.capturing.batching import Piece
from interp.capturing.layout import Axis
from interp.capturing.scout import Seen, layout_of
from interp.capturing.tokens import Tokens
from interp.errors import CaptureError, OptionError, UnknownNameError
from interp.intervening.edits import Edit


@dataclass
class Tally:
    """What an edit has met so far: its modules' calls, tokens that it changed, the steps of the longest sample."""

    calls: int = 0
    tokens: int = 0
    steps: int = 0

    def check(self, edit: Edit) -> None:
        """Raise where the edit has changed nothing, or names steps that no sample has.

        Raises
        ------
        CaptureError
            Where its modules were not called.
        OptionError
            Where ``at`` matched nothing.
        """
        if not self.calls:
            raise CaptureError(f"Nothing was edited: the model did not call what {edit!r} names.")
        beyond = [step for step in edit.steps if step >= self.steps]
        if beyond:
            raise OptionError(
                f"at={edit.at!r}: no sample has step {beyond[0]}; the longest has {self.steps} (0 to {self.steps - 1})."
            )
        if not self.tokens:
            raise OptionError(f"Nothing was edited: at={edit.at!r} matches no token of the forwards.")


@dataclass
class Pass:
    """One forward.

    Attributes
    ----------
    first : int
        The number of its first sample.
    draw : int
        The number of the draw.
    piece : Piece, optional
        The samples with their labels, where known.
    tokens : Tokens, optional
        All tokens, as soon as the lengths are known.
    axes : dict of str to list of Axis
        Of the calls of each recurrent module so far.
    outputs : dict of str to int
        Calls of each other module so far.
    """

    first: int = 0
    draw: int = 0
    piece: Piece | None = None
    tokens: Tokens | None = None
    axes: dict[str, list[Axis]] = field(default_factory=dict)
    outputs: dict[str, int] = field(default_factory=dict)
    tables: dict[int, Tensor] = field(default_factory=dict)

    def know(self, lengths: np.ndarray) -> None:
        """Be told the tokens of each sample, where the piece has labels to go with them."""
        if self.tokens is None and self.piece is not None:
            labels = self.piece.labels.of(lengths, self.piece.start, self.piece.start + lengths.size)
            self.tokens = Tokens(lengths, labels, None, self.first)

    def enter(self, name: str, axis: Axis, several: bool) -> np.ndarray:
        """Note a call of a recurrent module; return how many steps each sample had in its calls before."""
        before = self.axes.setdefault(name, [])
        offset = sum((held.lengths.numpy() for held in before), np.zeros(axis.samples, np.int64))
        before.append(axis)
        if axis.kind != "cell" and not several and len(before) == 1:
            self.know(axis.lengths.numpy())
        return np.asarray(offset)

    def rows(self, edit: Edit, tally: Tally, lengths: np.ndarray, offset: np.ndarray) -> Tensor:
        """Return which row of its values an edit gives each token of a call: ``(sample, step)``, -1 for none.

        Parameters
        ----------
        edit, tally
            The edit, and what it has met.
        lengths : array (sample,)
            Steps of the call.
        offset : array (sample,)
            Steps of the calls before.
        """
        tally.calls += 1
        tally.steps = max(tally.steps, int((lengths + offset).max()))
        if self.tokens is not None and self.tokens.lengths.size != lengths.size:
            raise CaptureError(
                f"The model ran {lengths.size} samples, and the batch whose labels edits read has "
                f"{self.tokens.lengths.size}. Call it with the inputs of that batch."
            )
        if self.tokens is not None:
            table = self._table(edit)
            place = torch.from_numpy(offset[:, None] + np.arange(lengths.max()))
            known = (place < table.shape[1]) & (torch.arange(int(lengths.max())) < torch.from_numpy(lengths)[:, None])
            found = torch.where(known, table.gather(1, place.clamp(max=table.shape[1] - 1)), -1)
        else:
            found = self._bare(edit, lengths, offset)
        tally.tokens += int((found >= 0).sum())
        return found

    def _table(self, edit: Edit) -> Tensor:
        """Return the rows of all tokens, ``(sample, step)``."""
        assert self.tokens is not None  # noqa: S101
        if id(edit) not in self.tables:
            flat = torch.from_numpy(edit.chosen(self.tokens.labels, self.tokens.rows, self.draw))
            table = torch.full_like(self.tokens.table, -1)
            table[self.tokens.sample, self.tokens.step] = flat
            self.tables[id(edit)] = table
        return self.tables[id(edit)]

    def _bare(self, edit: Edit, lengths: np.ndarray, offset: np.ndarray) -> Tensor:
        """Return the rows of tokens of which no more is known than sample and step."""
        sample = np.repeat(np.arange(lengths.size), lengths)
        step = np.arange(sample.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        labels = {"sample": sample + self.first, "step": step + offset[sample], "source": sample + self.first}
        try:
            flat = edit.chosen(labels, sample.size, self.draw)
        except UnknownNameError as error:
            raise UnknownNameError(
                f"{error} Other labels are those of a batch: interp.intervene(model, edits, batch=…) or interp.run; "
                "where cells run, or modules several times, the batch needs lengths=."
            ) from error
        table = torch.full((lengths.size, int(lengths.max())), -1)
        table[torch.from_numpy(sample), torch.from_numpy(step)] = torch.from_numpy(flat)
        return table

    def layout(self, name: str, module: Any, output: Tensor) -> str | None:
        """Return the layout of an output in time, after the recurrent module that was called last; None if unclear."""
        if not self.axes:
            return None
        axis = list(self.axes.values())[-1][-1]
        return layout_of(Seen(name, module, None, [], [output]), axis)

    def of_output(self, edit: Edit, tally: Tally, layout: str, output: Tensor, call: int) -> Tensor:
        """Return which row of its values an edit gives each row of an output, laid out as the output is: ``(row,)``."""
        if layout == "packed":
            axis = self._packing(len(output), call)
            table = self.rows(edit, tally, axis.lengths.numpy(), self._before(call, axis.samples, 0))
            return packed_rows(table, axis)
        samples, steps = self._shape(layout, output)
        if layout != "call":
            self.know(np.full(samples, steps)) if call == 0 else None
        offset = np.full(samples, call) if layout == "call" else self._before(call, samples, steps)
        table = self.rows(edit, tally, np.full(samples, steps), offset)
        return (table.t() if layout in ("time", "flat-time") else table).reshape(-1)

    def _shape(self, layout: str, output: Tensor) -> tuple[int, int]:
        """Return the samples and steps of an output."""
        first, second = int(output.shape[0]), int(output.shape[1])
        if layout in ("batch", "time"):
            return (first, second) if layout == "batch" else (second, first)
        if layout in ("call", "single"):
            return (first, 1) if layout == "call" else (1, first)
        samples = self.tokens.lengths.size if self.tokens is not None else list(self.axes.values())[-1][-1].samples
        return samples, first // samples

    def _packing(self, rows: int, call: int) -> Axis:
        """Return the axis of the recurrent call whose packed rows an output follows."""
        for axes in self.axes.values():
            fitting = [axis for axis in axes if axis.kind == "packed" and axis.starts[-1] == rows]
            if fitting:
                return axes[call] if call < len(axes) and axes[call] in fitting else fitting[-1]
        raise CaptureError(f"An output of {rows} packed rows follows no recurrent module that was called before it.")

    def _before(self, call: int, samples: int, steps: int) -> np.ndarray:
        """Return the steps of each sample in the calls before."""
        for axes in self.axes.values():
            if len(axes) >= call > 0 and axes[0].kind != "cell":
                return sum((axis.lengths.numpy() for axis in axes[:call]), np.zeros(samples, np.int64))
        return np.full(samples, call * steps)


def packed_rows(table: Tensor, axis: Axis) -> Tensor:
    """Return a table ``(sample, step)`` as the packed rows of an axis: ``(row,)``."""
    ordered = table if axis.order is None else table[axis.order.cpu()]
    return torch.cat([ordered[:size, step] for step, size in enumerate(axis.sizes)])
