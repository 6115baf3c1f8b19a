"""A model under edits: the engine replaces its recurrent modules, hooks edit the outputs of other modules."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.jit import ScriptModule
from torch.nn.utils.rnn import PackedSequence

from interp.activations.hooks import record_output
from interp.activations.inspection import ModuleTrace
from interp.activations.plan import ModulePlan
from interp.activations.recording import ForwardRecording
from interp.activations.verification import EngineCheck, sample_indices, select_samples, select_state_samples
from interp.errors import CaptureError, OptionError, UnknownNameError
from interp.interventions.editors import RowSubstitution, StepEdit, make_observer, substitute_rows
from interp.interventions.edits import Edit
from interp.interventions.forward_pass import EditUsage, ForwardPass
from interp.interventions.gradients import RecordingEdit
from interp.interventions.targets import UnitGroup, UnitIndex
from interp.recurrence.adapter import Adapter
from interp.recurrence.engine import StepObserver, run_cell, run_sequence
from interp.recurrence.sequences import SequenceLayout
from interp.torch_utils import Forward, forward_hook, patched_forward, tensor_of

RecorderFactory = Callable[[int, str, SequenceLayout], StepObserver]
EDITED_ATTRIBUTE = "interp_edits"


class BoundEdit:
    """One edit with the names and positions of its units in a model."""

    def __init__(self, edit: Edit, layout: UnitIndex) -> None:
        has_all_units = edit.units is None and isinstance(edit, RecordingEdit)
        self.edit, self.names = edit, list(layout.column_by_name) if has_all_units else layout.names(edit.units)
        self.targets, self.usage = layout.targets(self.names), EditUsage()
        self._cache: dict[int, Tensor] = {}

    def values(self, target: UnitGroup) -> Tensor:
        """Return the replacement values of the units of a target, ``(row, unit)``."""
        values = self._cache.get(0)
        if values is None:
            values = self._cache[0] = self.edit.values(self.names)
        if len(self.names) == len(target.positions):
            return values
        if values.requires_grad:
            return values[:, target.positions]
        return self._cache.setdefault(id(target), values[:, target.positions])


class EditedModel:
    """A model under edits.

    Parameters
    ----------
    model : Module
        Model whose recurrent modules are run by the engine, edited or not, so that only the edits have an effect.
    edits : sequence of Edit
        Edits in the order in which they apply.

    Raises
    ------
    UnknownNameError, CaptureError, OptionError
        If edits do not fit the model.
    """

    def __init__(self, model: nn.Module, edits: Any, check: str = "sample") -> None:
        self.unit_index, self.check = UnitIndex(model), None if check == "none" else EngineCheck(check)
        self.bound_edits = [BoundEdit(edit, self.unit_index) for edit in as_edit_list(edits)]
        self.output_modules = sorted({t.module for s in self.bound_edits for t in s.targets if t.quantity == "out"})
        self.readings: dict[str, ModulePlan] = {}
        self.current_pass: ForwardPass | None = None
        self._check_cells()

    def _check_cells(self) -> None:
        for scheduled in self.bound_edits:
            for target in scheduled.targets:
                entry = self.unit_index.traces.get(target.module)
                cell = entry is not None and entry.adapter is not None and entry.adapter.cell
                if cell and scheduled.edit.scope == "readout":
                    raise CaptureError(
                        f"scope='readout' has no meaning in {target.module!r}: the model itself passes the state of a "
                        "cell from step to step. Use scope='recurrence'."
                    )

    def set_forward(self, started: ForwardPass) -> None:
        """Start a forward."""
        self.current_pass = started
        for scheduled in self.bound_edits:
            if isinstance(scheduled.edit, RecordingEdit):
                scheduled.edit.start_recording(scheduled.names, started)

    @property
    def forward_pass(self) -> ForwardPass:
        """The current forward; a new one is started if there is none."""
        if self.current_pass is None:
            self.set_forward(ForwardPass())
        assert self.current_pass is not None  # noqa: S101
        return self.current_pass

    def require_use(self) -> None:
        """Raise an error if an edit changed nothing in all forwards."""
        for scheduled in self.bound_edits:
            if not (isinstance(scheduled.edit, RecordingEdit) and scheduled.edit.records):
                scheduled.usage.require_use(scheduled.edit)

    def make_observer_factory(self, name: str, adapter: Adapter, record: RecorderFactory | None) -> RecorderFactory:
        """Return the function that makes the engine's observers for one call of a module."""
        return partial(self._make_watch, name, adapter, record, [])

    def _make_watch(
        self,
        name: str,
        adapter: Adapter,
        record: RecorderFactory | None,
        offset: list[np.ndarray],
        layer: int,
        direction: str,
        axis: SequenceLayout,
    ) -> StepObserver:
        if not offset:
            reading = self.readings.get(name)
            offset.append(self.forward_pass.enter_call(name, axis, reading is not None and reading.n_calls > 1))
        inner = record(layer, direction, axis) if record is not None else None
        state, output = (
            self._changes(name, layer, direction, scope, axis, offset[0]) for scope in ("recurrence", "readout")
        )
        return make_observer(state, output, adapter.state[0], inner if type(inner) is not StepObserver else None)

    def _changes(
        self, name: str, layer: int, direction: str, scope: str, axis: SequenceLayout, offset: np.ndarray
    ) -> Mapping[str, Sequence[StepEdit]]:
        """Return the edits of one layer and direction in one call, by quantity."""
        changes: dict[str, list[StepEdit]] = {}
        for scheduled in self.bound_edits:
            edit = scheduled.edit
            if edit.scope != scope:
                continue
            for target in scheduled.targets:
                if (target.module, target.layer, target.direction) != (name, layer, direction):
                    continue
                if isinstance(edit, RecordingEdit):
                    change: StepEdit = edit.make_step_edit(target, axis)
                else:
                    rows = self.forward_pass.edit_rows(edit, scheduled.usage, axis.lengths.numpy(), offset)
                    change = RowSubstitution(rows, scheduled.values(target), target.columns, axis)
                changes.setdefault(target.quantity, []).append(change)
        return changes

    def edit_output(self, name: str, output: Any) -> Any:
        """Return the edited output of a module that is not recurrent."""
        value = tensor_of(output)
        if value is None or value.dim() < 2 or not value.is_floating_point():
            raise CaptureError(f"The output of {name!r} can't be edited: it is not a float tensor with a time axis.")
        passed, module = self.forward_pass, self.unit_index.modules[name]
        call = passed.outputs.get(name, 0)
        passed.outputs[name] = call + 1
        reading = self.readings.get(name)
        layout = reading.layout if reading is not None else passed.output_layout(name, module, value)
        edited = value
        for scheduled in self.bound_edits:
            for target in scheduled.targets:
                if target.module == name and target.quantity == "out":
                    edited = self._edit_value(scheduled, target, layout, edited, call)
        return with_tensor(output, edited)

    def _edit_value(
        self, scheduled: BoundEdit, target: UnitGroup, layout: str | None, value: Tensor, call: int
    ) -> Tensor:
        """Return an output after one edit."""
        edit = scheduled.edit
        if layout is None and not (edit.is_constant and not isinstance(edit, RecordingEdit)):
            raise CaptureError(
                f"The tokens of the output of {target.module!r} are unknown: no recurrent module ran before it, or it "
                "has no time axis. Give the batch: interp.intervene(model, edits, batch=…), or "
                "interp.capture(..., edits=…)."
            )
        if isinstance(edit, RecordingEdit):
            return edit.edit_output(target, layout or "", value)
        n_dims = 2 if layout in ("batch", "time") or (layout is None and value.dim() > 2) else 1
        flat = value.reshape(value.shape[:n_dims].numel(), -1)
        if int(target.columns.max()) >= flat.shape[1]:
            raise UnknownNameError(
                f"No unit named '{target.module}.out.{int(target.columns.max())}': "
                f"the output of {target.module!r} has {flat.shape[1]} units."
            )
        if layout is None:
            rows = torch.zeros(len(flat), dtype=torch.int64)
            tally = scheduled.usage
            tally.calls, tally.tokens, tally.steps = tally.calls + 1, tally.tokens + len(flat), sys.maxsize
        else:
            rows = self.forward_pass.output_rows(edit, scheduled.usage, layout, value, call)
        return substitute_rows(flat, rows, scheduled.values(target), target.columns).reshape(value.shape)


