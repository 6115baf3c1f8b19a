"""Capture session: one pass over the batches, in micro-batches, that yields rows and labels."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from interp.activations.batching import MicroBatch, call_model, iter_batches, join_outputs, split_batch
from interp.activations.hooks import record_forward
from interp.activations.long_sequences import (
    CHUNK_STEPS,
    TRIAL_STEPS,
    TRIAL_TOLERANCE,
    planning_prefix,
    slice_steps,
    split_steps,
    time_dim,
)
from interp.activations.plan import CapturePlan, make_plan
from interp.activations.provenance import check_model, model_attrs
from interp.activations.recorders import RowBuffer, ScratchBuffers, check_dtype
from interp.activations.recording import ForwardRecording, finalize
from interp.activations.tokens import TokenIndex
from interp.activations.verification import EngineCheck
from interp.base import Batch
from interp.errors import CaptureError, InterpError, OptionError
from interp.labels import TokenLabels, flatten_label, join_labels
from interp.progress import track
from interp.schema import make_dataset
from interp.torch_utils import first_tensor, force_eager, preserve_rng, unwrap

if TYPE_CHECKING:
    import xarray as xr


Where: TypeAlias = Mapping[str, Any] | Callable[[Mapping[str, np.ndarray]], np.ndarray] | None


@dataclass(frozen=True)
class CaptureOptions:
    """Options that `capture` and `stream` share."""

    modules: Sequence[str] | None = None
    quantities: Sequence[str] | str = "all"
    units: Any = None
    where: Where = None
    batch_size: int = 64
    dtype: str = "float32"
    verify: str = "sample"
    progress: bool = True

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise OptionError(f"batch_size= must be at least 1; got {self.batch_size}.")
        check_dtype(self.dtype)


class CaptureSession:
    """One pass over the batches, in micro-batches. The plan is made from the first batch."""

    recording_class: ClassVar[type[ForwardRecording]] = ForwardRecording
    can_shard: ClassVar[bool] = True  # whether parts of the batches may run elsewhere

    def __init__(self, model: nn.Module, batches: Any, options: CaptureOptions, *, streaming: bool = False) -> None:
        check_model(model)
        self.model, self.batches, self.options = unwrap(model), batches, options
        self.plan: CapturePlan | None = None
        self.matrix: RowBuffer | None = None
        self.engine_check = EngineCheck(options.verify)
        self.n_samples = self.n_tokens_seen = 0
        self.streaming = streaming
        self.rng_state: dict[str, Any] = {}
        self.label_is_text: dict[str, bool] = {}  # for each label, whether its values are strings
        self.scratch = ScratchBuffers()
        self.bounded_memory = streaming  # whether memory must stay bounded
        self.attrs = model_attrs(model, batches)

    def run(self) -> Iterator[dict[str, np.ndarray]]:
        """Yield the labels of each batch or micro-batch as soon as its rows are filled."""
        for labels in self._run_batches():
            for name, values in labels.items():
                text = values.dtype.kind == "U"
                if self.label_is_text.setdefault(name, text) is not text:
                    raise CaptureError(
                        f"The label {name!r} has strings in some batches and numbers in others; use one type."
                    )
            yield labels

    def _run_batches(self) -> Iterator[dict[str, np.ndarray]]:
        for batch in track(iter_batches(self.batches), self.options.progress):
            yield from self.run_batch(self.plan_for(batch), batch)

    def run_batch(self, plan: CapturePlan, batch: Batch) -> Iterator[dict[str, np.ndarray]]:
        """Yield the labels of a batch: one long sequence in time chunks, others in micro-batches."""
        chunks = time_chunks(self, plan, batch)
        yield from self.run_long(plan, chunks) if chunks else self.run_micro_batches(plan, batch)

    def run_micro_batches(self, plan: CapturePlan, batch: Batch) -> Iterator[dict[str, np.ndarray]]:
        """Yield the labels of each micro-batch, or of the whole batch if it is decoded."""
        micro_batches = split_batch(batch, self.options.batch_size, plan.sample_dim)
        if batch.decode is not None:
            yield self.decoded_labels(batch, [self.run_forward(plan, micro_batch) for micro_batch in micro_batches])
            return
        for micro_batch in micro_batches:
            yield self.run_forward(plan, micro_batch)[0].labels

    def run_long(self, plan: CapturePlan, chunks: list[tuple[int, MicroBatch]]) -> Iterator[dict[str, np.ndarray]]:
        """Run the time chunks of one long sequence, each with its first step; yield the labels of each."""
        sample, states = self.n_samples, dict[str, Any]()
        for first, micro_batch in chunks:
            yield self.run_forward(plan, micro_batch, first, states)[0].labels
            self.n_samples = sample
        self.n_samples = sample + 1

    def reserve_rows(self, rows: int) -> Tensor:
        """Return the next ``rows`` rows of the matrix, ``(row, unit)``, to be filled."""
        if self.matrix is None:
            assert self.plan is not None  # noqa: S101
            self.matrix = RowBuffer(self.plan.width, self.options.dtype, rows if self.streaming else None)
        return self.matrix.reserve(rows)

    def first_plan(self) -> CapturePlan:
        """Return the plan, made from the first batch."""
        for batch in iter_batches(self.batches):
            return self.plan_for(batch)
        raise CaptureError(self.empty_message())

    def plan_for(self, batch: Batch) -> CapturePlan:
        """Return the plan; make it from ``batch`` if there is none yet."""
        if self.plan is None:
            options = self.options
            with preserve_rng({}), force_eager():
                self.plan = make_plan(
                    self.model, planning_prefix(batch), options.modules, options.quantities, options.units
                )
        return self.plan

    @contextmanager
    def forward_context(self, recording: ForwardRecording, states: dict[str, Any] | None) -> Iterator[None]:
        """Record the forward that runs inside the block; see `record_forward` for ``states``."""
        with record_forward(recording, self.engine_check, states):
            yield

    def run_forward(
        self, plan: CapturePlan, micro_batch: MicroBatch, first_step: int = 0, states: dict[str, Any] | None = None
    ) -> tuple[TokenIndex, Any]:
        """Run and record one forward; return its tokens and the output of the model (None if it was not needed)."""
        first = self.n_samples, first_step
        recording = self.recording_class(plan, micro_batch, self.options.where, first, self.reserve_rows, self.scratch)
        output = None
        if not recording.is_empty or micro_batch.batch.decode is not None or states is not None:
            with preserve_rng(self.rng_state), force_eager(), self.forward_context(recording, states):
                output = call_model(self.model, micro_batch)
            finalize(recording)
        tokens = recording.tokens
        assert tokens is not None  # noqa: S101
        self.n_samples += tokens.lengths.size
        self.n_tokens_seen += tokens.mask.size
        return tokens, output

    def decoded_labels(self, batch: Batch, results: list[tuple[TokenIndex, Any]]) -> dict[str, np.ndarray]:
        """Return the labels of a batch and ``predicted``, decoded from the output of the whole batch."""
        assert batch.decode is not None  # noqa: S101
        labels = join_labels([tokens.labels for tokens, _ in results])
        predicted = batch.decode(
            join_outputs([output for _, output in results], [tokens.lengths.size for tokens, _ in results])
        )
        lengths = np.concatenate([tokens.lengths for tokens, _ in results])
        keep = np.concatenate([tokens.mask for tokens, _ in results])
        return {**labels, "predicted": flatten_label("predicted", predicted, lengths)[keep]}

    def state(self) -> dict[str, Any]:
        """Return the state that changes from batch to batch as JSON-serialisable values."""
        random = self.rng_state.get("cpu", torch.get_rng_state())
        counts = {"samples": self.n_samples, "seen": self.n_tokens_seen, "text": dict(self.label_is_text)}
        return {**counts, "random": random.numpy().tobytes().hex(), "check": self.engine_check.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a `state`."""
        self.n_samples, self.n_tokens_seen, self.label_is_text = (
            state["samples"],
            state["seen"],
            dict(state.get("text", {})),
        )
        self.rng_state = {"cpu": torch.frombuffer(bytearray.fromhex(state["random"]), dtype=torch.uint8)}
        self.engine_check.restore(state["check"])

    def dataset(self, values: np.ndarray, labels: dict[str, np.ndarray]) -> xr.Dataset:
        """Return rows ``(token, unit)`` and their labels as a dataset."""
        assert self.plan is not None  # noqa: S101
        symbols = getattr(self.model, "symbols", None) or {}
        verification = {
            "verification_max_error": self.engine_check.max_error,
            "verification_rows": self.engine_check.checked_rows,
        }
        return make_dataset(
            values, self.plan.unit_coords(symbols), labels, {**self.attrs, **verification, **self.plan.attrs}
        )

    def coords_only(self, labels: dict[str, np.ndarray]) -> xr.Dataset:
        """Return a dataset with the coords of tokens and units and placeholder zeros as values."""
        assert self.plan is not None  # noqa: S101
        zero = np.zeros((), self.options.dtype)
        return self.dataset(np.broadcast_to(zero, (len(labels["sample"]), self.plan.width)), labels)

    def empty_message(self) -> str:
        """Return the error message for a capture without rows."""
        if not self.n_tokens_seen:
            return "batches= is empty: expected at least one Batch, tensor or PackedSequence."
        n, where = self.n_tokens_seen, self.options.where
        return f"where={where!r} matches none of the {n} tokens; give other values for the labels."


