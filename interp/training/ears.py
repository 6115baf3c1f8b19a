"""A model that runs while penalties hear their units, at the speed of its own kernels where that can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from interp.capturing.batching import Piece, as_batch, sample_count
from interp.capturing.hooks import eager
from interp.capturing.layout import read_input
from interp.capturing.listening import listening
from interp.capturing.plan import Reading
from interp.capturing.scout import Seen, layout_of, tensor_of
from interp.capturing.timeline import loose_rows, read_rows
from interp.capturing.tokens import Tokens
from interp.contracts import Batch
from interp.errors import CaptureError, OptionError
from interp.intervene import scouted, started
from interp.intervening.passes import Pass
from interp.intervening.stage import Stage, answering, put, staged
from interp.intervening.targets import Layout, Target
from interp.training.heard import Change, Heard


@dataclass
class Hearing:
    """One forward that was heard.

    Attributes
    ----------
    inputs : list of Tensor (row, feature)
        What the first recurrent module read in each of its calls.
    """

    passed: Pass
    heard: Sequence[Heard]
    inputs: list[Tensor] = field(default_factory=list)
    first: str = ""

    @property
    def tokens(self) -> Tokens:
        """The tokens of the forward."""
        return self.heard[0].tokens()

    def read_inputs(self) -> Tensor:
        """Return what the first recurrent module read, ``(token, feature)``."""
        if not self.inputs:
            raise CaptureError("The model has run no recurrent module, so a penalty can't read its inputs.")
        rows = loose_rows(self.heard[0].axes(self.first), self.tokens)
        return torch.cat(self.inputs)[rows].detach()

    def read_outputs(self, output: Any) -> Tensor:
        """Return what the model gave, ``(token, output)``."""
        tensor, layout = tensor_of(output), None
        axes = self.heard[0].axes(list(self.passed.axes)[-1]) if self.passed.axes else []
        if tensor is not None and axes:
            layout = layout_of(Seen("model", nn.Identity(), None, [], [tensor]), axes[-1])
        if tensor is None or layout is None:
            raise CaptureError("The model's output has no time axis, so a penalty can't read it token by token.")
        return read_rows([tensor], layout, self.tokens, self.heard[0].packing(len(tensor)))


class Ears:
    """Where the units of penalties are, and how to hear them.

    Outputs of modules, and ``h`` of a last layer, are read where the module gives them out, and its own kernel runs.
    For all else the engine of `interp.intervene` runs the recurrent modules step by step.

    Parameters
    ----------
    model : Module
    """

    def __init__(self, model: nn.Module) -> None:
        self.model, self.layout = model, Layout(model)
        self.readings: dict[str, Reading] = {}
        self.recurrent = [name for name, entry in self.layout.seen.items() if entry.adapter is not None]
        self.cells = any(self.layout.seen[name].adapter.cell for name in self.recurrent)  # type: ignore[union-attr]

    def names(self, units: Any) -> list[str]:
        """Return the names of units; None: what the last recurrent module gives out."""
        if units is not None:
            return self.layout.names(units)
        if not self.recurrent:
            raise CaptureError("The model has no recurrent module that can be read: give the penalty its units=.")
        adapter = self.layout.seen[self.recurrent[-1]].adapter
        assert adapter is not None  # noqa: S101
        coords = self.layout.coords
        mine = (coords["module"] == self.recurrent[-1]) & (coords["quantity"] == adapter.state[0])
        mine &= coords["layer"] == coords["layer"][mine].max()
        return [str(name) for name in coords["unit"][mine]]

    def heard(self, units: Any, change: Change | None = None) -> Heard:
        """Return what hears some units.

        Raises
        ------
        OptionError
            For a change of units that are in several places.
        """
        names = self.names(units)
        plain = self.layout.targets(names)
        given = None if self.cells else self._given_out(plain)
        if change is not None and len(given or plain) > 1:
            places = ", ".join(sorted({f"{t.module}.{t.layer}.{t.direction}.{t.quantity}" for t in plain}))
            raise OptionError(
                f"A penalty that edits its units needs them in one place, and these are in {places}. "
                "Name units of one of them, or give the penalty once for each."
            )
        if given is not None:
            return Heard(names, given, change)
        return Heard(names, plain, change, stepped=True, seen_by="state" if change is None or self.cells else "output")

    def _given_out(self, targets: list[Target]) -> list[Target] | None:
        """Return targets as columns of what modules give out, one a module; None where some are not given out."""
        given: dict[str, list[tuple[Tensor, Tensor]]] = {}
        for target in targets:
            shift = self._shift(target)
            if shift is None:
                return None
            given.setdefault(target.module, []).append((target.columns + shift, target.places))
        joined = {name: [torch.cat(part) for part in zip(*parts, strict=True)] for name, parts in given.items()}
        return [Target(name, -1, "", "out", columns, places) for name, (columns, places) in joined.items()]

    def _shift(self, target: Target) -> int | None:
        """Return which column of what a module gives out is the first of a target; None if none is."""
        if target.quantity == "out":
            return 0
        entry = self.layout.seen[target.module]
        adapter, module = entry.adapter, entry.module
        if adapter is None or target.quantity != adapter.state[0] or target.layer != adapter.layers(module) - 1:
            return None
        return adapter.directions(module).index(target.direction) * adapter.sizes(module)[target.quantity]

    @contextmanager
    def hearing(self, batch: Batch, heard: Sequence[Heard]) -> Iterator[Hearing]:
        """Hear a forward of the model on a batch."""
        held = as_batch(batch)
        passed = started(Piece.whole(held, sample_count(held, None)), Stage(self.model, []), 0, 0)
        now, stepped = Hearing(passed, heard), [one for one in heard if one.stepped]
        with ExitStack() as stack:
            if stepped:
                stack.enter_context(self._staged(stepped, held, passed))
            for name in self.recurrent:
                note = partial(self._note, now, name, not stepped)
                stack.enter_context(listening(self.layout.modules[name], note))
            for one in heard:
                if not one.stepped:
                    one.begin(list(one.units), passed)
                    self._answered(stack, now, one)
            yield now

    @contextmanager
    def _staged(self, heard: Sequence[Heard], batch: Batch, passed: Pass) -> Iterator[None]:
        stage = Stage(self.model, heard, "none")
        if not self.readings:
            self.readings = scouted(self.model, batch, stage)
        stage.readings = self.readings
        stage.open(passed)
        with eager(), staged(stage):
            yield

    def _note(self, now: Hearing, name: str, alone: bool, data: Any, _output: Any) -> None:
        """Note a call of a recurrent module: its tokens, where the engine does not, and the first one's inputs."""
        module, entry = self.layout.modules[name], self.layout.seen[name]
        cell = entry.adapter is not None and entry.adapter.cell
        rows, axis = (data, None) if cell else read_input(module, data)
        if alone and axis is not None:
            now.passed.enter(name, axis, several=False)
        if now.first in ("", name):
            now.first = name
            now.inputs.append(rows)

    def _answered(self, stack: ExitStack, now: Hearing, heard: Heard) -> None:
        for target in heard.targets:
            module = self.layout.modules[target.module]
            stack.enter_context(answering(target.module, module, partial(self._answer, now, heard, target)))

    def _answer(self, now: Hearing, heard: Heard, target: Target, output: Any) -> Any:
        """Return what a module gave out as a penalty wants it."""
        module, value = self.layout.modules[target.module], tensor_of(output)
        layout = None if value is None else given_layout(module, output, target, now.passed)
        if value is None or layout is None:
            raise CaptureError(
                f"What {target.module!r} gives out can't be read token by token: it has no time axis, or no recurrent "
                "module ran before it."
            )
        return put(output, heard.at_output(target, layout, value))


def given_layout(module: nn.Module, output: Any, target: Target, passed: Pass) -> str | None:
    """Return how what a module gave out is laid out in time."""
    if isinstance(output, PackedSequence) or (isinstance(output, tuple) and isinstance(output[0], PackedSequence)):
        return "packed"
    axes = passed.axes.get(target.module)
    value = tensor_of(output)
    assert value is not None  # noqa: S101
    return axes[-1].kind if axes else passed.layout(target.module, module, value)
