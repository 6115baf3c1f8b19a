"""Run batches through a model and keep what every unit did: one matrix (token, unit)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from interp.capturing.keeping import keep
from interp.capturing.labels import join_labels
from interp.capturing.manifest import begin
from interp.capturing.provenance import describe
from interp.capturing.session import Options, Session, Where
from interp.capturing.shards import Shard, fingerprint, shards_of
from interp.disk import writing
from interp.errors import CaptureError, OptionError
from interp.storage import PARTS

if TYPE_CHECKING:
    import xarray as xr
    from distributed import Client


def capture(
    model: nn.Module,
    batches: Any,
    *,
    modules: Sequence[str] | None = None,
    quantities: Sequence[str] | str = "all",
    units: Any = None,
    where: Where = None,
    store: str | os.PathLike[str] | None = None,
    batch_size: int = 64,
    dtype: str = "float32",
    check: str = "sample",
    client: Client | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Run batches through a model and return what every unit and gate did at every token.

    While the model runs, the engine stands in for its recurrent modules; every result is compared with the
    module's own on a sample. The model is as before afterwards, also after an error. One long sequence runs in pieces
    of time where all recurrent modules are unidirectional and a trial shows that pieces give what the whole gives.

    Parameters
    ----------
    model : Module
        In eval mode.
    batches : Batch, Tensor, PackedSequence, or iterable of those
        Samples with their labels.
    modules : sequence of str, optional
        Dotted names; by default every recurrent module and every ``nn.Linear`` (and subclass) with a time axis.
    quantities : "all" or sequence of str
        Of recurrent modules: all but ``c_prev``, or exactly those named. The ``out`` of others is kept either way.
    units : sequence of str, mapping or Dataset, optional
        Keep only these units: names, labels as for `pick`, or those of a dataset.
    where : mapping or callable, optional
        Keep only tokens whose labels match: ``{"input": "t"}`` as for `pick`, or a function of all labels
        (name to array) that returns a boolean a token. Labels known before the model runs.
    store : path, optional
        Write to a Zarr store, in bounded memory. After an interruption, also a killed process, the same call goes on
        where it stopped: ``batches`` has to give the same batches again. On a finished store nothing is run.
        Functions among the options are told apart by their name and code, not by what they read from elsewhere.
    batch_size : int
        The most samples at once. Larger batches are cut; one with ``call`` goes as it is.
    dtype : str
        Of the matrix: ``float32``, ``float64`` or ``float16``.
    check : {"sample", "all"}
        How much is compared with the modules' own results.
    client : distributed.Client, optional
        Run the model on its workers, into a ``store`` on a disk that they share. Batches with a method ``shards()``
        are made by the workers too. What one worker captures at a time stands beside the store until it is in it.
    progress : bool
        Show a bar on a terminal.

    Returns
    -------
    Dataset
        Dims ``(token, unit)``; see `interp.validate`. With ``store`` it is opened: values are read when used.

    Raises
    ------
    CaptureError
        Where the model can't be read exactly, or batches and labels do not fit it.
    OptionError
        Where ``store`` is of another model, other weights, options or batches, or is none of ours.
    StorageError
        Where the disk of ``store`` is full, or may not be written to; what is there is kept.
    UnknownNameError
        For a module, quantity, unit or label that does not exist.
    """
    options = Options(modules, quantities, units, where, batch_size, dtype, check, progress)
    if client is not None or (store is not None and (Path(store) / PARTS).is_dir()):
        return _spread(Captured(model, batches, options), store, client)
    session = Session(model, batches, options)
    if store is not None:
        session.bounded = True
        with writing(Path(store)):
            return keep(session, Path(store))
    labels = list(session.run())
    if session.matrix is None or not session.matrix.used:
        raise CaptureError(session.nothing())
    return session.dataset(session.matrix.finish(), join_labels(labels))


def _spread(source: Captured, store: str | os.PathLike[str] | None, client: Client | None) -> xr.Dataset:
    """Capture on a cluster; what was begun there and is asked for without one goes on in this process."""
    from interp.scaling.scale import Scale

    if store is None:
        raise OptionError("client= needs store=, a path on a disk that the workers share.")
    with writing(Path(store)):
        return Scale(client, None, source.options.progress).capture(source, Path(store))


def stream(
    model: nn.Module,
    batches: Any,
    *,
    modules: Sequence[str] | None = None,
    quantities: Sequence[str] | str = "all",
    units: Any = None,
    where: Where = None,
    batch_size: int = 64,
    dtype: str = "float32",
    check: str = "sample",
    progress: bool = True,
) -> Captured:
    """Return what `capture` would, as chunks that are made when asked for and not kept.

    Parameters
    ----------
    model, batches, modules, quantities, units, where, batch_size, dtype, check, progress
        As of `capture`. Iterating again runs the model again, so ``batches`` has to be iterable again.

    Returns
    -------
    Stream
        Yields datasets ``(token, unit)`` of whole samples, at most ``batch_size`` of them (a batch that is
        decoded comes whole); without a dataset where no token of a piece matches ``where``.
    """
    return Captured(model, batches, Options(modules, quantities, units, where, batch_size, dtype, check, progress))


class Captured:
    """A `Stream` of captured chunks; sent elsewhere, it goes without its batches."""

    def __init__(self, model: nn.Module, batches: Any, options: Options, first: int = 0) -> None:
        if isinstance(batches, Iterator):
            raise CaptureError(
                "A stream may be read more than once, and an iterator only once. Give a list or a re-iterable."
            )
        self.model, self.batches, self.options, self.first = model, batches, options, first
        self.attrs = describe(model, batches)

    def __iter__(self) -> Iterator[xr.Dataset]:
        session = self.session()
        for labels in session.run():
            matrix, session.matrix = session.matrix, None
            if matrix is not None and matrix.used:
                yield session.dataset(matrix.finish(), labels)

    def session(self) -> Session:
        """Return a pass over the batches that has not begun."""
        session = Session(self.model, self.batches, self.options, streaming=True)
        session.samples, session.attrs = self.first, self.attrs
        return session

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"batches": ()}

    def shards(self) -> Iterator[Shard]:
        """Yield batches of some thousand samples, with the number of samples before them."""
        session = self.session()
        return shards_of(self.batches, lambda batch: session.planned(batch).axis)

    def of(self, shard: Shard) -> Captured:
        """Return the stream of some of the batches."""
        part = Captured(self.model, shard.batches, self.options, shard.first)
        part.attrs = self.attrs
        return part

    def identity(self) -> dict[str, str]:
        """Return what tells the call from others."""
        return {**begin(self.session()).call, "batches=": fingerprint(self.batches)}