def time_chunks(session: CaptureSession, plan: CapturePlan, batch: Batch) -> list[tuple[int, MicroBatch]]:
    """Return the time chunks of a long sequence, each with its first step; an empty list if it can't be split.

    If memory is to stay bounded, warn with the reason why it can't be split.
    """
    dim = time_dim(batch)
    if dim is None or plan.trial_shape != (1, 2 * TRIAL_STEPS):
        return []
    reason = why_not_chunkable(session, plan, batch, dim)
    if reason:
        if session.bounded_memory:
            warnings.warn(f"The sequence runs in one piece, so all its steps are in memory: {reason}", stacklevel=4)
        return []
    steps = first_tensor(batch.inputs).shape[dim]
    labels = TokenLabels(batch.labels, 1, np.array([steps]))
    return list(split_steps(batch, dim, labels, steps, CHUNK_STEPS))


def why_not_chunkable(session: CaptureSession, plan: CapturePlan, batch: Batch, dim: int) -> str:
    """Return the reason why a model can't run in time chunks; an empty string if it can."""
    for module_plan in plan.modules:
        if module_plan.adapter is not None and "backward" in module_plan.adapter.directions(module_plan.module):
            return f"{module_plan.name!r} is bidirectional, and its backward direction starts at the last step."
        if module_plan.adapter is not None and (module_plan.is_stepwise or module_plan.n_calls > 1):
            return f"{module_plan.name!r} is called several times in one forward, with states that the model stores."
    start = slice_steps(batch, dim, 0, 2 * TRIAL_STEPS)
    try:
        whole = run_chunks(session, plan, [(0, MicroBatch.from_batch(start, 1))])
        chunked = run_chunks(session, plan, list(split_steps(start, dim, None, 2 * TRIAL_STEPS, TRIAL_STEPS)))
    except InterpError:
        return "the model does not run on chunks of it."
    scale = np.maximum(1, np.abs(whole))
    if whole.shape != chunked.shape or not (np.abs(whole - chunked) <= TRIAL_TOLERANCE * scale).all():
        return "chunks of it give different values, so the model looks across steps other than through its state."
    return ""


def run_chunks(session: CaptureSession, plan: CapturePlan, chunks: list[tuple[int, MicroBatch]]) -> np.ndarray:
    """Return the activations ``(token, unit)`` of a few steps that run in the given chunks."""
    trial = type(session)(session.model, [], replace(session.options, where=None))
    trial.plan = plan
    for _ in trial.run_long(plan, chunks):
        pass
    assert trial.matrix is not None  # noqa: S101
    return trial.matrix.finish().astype(np.float64)