def as_edit_list(edits: Any) -> list[Edit]:
    """Return edits as a list; raise `OptionError` if one is not an edit."""
    items = [edits] if isinstance(edits, Edit) else list(edits)
    for edit in items:
        if not isinstance(edit, Edit):
            raise OptionError(
                f"edits= takes interp.Ablate, Clamp, Patch or Leaves; got {type(edit).__name__}: {edit!r}."
            )
    return items


def with_tensor(output: Any, value: Tensor) -> Any:
    """Return an output with its tensor, packed data, or first element of a tuple replaced."""
    if isinstance(output, PackedSequence):
        return PackedSequence(value, output.batch_sizes, output.sorted_indices, output.unsorted_indices)
    if isinstance(output, tuple | list):
        return type(output)((with_tensor(output[0], value), *output[1:]))
    return value


@contextmanager
def apply_edits(stage: EditedModel, recording: ForwardRecording | None = None) -> Iterator[None]:
    """Apply the edits of a stage, and record its quantities, whenever the model runs inside the block."""
    readings = {reading.name: reading for reading in recording.plan.modules} if recording is not None else {}
    with ExitStack() as stack:
        for name, entry in stage.unit_index.traces.items():
            if entry.adapter is not None:
                if hasattr(entry.module.__dict__.get("forward"), EDITED_ATTRIBUTE):
                    raise CaptureError(f"{name!r} is already edited: put all edits into one list.")
                stack.enter_context(
                    patched_forward(entry.module, edited_forward(stage, entry, recording, readings.get(name)))
                )
        for name in stage.output_modules:
            stack.enter_context(
                replace_output_hook(name, stage.unit_index.modules[name], partial(stage.edit_output, name))
            )
        for reading in readings.values():
            if reading.adapter is None and recording is not None:
                stack.enter_context(forward_hook(reading.module, partial(record_output, recording, reading)))
        yield


