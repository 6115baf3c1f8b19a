"""Change units while a model runs: for any code under a context manager, or over batches into a dataset."""

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
    """Change units whenever the model runs inside the block; gradients flow.

    The engine stands in for every recurrent module that it can read, with or without edits, so that two blocks differ
    by nothing but their edits. The model is as before afterwards, also after an error.

    Parameters
    ----------
    model : Module
        Any that `capture` reads; in train mode too.
    edits : Edit or sequence of Edit
        `Ablate`, `Clamp`, `Patch`, `Leaves`, done in this order; those with ``seen_by="output"`` after the others. Of
        an `Ablate` with several draws the first is taken.
    batch : Batch, Tensor or PackedSequence, optional
        What the model will be called with. Its labels are needed where edits read labels other than ``sample`` and
        ``step``, its layout where outputs are edited that no recurrent module precedes.
    check : {"sample", "all", "none"}
        As of `capture`. ``none``: the engine is not compared with the modules, for inputs that are no data, such as
        points on the way to a baseline, where rounding may grow; compare it on data before.

    Yields
    ------
    Module
        The model.

    Raises
    ------
    UnknownNameError
        For a unit or label that does not exist.
    CaptureError
        Where a module can't be edited, does not compute what its adapter says, or was not called.
    OptionError
        For values and steps that do not fit, for tokens without donors, and at the end for an edit that met no token.
    """
    inner = unwrap(model)
    stage = Stage(inner, edits, check)
    piece = None
    if batch is not None:
        held = as_batch(batch)
        stage.readings = scouted(inner, held, stage)
        piece = Piece.whole(held, sample_count(held, None))

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
    """Return a forward that begins; its tokens are known where the piece states lengths."""
    passed = Pass(first, draw, piece)
    several = any(reading.calls > 1 and not reading.stepwise for reading in stage.readings.values())
    if piece is not None and piece.lengths is not None and not several:
        passed.know(piece.lengths)
    return passed


def scouted(model: nn.Module, batch: Batch, stage: Stage) -> dict[str, Reading]:
    """Return how the edited modules are called and laid out in time, from one forward of a few samples."""
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
    """Run batches through a model under edits and return what `capture` would.

    Parameters
    ----------
    model, batches, modules, quantities, units, where, batch_size, dtype, check, progress
        As of `capture`. Edits apply to all tokens, kept or not; a piece of which no token is kept is not run.
    edits : Edit or sequence of Edit
        `Ablate`, `Clamp`, `Patch`, done in this order; those with ``seen_by="output"`` after the others. None runs the
        engine as the others do, so that results can be subtracted.

    Returns
    -------
    Dataset
        Dims ``(token, unit)``: what units were under the edits, as their readers saw them. Where an `Ablate` draws
        several times, every batch comes once for each draw, and a coord ``draw`` (token) tells them apart:
        ``interp.pick(result, draw=0)``. attrs name the edits.

    Raises
    ------
    UnknownNameError, CaptureError, OptionError
        As of `capture` and `intervene`.
    """
    options = Options(modules, quantities, units, where, batch_size, dtype, check, progress)
    session = Edited(model, batches, options, edits)
    labels = list(session.run())
    if session.matrix is None or not session.matrix.used:
        raise CaptureError(session.nothing())
    session.stage.finish()
    return session.dataset(session.matrix.finish(), join_labels(labels))


class Loose(Recording):
    """Keeps all values until the forward is done: edits may need the tokens that it drops."""

    def direct(self, reading: Reading) -> bool:  # noqa: ARG002
        """Return that no value goes straight into the matrix."""
        return False


class Edited(Session):
    """A session whose forwards run under edits, once for each draw."""

    def __init__(self, model: nn.Module, batches: Any, options: Options, edits: Any) -> None:
        super().__init__(model, batches, options)
        self.stage = Stage(self.model, edits, options.check)
        if any(isinstance(scheduled.edit, Leaves) for scheduled in self.stage.scheduled):
            raise CaptureError("Leaves need gradients, which run has not: use interp.intervene.")
        self.check = self.stage.check or self.check
        self.draws = max((scheduled.edit.draws for scheduled in self.stage.scheduled), default=1)
        self.draw = 0
        told = [repr(scheduled.edit) for scheduled in self.stage.scheduled]
        self.attrs = {**self.attrs, "edits": json.dumps(told, ensure_ascii=False)}

    def run(self) -> Iterator[dict[str, np.ndarray]]:
        """Yield the labels of each batch or piece of one, when its rows are filled, draw after draw."""
        for batch in tracked(each_batch(self.batches), self.options.progress):
            known = self.plan is not None
            plan = self.planned(batch)
            if not known:
                self.stage.readings = scouted(self.model, batch, self.stage)
            first = self.samples, self.seen
            for draw in range(self.draws):
                self.draw, (self.samples, self.seen) = draw, first
                for labels in self._batch(plan, batch):
                    if self.draws > 1:
                        labels["draw"] = np.full(len(labels["sample"]), draw, np.int32)
                    yield labels

    def _batch(self, plan: Plan, batch: Batch) -> Iterator[dict[str, np.ndarray]]:
        cuts = pieces(batch, self.options.batch_size, plan.axis)
        if batch.decode is not None:
            yield self._decoded(batch, [self._forward(plan, piece) for piece in cuts])
            return
        for piece in cuts:
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
