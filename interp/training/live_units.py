"""Access to the units that penalties read during training, using the module's fused kernels where possible."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from interp.activations.batching import MicroBatch, as_batch, sample_count
from interp.activations.inspection import ModuleTrace, output_layout
from interp.activations.plan import ModulePlan
from interp.activations.tokens import TokenIndex, gather_rows, packed_row_index
from interp.base import Batch
from interp.errors import CaptureError, OptionError
from interp.interventions.edited_model import EditedModel, apply_edits, replace_output_hook, with_tensor
from interp.interventions.forward_pass import ForwardPass
from interp.interventions.gradients import Key, RecordedValues, RecordingEdit
from interp.interventions.session import begin_forward, inspect_edited_modules
from interp.interventions.targets import UnitGroup, UnitIndex
from interp.recurrence.sequences import SequenceLayout, read_input
from interp.torch_utils import force_eager, forward_hook, tensor_of


@dataclass
class LiveForward:
    """One forward whose units are recorded.

    Attributes
    ----------
    inputs : list of Tensor (row, feature)
        Input of the first recurrent module in each of its calls.
    """

    forward_pass: ForwardPass
    recorders: Sequence[RecordedUnits]
    inputs: list[Tensor] = field(default_factory=list)
    first_module: str = ""

    @property
    def tokens(self) -> TokenIndex:
        """The tokens of the forward."""
        return self.recorders[0].tokens()

    def read_inputs(self) -> Tensor:
        """Return the input of the first recurrent module, ``(token, feature)``."""
        if not self.inputs:
            raise CaptureError("The model has not called a recurrent module, so a penalty can't read its inputs.")
        rows = packed_row_index(self.recorders[0].call_layouts(self.first_module), self.tokens)
        return torch.cat(self.inputs)[rows].detach()

    def read_outputs(self, output: Any) -> Tensor:
        """Return the output of the model, ``(token, output)``."""
        tensor, layout = tensor_of(output), None
        axes = self.recorders[0].call_layouts(list(self.forward_pass.layouts)[-1]) if self.forward_pass.layouts else []
        if tensor is not None and axes:
            layout = output_layout(ModuleTrace("model", nn.Identity(), None, [], [tensor]), axes[-1])
        if tensor is None or layout is None:
            raise CaptureError("The model's output has no time axis, so a penalty can't read it by token.")
        return gather_rows([tensor], layout, self.tokens, self.recorders[0].packed_layouts(len(tensor)))


class LiveUnits:
    """Positions of the units of penalties in a model, and access to their values.

    Outputs of modules, and ``h`` of the last layer, are read from the module's output, and its fused kernel runs. For
    all other units the engine of `interp.intervene` runs the recurrent modules step by step.

    Parameters
    ----------
    model : Module
        Model to train.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model, self.unit_index = model, UnitIndex(model)
        self.readings: dict[str, ModulePlan] = {}
        self.recurrent = [name for name, entry in self.unit_index.traces.items() if entry.adapter is not None]
        self.cells = any(self.unit_index.traces[name].adapter.cell for name in self.recurrent)  # type: ignore[union-attr]

    def names(self, units: Any) -> list[str]:
        """Return the names of units; for None, those of the output of the last recurrent module."""
        if units is not None:
            return self.unit_index.names(units)
        if not self.recurrent:
            raise CaptureError("The model has no recurrent module that can be read: set units= of the penalty.")
        adapter = self.unit_index.traces[self.recurrent[-1]].adapter
        assert adapter is not None  # noqa: S101
        coords = self.unit_index.coords
        mask = (coords["module"] == self.recurrent[-1]) & (coords["quantity"] == adapter.state[0])
        mask &= coords["layer"] == coords["layer"][mask].max()
        return [str(name) for name in coords["unit"][mask]]

    def recorder(self, units: Any, change: Transform | None = None) -> RecordedUnits:
        """Return an edit that records some units, and optionally changes them.

        Raises
        ------
        OptionError
            If units in several places are to be changed.
        """
        names = self.names(units)
        targets = self.unit_index.targets(names)
        outputs = None if self.cells else self._output_targets(targets)
        if change is not None and len(outputs or targets) > 1:
            places = ", ".join(sorted({f"{t.module}.{t.layer}.{t.direction}.{t.quantity}" for t in targets}))
            raise OptionError(
                f"A penalty that edits its units needs them in one place, but these are in {places}. "
                "Select units of one place, or use one penalty per place."
            )
        if outputs is not None:
            return RecordedUnits(names, outputs, change)
        scope = "recurrence" if change is None or self.cells else "readout"
        return RecordedUnits(names, targets, change, stepwise=True, scope=scope)

    def _output_targets(self, targets: list[UnitGroup]) -> list[UnitGroup] | None:
        """Return targets as columns of module outputs, one target per module; None if some are not outputs."""
        parts_by_module: dict[str, list[tuple[Tensor, Tensor]]] = {}
        for target in targets:
            offset = self._output_offset(target)
            if offset is None:
                return None
            parts_by_module.setdefault(target.module, []).append((target.columns + offset, target.positions))
        modules = parts_by_module.items()
        joined = {name: [torch.cat(part) for part in zip(*parts, strict=True)] for name, parts in modules}
        return [UnitGroup(name, -1, "", "out", columns, places) for name, (columns, places) in joined.items()]

    def _output_offset(self, target: UnitGroup) -> int | None:
        """Return the column of the module output at which a target starts; None if it is no output."""
        if target.quantity == "out":
            return 0
        entry = self.unit_index.traces[target.module]
        adapter, module = entry.adapter, entry.module
        if adapter is None or target.quantity != adapter.state[0] or target.layer != adapter.layers(module) - 1:
            return None
        return adapter.directions(module).index(target.direction) * adapter.quantity_sizes(module)[target.quantity]

    @contextmanager
    def record(self, batch: Batch, heard: Sequence[RecordedUnits]) -> Iterator[LiveForward]:
        """Record the units in the forward that runs inside the block."""
        checked = as_batch(batch)
        passed = begin_forward(
            MicroBatch.from_batch(checked, sample_count(checked, None)), EditedModel(self.model, []), 0, 0
        )
        current, stepped = LiveForward(passed, heard), [recorder for recorder in heard if recorder.stepwise]
        with ExitStack() as stack:
            if stepped:
                stack.enter_context(self._stepwise_edits(stepped, checked, passed))
            for name in self.recurrent:
                record_call = partial(self._record_call, current, name, not stepped)
                stack.enter_context(forward_hook(self.unit_index.modules[name], record_call))
            for recorder in heard:
                if not recorder.stepwise:
                    recorder.start_recording(list(recorder.units), passed)
                    self._hook_outputs(stack, current, recorder)
            yield current

    @contextmanager
    def _stepwise_edits(self, heard: Sequence[RecordedUnits], batch: Batch, passed: ForwardPass) -> Iterator[None]:
        stage = EditedModel(self.model, heard, "none")
        if not self.readings:
            self.readings = inspect_edited_modules(self.model, batch, stage)
        stage.readings = self.readings
        stage.set_forward(passed)
        with force_eager(), apply_edits(stage):
            yield

    def _record_call(self, current: LiveForward, name: str, alone: bool, data: Any, _output: Any) -> None:
        """Record the layout of a call of a recurrent module, unless the engine does, and the first module's inputs."""
        module, entry = self.unit_index.modules[name], self.unit_index.traces[name]
        cell = entry.adapter is not None and entry.adapter.cell
        rows, axis = (data, None) if cell else read_input(module, data)
        if alone and axis is not None:
            current.forward_pass.enter_call(name, axis, several=False)
        if current.first_module in ("", name):
            current.first_module = name
            current.inputs.append(rows)

    def _hook_outputs(self, stack: ExitStack, current: LiveForward, heard: RecordedUnits) -> None:
        for target in heard.targets:
            module = self.unit_index.modules[target.module]
            stack.enter_context(
                replace_output_hook(target.module, module, partial(self._edit_output, current, heard, target))
            )

    def _edit_output(self, current: LiveForward, heard: RecordedUnits, target: UnitGroup, output: Any) -> Any:
        """Return the output of a module, recorded and changed by a penalty."""
        module, value = self.unit_index.modules[target.module], tensor_of(output)
        layout = None if value is None else batch_output_layout(module, output, target, current.forward_pass)
        if value is None or layout is None:
            raise CaptureError(
                f"The output of {target.module!r} can't be read by token: it has no time axis, or no recurrent module "
                "ran before it."
            )
        return with_tensor(output, heard.edit_output(target, layout, value))


