"""Interventions: edit units while a model runs, in a context manager or over batches into a dataset."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from interp.capturing.assembly import assemble
from interp.capturing.batching import Piece, as_batch, call_model, each_batch, pieces, sample_count
from interp.capturing.hooks import eager
from interp.capturing.labels import join_labels
from interp.capturing.listening import listening
from interp.capturing.plan import Plan, Reading
from interp.capturing.planning import make_plan
from interp.capturing.progress import tracked
from interp.capturing.provenance import undisturbed
from interp.capturing.recording import Recording
from interp.capturing.scout import unwrap
from interp.capturing.session import Options, Session, Where
from interp.capturing.tokens import Tokens
from interp.contracts import Batch
from interp.errors import CaptureError
from interp.intervening.edits import Ablate, Clamp, Edit, Patch
from interp.intervening.leaves import Leaves
from interp.intervening.passes import Pass
from interp.intervening.stage import Stage, staged

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Ablate", "Clamp", "Edit", "Leaves", "Patch", "intervene", "run"]


@contextmanager
def intervene(
    model: nn.Module, edits: Edit | Sequence[Edit], *, batch: Any = None, check: str = "sample"
) -> Iterator[nn.Module]:
    """Edit units whenever the model runs inside the block; gradients flow through the edits.

    The engine replaces every recurrent module that it can read, with or without edits, so that the results of two
    blocks differ only by their edits. The model is restored afterwards, also after an error.

    Parameters
    ----------
    model : Module
        Any model that `capture` reads, in train or eval mode.
    edits : Edit or sequence of Edit
        `Ablate`, `Clamp`, `Patch` or `Leaves`, applied in this order; those with ``seen_by="output"`` after the others.
        An `Ablate` with several draws uses the first one.
    batch : Batch, Tensor or PackedSequence, optional
        Batch that the model will be called with. Its labels are required by edits that read labels other than
        ``sample`` and ``step``, its layout by edits of outputs that precede every recurrent module.
    check : {"sample", "all", "none"}
        Comparison of the engine with the modules, as in `capture`. Use ``none`` for inputs that are not data, such as
        points on a path from a baseline, where rounding errors may grow; compare on data first.

    Yields
    ------
    Module
        The model.

    Raises
    ------
    UnknownNameError
        If a unit or label does not exist.
    CaptureError
        If a module can't be edited, differs from its adapter, or was not called.
    OptionError
        If values or steps do not fit, if tokens have no donors, and at the end of the block if an edit applied to no
        token.
    """
    inner = unwrap(model)
    stage = Stage(inner, edits, check)
    piece = None
    if batch is not None:
        checked = as_batch(batch)
        stage.readings = scouted(inner, checked, stage)
        piece = Piece.whole(checked, sample_count(checked, None))

    def begin(_module: nn.Module, _args: Any) -> None:
        stage.open(started(piece, stage, 0, 0))

    def end(_data: Any, _output: Any) -> None:
        stage.now = None

    begin(inner, ())
    handle = inner.register_forward_pre_hook(begin)
    try:
        with eager(), listening(inner, end), staged(stage):
            yield model
    finally:
        handle.remove()
    stage.finish()


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
    named = None if any(isinstance(s.edit, Leaves) and s.edit.units is None for s in stage.scheduled) else edited
    if not edited:
        return {}
    with undisturbed({}), eager():
        try:
            plan = make_plan(model, batch, named, "all", None)
        except CaptureError as error:
            raise CaptureError(str(error).replace("leave it out of modules=", "it can't be edited here")) from error
    return {reading.name: reading for reading in plan.readings}


def run(
    model: nn.Module,
    batches: Any,
    edits: Edit | Sequence[Edit] = (),
    *,
    modules: Sequence[str] | None = None,
    quantities: Sequence[str] | str = "all",
    units: Any = None,
    where: Where = None,
    batch_size: int = 64,
    dtype: str = "float32",
    check: str = "sample",
    progress: bool = True,
) -> xr.Dataset:
    """Run batches through a model under edits and return its activations, as `capture` does.

    Parameters
    ----------
    model, batches, modules, quantities, units, where, batch_size, dtype, check, progress
        As in `capture`. Edits apply to all tokens, including those that ``where`` excludes; a piece without selected
        tokens is not run.
    edits : Edit or sequence of Edit
        `Ablate`, `Clamp` or `Patch`, applied in this order; those with ``seen_by="output"`` after the others. An empty
        sequence runs the engine without edits, as a baseline for differences.

    Returns
    -------
    Dataset
        Activations ``(token, unit)`` under the edits, as downstream modules received them. If an `Ablate` has several
        draws, every batch is repeated once per draw, and a coord ``draw`` (token) contains the number of the draw:
        ``interp.pick(result, draw=0)``. The attr ``edits`` describes the edits.

    Raises
    ------
    UnknownNameError, CaptureError, OptionError
        As in `capture` and `intervene`.
    """
    options = Options(modules, quantities, units, where, batch_size, dtype, check, progress)
    session = Edited(model, batches, options, edits)
    labels = list(session.run())
    if session.matrix is None or not session.matrix.used:
        raise CaptureError(session.nothing())
    session.stage.finish()
    return session.dataset(session.matrix.finish(), join_labels(labels))


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
        if any(isinstance(scheduled.edit, Leaves) for scheduled in self.stage.scheduled):
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
