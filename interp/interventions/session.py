"""One pass over batches with edited units."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from interp.activations.batching import Piece, call_model, each_batch, pieces
from interp.activations.plan import Plan, Reading, make_plan
from interp.activations.recording import Recording, assemble
from interp.activations.session import Options, Session
from interp.activations.tokens import Tokens
from interp.base import Batch
from interp.errors import CaptureError
from interp.interventions.edited_model import Stage, staged
from interp.interventions.forward_pass import Pass
from interp.interventions.gradients import ActivationGradients
from interp.progress import tracked
from interp.torch_utils import eager, undisturbed


def started(piece: Piece | None, stage: Stage, first: int, draw: int) -> Pass:
    """Return the state of a new forward; its tokens are set if the piece has lengths."""
    passed = Pass(first, draw, piece)
    several = any(reading.calls > 1 and not reading.stepwise for reading in stage.readings.values())
    if piece is not None and piece.lengths is not None and not several:
        passed.know(piece.lengths)
    return passed


def scouted(model: nn.Module, batch: Batch, stage: Stage) -> dict[str, Reading]:
    """Return the calls and layouts of the edited modules, observed in one forward of a few samples."""
    edited = sorted({target.module for scheduled in stage.scheduled for target in scheduled.targets})
    named = (
        None
        if any(isinstance(s.edit, ActivationGradients) and s.edit.units is None for s in stage.scheduled)
        else edited
    )
    if not edited:
        return {}
    with undisturbed({}), eager():
        try:
            plan = make_plan(model, batch, named, "all", None)
        except CaptureError as error:
            raise CaptureError(str(error).replace("leave it out of modules=", "it can't be edited here")) from error
    return {reading.name: reading for reading in plan.readings}


class Loose(Recording):
    """A recording that buffers all values until the forward ends, since edits may need unselected tokens."""

    def direct(self, reading: Reading) -> bool:  # noqa: ARG002
        """Return False: no value is written directly into the matrix."""
        return False


class Edited(Session):
    """A capture session whose forwards run under edits, once per draw."""

    def __init__(self, model: nn.Module, batches: Any, options: Options, edits: Any) -> None:
        super().__init__(model, batches, options)
        self.stage = Stage(self.model, edits, options.check)
        if any(isinstance(scheduled.edit, ActivationGradients) for scheduled in self.stage.scheduled):
            raise CaptureError("Leaves need gradients, and run computes none: use interp.intervene.")
        self.check = self.stage.check or self.check
        self.draws = max((scheduled.edit.draws for scheduled in self.stage.scheduled), default=1)
        self.draw = 0
        edit_texts = [repr(scheduled.edit) for scheduled in self.stage.scheduled]
        self.attrs = {**self.attrs, "edits": json.dumps(edit_texts, ensure_ascii=False)}

    def run(self) -> Iterator[dict[str, np.ndarray]]:
        """Yield the labels of each batch or piece once its rows are filled, draw by draw."""
        for batch in tracked(each_batch(self.batches), self.options.progress):
            is_first = self.plan is None
            plan = self.planned(batch)
            if is_first:
                self.stage.readings = scouted(self.model, batch, self.stage)
            start = self.samples, self.seen
            for draw in range(self.draws):
                self.draw, (self.samples, self.seen) = draw, start
                for labels in self._batch(plan, batch):
                    if self.draws > 1:
                        labels["draw"] = np.full(len(labels["sample"]), draw, np.int32)
                    yield labels

    def _batch(self, plan: Plan, batch: Batch) -> Iterator[dict[str, np.ndarray]]:
        batch_pieces = pieces(batch, self.options.batch_size, plan.axis)
        if batch.decode is not None:
            yield self._decoded(batch, [self._forward(plan, piece) for piece in batch_pieces])
            return
        for piece in batch_pieces:
            yield dict(self._forward(plan, piece)[0].labels)

    def _forward(
        self,
        plan: Plan,
        piece: Piece,
        first_step: int = 0,
        states: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> tuple[Tokens, Any]:
        recording = Loose(plan, piece, self.options.where, (self.samples, first_step), self._reserve, self.sheets)
        output = None
        if not recording.idle or piece.batch.decode is not None:
            self.stage.open(started(piece, self.stage, self.samples, self.draw))
            with undisturbed(self.random), eager(), staged(self.stage, recording), torch.no_grad():
                output = call_model(self.model, piece)
            assemble(recording)
        tokens = recording.tokens
        assert tokens is not None  # noqa: S101
        self.samples += tokens.lengths.size
        self.seen += tokens.keep.size
        return tokens, output
