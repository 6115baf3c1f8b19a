"""The public function `intervene`: edit units while a model runs, in a context manager."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

from interp.activations.batching import MicroBatch, as_batch, sample_count
from interp.interventions.edited_model import EditedModel, apply_edits
from interp.interventions.edits import Edit
from interp.interventions.session import Intervention, begin_forward, in_force, inspect_edited_modules
from interp.torch_utils import force_eager, forward_hook, unwrap


@contextmanager
def intervene(
    model: nn.Module, edits: Edit | Sequence[Edit], *, batch: Any = None, verify: str = "sample"
) -> Iterator[nn.Module]:
    """Edit units whenever the model runs inside the block; gradients flow through the edits.

    The engine replaces every recurrent module that it can read, with or without edits, so that the results of two
    blocks differ only by their edits. The model is restored afterwards, also after an error. `capture` and `stream`
    inside the block give the activations under the edits.

    Parameters
    ----------
    model : Module
        Any model that `capture` reads, in train or eval mode.
    edits : Edit or sequence of Edit
        `Ablate`, `Clamp`, `Patch` or `ActivationGradients`, applied in this order; those with ``scope="readout"`` after
        the others. An `Ablate` with several draws uses the first one.
    batch : Batch, Tensor or PackedSequence, optional
        Batch that the model will be called with. Its labels are required by edits that read labels other than
        ``sample`` and ``step``, its layout by edits of outputs that precede every recurrent module.
    verify : {"sample", "all", "none"}
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
    stage = EditedModel(inner, edits, verify)
    piece = None
    if batch is not None:
        checked = as_batch(batch)
        stage.readings = inspect_edited_modules(inner, checked, stage)
        piece = MicroBatch.from_batch(checked, sample_count(checked, None))

    def begin(_module: nn.Module, _args: Any) -> None:
        stage.set_forward(begin_forward(piece, stage, 0, 0))

    def end(_data: Any, _output: Any) -> None:
        stage.current_pass = None

    @contextmanager
    def hooks() -> Iterator[None]:
        handle = inner.register_forward_pre_hook(begin)
        try:
            with force_eager(), forward_hook(inner, end), apply_edits(stage):
                yield
        finally:
            handle.remove()

    begin(inner, ())
    intervention = Intervention(stage, hooks)
    with in_force(inner, intervention):
        yield model
    if not intervention.was_captured:
        stage.require_use()