def edited_forward(
    stage: EditedModel, entry: ModuleTrace, recording: ForwardRecording | None, reading: ModulePlan | None
) -> Forward:
    """Return a ``forward`` that runs the engine under the edits of a stage."""
    adapter, module, original = entry.adapter, entry.module, entry.module.forward
    assert adapter is not None  # noqa: S101
    engine = run_cell if adapter.cell else run_sequence

    def forward(input: Any, hx: Any = None) -> Any:  # noqa: A002 (argument names of torch's modules)
        if stage.check is not None:
            compare_with_module(stage.check, entry, original, input, hx)
        record = recording.observer_factory(reading) if recording is not None and reading is not None else None
        return engine(adapter, module, input, hx, stage.make_observer_factory(entry.name, adapter, record))

    setattr(forward, EDITED_ATTRIBUTE, stage)
    return forward


def compare_with_module(check: EngineCheck, entry: ModuleTrace, original: Forward, data: Any, state: Any) -> None:
    """Compare the engine without edits with the module, on some samples of each new structure of call."""
    adapter, module = entry.adapter, entry.module
    assert adapter is not None  # noqa: S101
    max_samples = 0 if module.training else check.samples_to_check(entry.name, data, state)
    if not max_samples:
        return
    with torch.no_grad():
        choice = sample_indices(data, adapter.cell, module, max_samples)
        if choice is not None:
            data, state = (
                select_samples(data, choice, module, adapter.cell),
                select_state_samples(state, choice, adapter.cell),
            )
        engine = run_cell if adapter.cell else run_sequence
        result = engine(adapter, module, data, state, lambda *_: StepObserver())
        check.compare(entry.name, original, adapter, module, (data, state), result, sys.maxsize)


@contextmanager
def replace_output_hook(name: str, module: nn.Module, answer: Callable[[Any], Any]) -> Iterator[None]:
    """Replace the output of a module with ``answer(output)`` in each forward inside the block."""
    if isinstance(module, ScriptModule):
        original = getattr(module, "forward", None)
        if original is None:
            raise CaptureError(
                f"The output of {name!r} can't be edited: torch.jit has compiled it. Edit the original module."
            )
        with patched_forward(module, lambda *args, **kwargs: answer(original(*args, **kwargs))):
            yield
        return
    handle = module.register_forward_hook(lambda _module, _args, output: answer(output))
    try:
        yield
    finally:
        handle.remove()