def batch_output_layout(module: nn.Module, output: Any, target: UnitGroup, passed: ForwardPass) -> str | None:
    """Return the layout of the output of a module."""
    if isinstance(output, PackedSequence) or (isinstance(output, tuple) and isinstance(output[0], PackedSequence)):
        return "packed"
    axes = passed.layouts.get(target.module)
    value = tensor_of(output)
    assert value is not None  # noqa: S101
    return axes[-1].layout if axes else passed.output_layout(target.module, module, value)


Transform = Callable[[Tensor], Tensor]


class RecordedUnits(RecordingEdit):
    """An edit that records units at every token, before and after a change.

    Parameters
    ----------
    names : list of str
        Names of the units.
    targets : list of UnitGroup
        Positions of the units in the model.
    change : callable, optional
        ``change(values (row, unit)) -> values``; requires that all units are in one place.
    stepped : bool
        True if the engine runs the recurrent modules step by step.
    scope : {"recurrence", "readout"}
        As in `Edit`.
    """

    def __init__(
        self,
        names: list[str],
        targets: list[UnitGroup],
        change: Transform | None = None,
        *,
        stepwise: bool = False,
        scope: str = "recurrence",
    ) -> None:
        super().__init__(names, scope=scope)
        self.targets, self.transform, self.stepwise = targets, change, stepwise
        self.edited_values: dict[Key, list[Tensor]] = {}
        self.calls: list[StepRecorder] = []

    def start_recording(self, names: list[str], passed: ForwardPass) -> None:
        """Start recording a new forward."""
        super().start_recording(names, passed)
        self.edited_values, self.calls = {}, []

    def make_step_edit(self, target: UnitGroup, axis: SequenceLayout) -> StepRecorder:  # noqa: ARG002
        """Return the recorder of one call of a recurrent module, step by step."""
        self.calls.append(StepRecorder(self, self.record_for(target)))
        return self.calls[-1]

    def edit_output(self, target: UnitGroup, layout: str, output: Tensor) -> Tensor:
        """Record the output of a module, and return it as changed by the penalty."""
        spot = self.record_for(target, layout)
        spot.values.append(output)
        edited = self.apply_transform(target, output)
        self.edited_values.setdefault(target_key(target), []).append(edited)
        return edited

    def apply_transform(self, target: UnitGroup, value: Tensor) -> Tensor:
        """Return a value ``(…, size)`` with the units of a target changed by the penalty."""
        if self.transform is None:
            return value
        rows = value.flatten(0, -2)
        order = target.positions.argsort()
        columns = target.columns[order].to(value.device)
        edited = self.transform(rows.index_select(1, columns)).to(value.dtype)
        return rows.index_copy(1, columns, edited).view(value.shape)

    def value(self) -> Tensor:
        """Return the units before the change, ``(token, unit)``."""
        return self.gather({key: self._values_before(spot) for key, spot in self.records.items()}, None)

    def edited(self) -> Tensor:
        """Return the units after the change, ``(token, unit)``."""
        stepped = {
            key: [call.concat_steps(call.after) for call in self._calls_of(spot)] for key, spot in self.records.items()
        }
        return self.gather({key: self.edited_values.get(key) or stepped[key] for key in self.records}, None)

    def _values_before(self, spot: RecordedValues) -> list[Tensor]:
        return spot.values or [call.concat_steps(call.before) for call in self._calls_of(spot)]

    def _calls_of(self, spot: RecordedValues) -> list[StepRecorder]:
        return [call for call in self.calls if call.record is spot]


class StepRecorder:
    """A recorder of one quantity in one call of a recurrent module."""

    def __init__(self, heard: RecordedUnits, spot: RecordedValues) -> None:
        self.units, self.record = heard, spot
        self.before: dict[int, Tensor] = {}
        self.after: dict[int, Tensor] = {}

    def __call__(self, value: Tensor, step: int) -> Tensor:
        """Record the value of a step ``(sample, size)``, and return it as changed by the penalty."""
        self.before[step] = value
        self.after[step] = self.units.apply_transform(self.record.target, value)
        return self.after[step]

    def concat_steps(self, steps: dict[int, Tensor]) -> Tensor:
        """Return the values of all steps in packed order, ``(row, size)``."""
        return torch.cat([steps[step] for step in sorted(steps)])


def target_key(target: UnitGroup) -> Key:
    """Return the module, layer, direction and quantity of a target."""
    return target.module, target.layer, target.direction, target.quantity
