"""One pass over batches: the model runs piece by piece, and rows and labels come out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from interp.capturing.assembly import assemble
from interp.capturing.batching import Piece, call_model, each_batch, join_outputs, pieces
from interp.capturing.hooks import eager, recorded
from interp.capturing.labels import flatten, join_labels
from interp.capturing.long import in_time, prefix
from interp.capturing.matrix import Matrix, check_dtype
from interp.capturing.plan import Plan
from interp.capturing.planning import make_plan
from interp.capturing.progress import tracked
from interp.capturing.provenance import check_model, describe, undisturbed
from interp.capturing.recording import Recording
from interp.capturing.scout import unwrap
from interp.capturing.selfcheck import SelfCheck
from interp.capturing.tokens import Tokens
from interp.capturing.watches import Sheets
from interp.contracts import Batch
from interp.errors import CaptureError, OptionError
from interp.schema import dataset

if TYPE_CHECKING:
    import xarray as xr

Where: TypeAlias = Mapping[str, Any] | Callable[[Mapping[str, np.ndarray]], np.ndarray] | None


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

    def head(self, labels: dict[str, np.ndarray]) -> xr.Dataset:
        """Return a dataset with the coords of tokens and units, and no values."""
        assert self.plan is not None  # noqa: S101
        nothing = np.zeros((), self.options.dtype)
        return self.dataset(np.broadcast_to(nothing, (len(labels["sample"]), self.plan.width)), labels)

    def nothing(self) -> str:
        """Return the sentence that says why there is no row."""
        if not self.seen:
            return "batches= is empty: expected at least one Batch, tensor or PackedSequence."
        return f"where={self.options.where!r} matches none of the {self.seen} tokens."
