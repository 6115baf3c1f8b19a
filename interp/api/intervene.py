"""Interventions: edit units while a model runs, in a context manager or over batches into a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import nn

from interp.activations.batching import MicroBatch, as_batch, sample_count
from interp.activations.session import CaptureOptions, Where
from interp.errors import CaptureError
from interp.interventions.edited_model import EditedModel, apply_edits
from interp.interventions.edits import Edit
from interp.interventions.session import EditedSession, begin_forward, inspect_edited_modules
from interp.labels import join_labels
from interp.torch_utils import force_eager, forward_hook, unwrap

if TYPE_CHECKING:
    import xarray as xr


__all__ = ["intervene", "run_with_edits"]


@contextmanager
def intervene(
    model: nn.Module, edits: Edit | Sequence[Edit], *, batch: Any = None, verify: str = "sample"
) -> Iterator[nn.Module]:
    """Edit units whenever the model runs inside the block; gradients flow through the edits.

    The engine replaces every recurrent module that it can read, with or without edits, so that the results of two
    blocks differ only by their edits. The model is restored afterwards, also after an error.

    Parameters
    ----------
    model : Module
        Any model that `capture` reads, in train or eval mode.
    edits : Edit or sequence of Edit
        `Ablate`, `Clamp`, `Patch` or `ActivationGradients`, applied in this order; those with ``scope="readout"`` after the others.
        An `Ablate` with several draws uses the first one.
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

    begin(inner, ())
    handle = inner.register_forward_pre_hook(begin)
    try:
        with force_eager(), forward_hook(inner, end), apply_edits(stage):
            yield model
    finally:
        handle.remove()
    stage.require_use()


def run_with_edits(
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
    verify: str = "sample",
    progress: bool = True,
) -> xr.Dataset:
    """Run batches through a model under edits and return its activations, as `capture` does.

    Parameters
    ----------
    model, batches, modules, quantities, units, where, batch_size, dtype, verify, progress
        As in `capture`. Edits apply to all tokens, including those that ``where`` excludes; a piece without selected
        tokens is not run.
    edits : Edit or sequence of Edit
        `Ablate`, `Clamp` or `Patch`, applied in this order; those with ``scope="readout"`` after the others. An empty
        sequence runs the engine without edits, as a baseline for differences.

    Returns
    -------
    Dataset
        Activations ``(token, unit)`` under the edits, as downstream modules received them. If an `Ablate` has several
        draws, every batch is repeated once per draw, and a coord ``draw`` (token) contains the number of the draw:
        ``interp.select(result, draw=0)``. The attr ``edits`` describes the edits.

    Raises
    ------
    UnknownNameError, CaptureError, OptionError
        As in `capture` and `intervene`.
    """
    options = CaptureOptions(modules, quantities, units, where, batch_size, dtype, verify, progress)
    session = EditedSession(model, batches, options, edits)
    labels = list(session.run())
    if session.matrix is None or not session.matrix.n_rows:
        raise CaptureError(session.empty_message())
    session.edited_model.require_use()
    return session.dataset(session.matrix.finish(), join_labels(labels))
