"""Run batches through a model and keep what every unit did: one matrix (token, unit)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from interp.capturing.assembly import assemble
from interp.capturing.batching import Piece, call_model, each_batch, join_outputs, pieces
from interp.capturing.hooks import eager, recorded
from interp.capturing.keeping import keep
from interp.capturing.labels import flatten, join_labels
from interp.capturing.long import in_time, prefix
from interp.capturing.manifest import begin
from interp.capturing.matrix import Matrix, check_dtype
from interp.capturing.plan import Plan
from interp.capturing.planning import make_plan
from interp.capturing.progress import tracked
from interp.capturing.provenance import check_model, describe, undisturbed
from interp.capturing.recording import Recording
from interp.capturing.scout import unwrap
from interp.capturing.selfcheck import SelfCheck
from interp.capturing.shards import Shard, fingerprint, shards_of
from interp.capturing.tokens import Tokens
from interp.capturing.watches import Sheets
from interp.contracts import Batch
from interp.errors import CaptureError, OptionError
from interp.schema import dataset

if TYPE_CHECKING:
    import xarray as xr

Where: TypeAlias = Mapping[str, Any] | Callable[[Mapping[str, np.ndarray]], np.ndarray] | None


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
    UnknownNameError
        For a module, quantity, unit or label that does not exist.
    """
    options = Options(modules, quantities, units, where, batch_size, dtype, check, progress)
    session = Session(model, batches, options)
    if store is not None:
        session.bounded = True
        return keep(session, Path(store))
    labels = list(session.run())
    if session.matrix is None or not session.matrix.used:
        raise CaptureError(session.nothing())
    return session.dataset(session.matrix.finish(), join_labels(labels))


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
        session = self._session()
        for labels in session.run():
            matrix, session.matrix = session.matrix, None
            if matrix is not None and matrix.used:
                yield session.dataset(matrix.finish(), labels)

    def _session(self) -> Session:
        session = Session(self.model, self.batches, self.options, streaming=True)
        session.samples, session.attrs = self.first, self.attrs
        return session

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"batches": ()}

    def shards(self) -> Iterator[Shard]:
        """Yield batches of some thousand samples, with the number of samples before them."""
        session = self._session()
        return shards_of(self.batches, lambda batch: session.planned(batch).axis)

    def of(self, shard: Shard) -> Captured:
        """Return the stream of some of the batches."""
        part = Captured(self.model, shard.batches, self.options, shard.first)
        part.attrs = self.attrs
        return part

    def identity(self) -> dict[str, str]:
        """Return what tells the call from others."""
        return {**begin(self._session()).call, "batches=": fingerprint(self.batches)}


@dataclass(frozen=True)
class Options:
    """The options that `capture` and `stream` share."""

    modules: Sequence[str] | None = None
    quantities: Sequence[str] | str = "all"
    units: Any = None
    where: Where = None
    batch_size: int = 64
    dtype: str = "float32"
    check: str = "sample"
    progress: bool = True

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise OptionError(f"batch_size= must be at least 1; got {self.batch_size}.")
        check_dtype(self.dtype)


