"""One pass over batches with edited units."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from interp.activations.batching import MicroBatch, call_model, iter_batches, split_batch
from interp.activations.plan import CapturePlan, ModulePlan, make_plan
from interp.activations.recording import ForwardRecording, finalize
from interp.activations.session import CaptureOptions, CaptureSession
from interp.activations.tokens import TokenIndex
from interp.base import Batch
from interp.errors import CaptureError
from interp.interventions.edited_model import EditedModel, apply_edits
from interp.interventions.forward_pass import ForwardPass
from interp.interventions.gradients import ActivationGradients
from interp.progress import track
from interp.torch_utils import force_eager, preserve_rng


def begin_forward(piece: MicroBatch | None, stage: EditedModel, first: int, draw: int) -> ForwardPass:
    """Return the state of a new forward; its tokens are set if the piece has lengths."""
    passed = ForwardPass(first, draw, piece)
    several = any(reading.n_calls > 1 and not reading.is_stepwise for reading in stage.readings.values())
    if piece is not None and piece.lengths is not None and not several:
        passed.set_lengths(piece.lengths)
    return passed


def inspect_edited_modules(model: nn.Module, batch: Batch, stage: EditedModel) -> dict[str, ModulePlan]:
    """Return the calls and layouts of the edited modules, observed in one forward of a few samples."""
    edited = sorted({target.module for scheduled in stage.bound_edits for target in scheduled.targets})
    named = (
        None
        if any(isinstance(s.edit, ActivationGradients) and s.edit.units is None for s in stage.bound_edits)
        else edited
    )
    if not edited:
        return {}
    with preserve_rng({}), force_eager():
        try:
            plan = make_plan(model, batch, named, "all", None)
        except CaptureError as error:
            raise CaptureError(str(error).replace("leave it out of modules=", "it can't be edited here")) from error
    return {reading.name: reading for reading in plan.modules}


class BufferedRecording(ForwardRecording):
    """A recording that buffers all values until the forward ends, since edits may need unselected tokens."""

    def writes_directly(self, reading: ModulePlan) -> bool:  # noqa: ARG002
        """Return False: no value is written directly into the matrix."""
        return False


class EditedSession(CaptureSession):
    """A capture session whose forwards run under edits, once per draw."""

    def __init__(self, model: nn.Module, batches: Any, options: CaptureOptions, edits: Any) -> None:
        super().__init__(model, batches, options)
        self.edited_model = EditedModel(self.model, edits, options.check)
        if any(isinstance(scheduled.edit, ActivationGradients) for scheduled in self.edited_model.bound_edits):
            raise CaptureError("Leaves need gradients, and run computes none: use interp.intervene.")
        self.engine_check = self.edited_model.check or self.engine_check
        self.draws = max((scheduled.edit.n_draws for scheduled in self.edited_model.bound_edits), default=1)
        self.draw = 0
        edit_texts = [repr(scheduled.edit) for scheduled in self.edited_model.bound_edits]
        self.attrs = {**self.attrs, "edits": json.dumps(edit_texts, ensure_ascii=False)}

    def run(self) -> Iterator[dict[str, np.ndarray]]:
        """Yield the labels of each batch or piece once its rows are filled, draw by draw."""
        for batch in track(iter_batches(self.batches), self.options.progress):
            is_first = self.plan is None
            plan = self.plan_for(batch)
            if is_first:
                self.edited_model.readings = inspect_edited_modules(self.model, batch, self.edited_model)
            start = self.n_samples, self.n_tokens_seen
            for draw in range(self.draws):
                self.draw, (self.n_samples, self.n_tokens_seen) = draw, start
                for labels in self._batch(plan, batch):
                    if self.draws > 1:
                        labels["draw"] = np.full(len(labels["sample"]), draw, np.int32)
                    yield labels

    def _batch(self, plan: CapturePlan, batch: Batch) -> Iterator[dict[str, np.ndarray]]:
        batch_pieces = split_batch(batch, self.options.batch_size, plan.sample_dim)
        if batch.decode is not None:
            yield self.decoded_labels(batch, [self.run_forward(plan, piece) for piece in batch_pieces])
            return
        for piece in batch_pieces:
            yield dict(self.run_forward(plan, piece)[0].labels)

    def run_forward(
        self,
        plan: CapturePlan,
        piece: MicroBatch,
        first_step: int = 0,
        states: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> tuple[TokenIndex, Any]:
        recording = BufferedRecording(
            plan, piece, self.options.where, (self.n_samples, first_step), self.reserve_rows, self.scratch
        )
        output = None
        if not recording.is_empty or piece.batch.decode is not None:
            self.edited_model.set_forward(begin_forward(piece, self.edited_model, self.n_samples, self.draw))
            with (
                preserve_rng(self.rng_state),
                force_eager(),
                apply_edits(self.edited_model, recording),
                torch.no_grad(),
            ):
                output = call_model(self.model, piece)
            finalize(recording)
        tokens = recording.tokens
        assert tokens is not None  # noqa: S101
        self.n_samples += tokens.lengths.size
        self.n_tokens_seen += tokens.mask.size
        return tokens, output
