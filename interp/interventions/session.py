"""Interventions in force on a model, and capture sessions that run under edits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from torch import nn

from interp.activations.batching import MicroBatch
from interp.activations.plan import CapturePlan, ModulePlan, make_plan
from interp.activations.provenance import check_model
from interp.activations.recording import ForwardRecording
from interp.activations.session import CaptureOptions, CaptureSession
from interp.base import Batch
from interp.errors import CaptureError
from interp.interventions.edited_model import EDITED_ATTRIBUTE, EditedModel, apply_edits, as_edit_list
from interp.interventions.edits import Edit
from interp.interventions.forward_pass import ForwardPass
from interp.interventions.gradients import ActivationGradients
from interp.torch_utils import force_eager, named_modules, preserve_rng, unwrap


class Intervention:
    """The edits of one block, whose hooks can be removed and installed again.

    Parameters
    ----------
    edited_model : EditedModel
        Model and edits.
    hooks : callable
        Returns the context in which the edits apply.

    Attributes
    ----------
    was_captured : bool
        True after a capture inside the block, which checks itself that every edit was applied.
    """

    def __init__(self, edited_model: EditedModel, hooks: Callable[[], AbstractContextManager[None]]) -> None:
        self.edited_model, self.hooks = edited_model, hooks
        self.was_captured = False
        self.installed = ExitStack()

    def install(self) -> None:
        """Apply the edits from now on."""
        self.installed.enter_context(self.hooks())

    def remove(self) -> None:
        """Apply the edits no more."""
        self.installed.close()


_ACTIVE: WeakKeyDictionary[nn.Module, list[Intervention]] = WeakKeyDictionary()


@contextmanager
def in_force(model: nn.Module, intervention: Intervention) -> Iterator[None]:
    """Apply the edits of an intervention to the model inside the block."""
    intervention.install()
    _ACTIVE.setdefault(model, []).append(intervention)
    try:
        yield
    finally:
        _ACTIVE[model].remove(intervention)
        intervention.remove()


def active_edits(model: nn.Module) -> list[Edit]:
    """Return the edits in force on a model, in the order in which they apply."""
    return [bound.edit for one in _ACTIVE.get(model, []) for bound in one.edited_model.bound_edits]


@contextmanager
def suspended(model: nn.Module) -> Iterator[None]:
    """Remove the hooks of the interventions on a model inside the block, since the caller applies their edits."""
    interventions = list(_ACTIVE.get(model, []))
    for intervention in reversed(interventions):
        intervention.remove()
        intervention.was_captured = True
    try:
        yield
    finally:
        for intervention in interventions:
            intervention.install()


def require_unedited(model: nn.Module) -> None:
    """Raise `CaptureError` if a part of the model is edited by an intervention on that part or on a larger model."""
    for name, module in named_modules(model).items():
        if hasattr(module.__dict__.get("forward"), EDITED_ATTRIBUTE):
            raise CaptureError(
                f"{name!r} is under an interp.intervene of another model. Pass the captured model to interp.intervene."
            )


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
    """A capture session whose forwards run under edits, once per draw.

    Parameters
    ----------
    model, batches, options, streaming
        As in `CaptureSession`.
    edits : Edit or sequence of Edit
        Edits in the order in which they apply. Those of an `interp.intervene` around the capture come before them, with
        their first draw.
    """

    recording_class = BufferedRecording
    can_shard = False

    def __init__(
        self, model: nn.Module, batches: Any, options: CaptureOptions, edits: Any, *, streaming: bool = False
    ) -> None:
        super().__init__(model, batches, options, streaming=streaming)
        own, active = as_edit_list(edits), active_edits(self.model)
        with suspended(self.model):
            self.edited_model = EditedModel(self.model, [*active, *own], options.verify)
        if any(isinstance(bound.edit, ActivationGradients) for bound in self.edited_model.bound_edits):
            raise CaptureError(
                "ActivationGradients needs gradients, and a capture computes none: call the model itself inside "
                "interp.intervene."
            )
        self.engine_check = self.edited_model.check or self.engine_check
        self.draws = max((edit.n_draws for edit in own), default=1)
        self.draw = 0
        edit_texts = [repr(bound.edit) for bound in self.edited_model.bound_edits]
        self.attrs = {**self.attrs, "edits": json.dumps(edit_texts, ensure_ascii=False)}

    def run(self) -> Iterator[dict[str, np.ndarray]]:
        """Yield the labels of each batch or micro-batch, draw by draw; at the end check that every edit was applied."""
        yield from super().run()
        self.edited_model.require_use()

    def plan_for(self, batch: Batch) -> CapturePlan:
        """Return the plan; with the first batch, also inspect the edited modules."""
        if self.plan is None:
            with suspended(self.model):
                super().plan_for(batch)
                self.edited_model.readings = inspect_edited_modules(self.model, batch, self.edited_model)
        return super().plan_for(batch)

    def run_batch(self, plan: CapturePlan, batch: Batch) -> Iterator[dict[str, np.ndarray]]:
        """Yield the labels of a batch, once per draw."""
        start = self.n_samples, self.n_tokens_seen
        for draw in range(self.draws):
            self.draw, (self.n_samples, self.n_tokens_seen) = draw, start
            for labels in self.run_micro_batches(plan, batch):
                number = {"draw": np.full(len(labels["sample"]), draw, np.int32)} if self.draws > 1 else {}
                yield {**labels, **number}

    @contextmanager
    def forward_context(self, recording: ForwardRecording, states: dict[str, Any] | None) -> Iterator[None]:  # noqa: ARG002
        """Record the forward that runs inside the block under the edits."""
        forward = begin_forward(recording.micro_batch, self.edited_model, self.n_samples, self.draw)
        self.edited_model.set_forward(forward)
        with suspended(self.model), apply_edits(self.edited_model, recording):
            yield


def new_session(
    model: nn.Module, batches: Any, options: CaptureOptions, *, edits: Any = None, streaming: bool = False
) -> CaptureSession:
    """Return a session over batches, under the given edits and those of an `interp.intervene` around the call.

    Raises
    ------
    CaptureError
        If a part of the model is under an `interp.intervene` that does not edit the whole model.
    """
    check_model(model)
    if edits is not None or active_edits(unwrap(model)):
        return EditedSession(model, batches, options, () if edits is None else edits, streaming=streaming)
    require_unedited(unwrap(model))
    return CaptureSession(model, batches, options, streaming=streaming)