class Session:
    """One pass over the batches: runs them piece by piece, and knows the plan once the first has been seen."""

    def __init__(self, model: nn.Module, batches: Any, options: Options, *, streaming: bool = False) -> None:
        check_model(model)
        self.model, self.batches, self.options = unwrap(model), batches, options
        self.plan: Plan | None = None
        self.matrix: Matrix | None = None
        self.check = SelfCheck(options.check)
        self.samples = self.seen = 0
        self.streaming = streaming
        self.random: dict[str, Any] = {}
        self.text: dict[str, bool] = {}  # for each label, whether it is strings
        self.sheets = Sheets()
        self.bounded = streaming  # whether memory is to stay bounded
        self.attrs = describe(model, batches)

    def run(self) -> Iterator[dict[str, np.ndarray]]:
        """Yield the labels of each batch or piece of one, when its rows are filled."""
        for labels in self._run():
            for name, values in labels.items():
                text = values.dtype.kind == "U"
                if self.text.setdefault(name, text) is not text:
                    raise CaptureError(f"Some batches have strings as label {name!r} and some numbers; give one kind.")
            yield labels

    def _run(self) -> Iterator[dict[str, np.ndarray]]:
        for batch in tracked(each_batch(self.batches), self.options.progress):
            plan = self.planned(batch)
            long = in_time(self, plan, batch)
            if long:
                yield from self.carried(plan, long)
                continue
            cuts = pieces(batch, self.options.batch_size, plan.axis)
            if batch.decode is None:
                for piece in cuts:
                    yield self._forward(plan, piece)[0].labels
            else:
                yield self._decoded(batch, [self._forward(plan, piece) for piece in cuts])

    def carried(self, plan: Plan, long: list[tuple[int, Piece]]) -> Iterator[dict[str, np.ndarray]]:
        """Yield the labels of each piece of one long sequence, given the first steps of the pieces."""
        sample, states = self.samples, dict[str, Any]()
        for first, piece in long:
            yield self._forward(plan, piece, first, states)[0].labels
            self.samples = sample
        self.samples = sample + 1

    def _reserve(self, rows: int) -> Tensor:
        if self.matrix is None:
            assert self.plan is not None  # noqa: S101
            self.matrix = Matrix(self.plan.width, self.options.dtype, rows if self.streaming else None)
        return self.matrix.reserve(rows)

    def first_plan(self) -> Plan:
        """Return the plan that the first batch gives."""
        for batch in each_batch(self.batches):
            return self.planned(batch)
        raise CaptureError(self.nothing())

    def planned(self, batch: Batch) -> Plan:
        """Return the plan, which the first batch that comes gives."""
        if self.plan is None:
            options = self.options
            with undisturbed({}), eager():
                self.plan = make_plan(self.model, prefix(batch), options.modules, options.quantities, options.units)
        return self.plan

    def _forward(
        self, plan: Plan, piece: Piece, first_step: int = 0, states: dict[str, Any] | None = None
    ) -> tuple[Tokens, Any]:
        first = self.samples, first_step
        recording = Recording(plan, piece, self.options.where, first, self._reserve, self.sheets)
        output = None
        if not recording.idle or piece.batch.decode is not None or states is not None:
            with undisturbed(self.random), eager(), recorded(recording, self.check, states):
                output = call_model(self.model, piece)
            assemble(recording)
        tokens = recording.tokens
        assert tokens is not None  # noqa: S101
        self.samples += tokens.lengths.size
        self.seen += tokens.keep.size
        return tokens, output

    def _decoded(self, batch: Batch, done: list[tuple[Tokens, Any]]) -> dict[str, np.ndarray]:
        """Return the labels of a batch with ``predicted``, decoded from the output of the whole batch."""
        assert batch.decode is not None  # noqa: S101
        labels = join_labels([tokens.labels for tokens, _ in done])
        predicted = batch.decode(
            join_outputs([output for _, output in done], [tokens.lengths.size for tokens, _ in done])
        )
        lengths = np.concatenate([tokens.lengths for tokens, _ in done])
        keep = np.concatenate([tokens.keep for tokens, _ in done])
        return {**labels, "predicted": flatten("predicted", predicted, lengths)[keep]}

    def state(self) -> dict[str, Any]:
        """Return what changes from batch to batch, as plain values."""
        random = self.random.get("cpu", torch.get_rng_state())
        seen = {"samples": self.samples, "seen": self.seen, "text": dict(self.text)}
        return {**seen, "random": random.numpy().tobytes().hex(), "check": self.check.state()}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        self.samples, self.seen, self.text = state["samples"], state["seen"], dict(state.get("text", {}))
        self.random = {"cpu": torch.frombuffer(bytearray.fromhex(state["random"]), dtype=torch.uint8)}
        self.check.resume(state["check"])

    def dataset(self, values: np.ndarray, labels: dict[str, np.ndarray]) -> xr.Dataset:
        """Return rows and their labels as a dataset."""
        assert self.plan is not None  # noqa: S101
        symbols = getattr(self.model, "symbols", None) or {}
        checked = {"max_abs_error": self.check.worst, "checked_rows": self.check.rows}
        return dataset(values, self.plan.units(symbols), labels, {**self.attrs, **checked, **self.plan.notes})

    def nothing(self) -> str:
        """Return the sentence that says why there is no row."""
        if not self.seen:
            return "batches= is empty: expected at least one Batch, tensor or PackedSequence."
        return f"where={self.options.where!r} matches none of the {self.seen} tokens."
