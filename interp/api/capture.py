"""The public functions `capture` and `stream`: run batches through a model and record its activations (token, unit)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from interp.activations.resumable import capture_to_store
from interp.activations.session import CaptureOptions, Where
from interp.activations.stream import CapturedStream
from interp.errors import CaptureError, OptionError
from interp.interventions.edits import Edit
from interp.interventions.session import new_session
from interp.labels import join_labels
from interp.registry import names_missing_extra
from interp.storage.filesystem import storage_errors
from interp.storage.store import PARTS

if TYPE_CHECKING:
    import xarray as xr
    from distributed import Client


@names_missing_extra
def capture(
    model: nn.Module,
    batches: Any,
    *,
    modules: Sequence[str] | None = None,
    quantities: Sequence[str] | str = "all",
    units: Any = None,
    where: Where = None,
    edits: Edit | Sequence[Edit] | None = None,
    store: str | os.PathLike[str] | None = None,
    batch_size: int = 64,
    dtype: str = "float32",
    verify: str = "sample",
    client: Client | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Run batches through a model and return the activation of every unit and gate at every token.

    While the model runs, the engine replaces the forward of its recurrent modules; on a sample of the data its results
    are compared with the module's own. The model is restored afterwards, also after an error. A single long sequence
    runs in time chunks if all recurrent modules are unidirectional and a trial shows that chunks give the same values
    as the whole sequence.

    Parameters
    ----------
    model : Module
        Model in eval mode.
    batches : Batch, Tensor, PackedSequence, or iterable of those
        Samples with their labels.
    modules : sequence of str, optional
        Dotted names; by default every recurrent module and every ``nn.Linear`` (and subclass) with a time axis.
    quantities : "all" or sequence of str
        Quantities of recurrent modules: all but ``c_prev``, or exactly those named. The ``out`` of other modules is
        included in either case.
    units : sequence of str, mapping or Dataset, optional
        Keep only these units: names, labels as for `select`, or the units of a dataset.
    where : mapping or callable, optional
        Keep only tokens whose labels match: ``{"input": "t"}`` as for `select`, or a function of all labels
        (name to array) that returns one boolean per token. Only labels that exist before the model runs.
    edits : Edit or sequence of Edit, optional
        `Ablate`, `Clamp` or `Patch`, applied in this order; those with ``scope="readout"`` after the others. They apply
        to all tokens, including those that ``where`` excludes. If an `Ablate` has several draws, every batch is
        repeated once per draw, and a coord ``draw`` (token) contains the number of the draw. An empty sequence runs the
        engine as with edits, as a baseline for differences. Inside `interp.intervene` the edits of the block apply
        first. Not with ``store`` or ``client``.
    store : path, optional
        Write to a Zarr store, in bounded memory. After an interruption (including a killed process) the same call
        resumes where it stopped; ``batches`` must yield the same batches again. If the store is complete, nothing is
        run. Functions among the options are identified by their name and code, not by the variables they read.
    batch_size : int
        Maximum number of samples per forward. Larger batches are split; one with ``call`` is never split.
    dtype : str
        Dtype of the activations: ``float32``, ``float64`` or ``float16``.
    verify : {"sample", "all"}
        Rows that are compared with the modules' own results.
    client : distributed.Client, optional
        Run the model on its workers and write to ``store``, which must be on a disk that they share. Batches with a
        method ``shards()`` are made by the workers too. Each captured shard is a file next to the store until it is
        merged into it.
    progress : bool
        Show a progress bar on a terminal.

    Returns
    -------
    Dataset
        Dims ``(token, unit)``; see `interp.validate`. With ``store`` the values are read lazily. With edits, the values
        are those that downstream modules received, and the attr ``edits`` describes the edits.

    Raises
    ------
    CaptureError
        If the model can't be read exactly, or batches and labels do not fit it.
    OptionError
        If ``store`` was made with another model, weights, options or batches, or was not written by `capture`.
    StorageError
        If the disk of ``store`` is full or not writable; rows already written are preserved.
    UnknownNameError
        For a module, quantity, unit or label that does not exist.
    """
    options = CaptureOptions(modules, quantities, units, where, batch_size, dtype, verify, progress)
    session = new_session(model, batches, options, edits=edits)
    if not session.can_shard and (store is not None or client is not None):
        raise OptionError(
            "A capture with edits runs in memory. Leave out store= and client=, and write the result with "
            "interp.save(acts, path)."
        )
    if client is not None or (store is not None and (Path(store) / PARTS).is_dir()):
        return _capture_distributed(CapturedStream(model, batches, options), store, client)
    if store is not None:
        session.bounded_memory = True
        with storage_errors(Path(store)):
            return capture_to_store(session, Path(store))
    labels = list(session.run())
    if session.matrix is None or not session.matrix.n_rows:
        raise CaptureError(session.empty_message())
    return session.dataset(session.matrix.finish(), join_labels(labels))


def _capture_distributed(
    stream: CapturedStream, store: str | os.PathLike[str] | None, client: Client | None
) -> xr.Dataset:
    """Capture on a cluster; without a client, resume an interrupted cluster capture in this process."""
    from interp.distributed.backend import Backend

    if store is None:
        raise OptionError("client= needs store=, a path on a disk that the workers share.")
    with storage_errors(Path(store)):
        return Backend(client, None, stream.options.progress).capture(stream, Path(store))


def stream(
    model: nn.Module,
    batches: Any,
    *,
    modules: Sequence[str] | None = None,
    quantities: Sequence[str] | str = "all",
    units: Any = None,
    where: Where = None,
    edits: Edit | Sequence[Edit] | None = None,
    batch_size: int = 64,
    dtype: str = "float32",
    verify: str = "sample",
    progress: bool = True,
) -> CapturedStream:
    """Return the same tokens as `capture`, as chunks that are computed on demand and not stored.

    Parameters
    ----------
    model, batches, modules, quantities, units, where, edits, batch_size, dtype, verify, progress
        See `capture`. Every iteration runs the model, so ``batches`` must be re-iterable.

    Returns
    -------
    CapturedStream
        Yields datasets ``(token, unit)`` of whole samples, at most ``batch_size`` of them (a batch with ``decode`` is
        one chunk); a chunk in which no token matches ``where`` is skipped.
    """
    options = CaptureOptions(modules, quantities, units, where, batch_size, dtype, verify, progress)
    return CapturedStream(model, batches, options, make_session=partial(new_session, edits=edits))
