"""Inspection of a model: a trial forward that traces its modules, and the adapters and layouts of what they return."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from interp.activations.batching import MicroBatch, call_model
from interp.errors import CaptureError, unknown_name_error
from interp.recurrence.adapter import Adapter
from interp.recurrence.sequences import SequenceLayout, read_input
from interp.registry import active_registry
from interp.torch_utils import class_name, first_tensor, forward_hook, is_time_first, named_modules, tensor_of, unwrap

RECURRENT_NAME = re.compile(r"(LSTM|GRU|RNN|Recurrent|SRU|Cell$)")


@dataclass
class ModuleTrace:
    """Trace of one module during one forward.

    Attributes
    ----------
    name : str
        Dotted name, or ``model`` for the model itself.
    module : Module
        The module.
    adapter : Adapter, optional
        Adapter of the module, if there is one.
    inputs, outputs : list
        First argument and result of each call.
    """

    name: str
    module: nn.Module
    adapter: Adapter | None
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)


def registered_adapters() -> list[Adapter]:
    """Return the registered adapters."""
    return [owned.value for owned in active_registry().table("adapter").values()]


def find_adapter(module: nn.Module, adapters: Sequence[Adapter]) -> Adapter | None:
    """Return the adapter of a module's class, or of a base class whose ``forward`` it inherits; None without one."""
    if isinstance(module, torch.jit.ScriptModule):
        return None
    by_class = {imported_class(adapter.module): adapter for adapter in adapters}
    for base in type(module).__mro__:
        adapter = by_class.get(base) or by_class.get(f"{base.__module__}.{base.__qualname__}")
        if adapter is not None:
            return adapter if type(module).forward is getattr(base, "forward", None) else None
    return None


def imported_class(name: str) -> type | str:
    """Return the class of a dotted name if its module is imported (otherwise no model can use it), else the name."""
    module, _, attribute = name.rpartition(".")
    return getattr(sys.modules.get(module), attribute, name)


def is_unreadable_recurrent(module: nn.Module) -> bool:
    """Return whether the name of a module without an adapter suggests that it is recurrent itself, not a part of it."""
    has_recurrent_part = any(has_recurrent_name(part) for part in module.modules() if part is not module)
    if isinstance(module, torch.jit.ScriptModule):  # its parts can't be observed
        return has_recurrent_part or has_recurrent_name(module)
    return has_recurrent_name(module) and not has_recurrent_part


def has_recurrent_name(module: nn.Module) -> bool:
    """Return whether the name of the module's class, or of a base class, is typical of recurrent modules."""
    names = [class_name(module), *(base.__name__ for base in type(module).__mro__)]
    return any(RECURRENT_NAME.search(name) for name in names)


def find_modules(model: nn.Module, names: Sequence[str] | None) -> dict[str, ModuleTrace]:
    """Return an empty trace of each named module, recurrent module and ``nn.Linear``.

    Raises
    ------
    UnknownNameError
        For a name that the model does not have.
    """
    modules, registered = named_modules(model), registered_adapters()
    traces: dict[str, ModuleTrace] = {}
    for name in names or ():
        if name not in modules:
            raise unknown_name_error("module", name, modules)
        traces[name] = ModuleTrace(name, modules[name], find_adapter(modules[name], registered))
    for name, module in modules.items():
        adapter = find_adapter(module, registered)
        inside = any(_contains(outer, name) for outer, trace in traces.items() if is_opaque(trace))
        if not inside and (adapter is not None or isinstance(module, nn.Linear) or is_unreadable_recurrent(module)):
            traces[name] = ModuleTrace(name, module, adapter)
    return traces


def is_opaque(trace: ModuleTrace) -> bool:
    """Return whether the parts of a module can't be observed: the engine runs it, or ``torch.jit`` compiled it."""
    return trace.adapter is not None or isinstance(trace.module, torch.jit.ScriptModule)


def _contains(outer: str, name: str) -> bool:
    return name.startswith(f"{outer}.") or (outer == "model" and name != "model")


@contextmanager
def tracing(traces: Mapping[str, ModuleTrace], order: list[str]) -> Iterator[None]:
    """Record the inputs and outputs of modules, and the order of their first calls."""

    def record_call(trace: ModuleTrace, data: Any, output: Any) -> None:
        if trace.name not in order:
            order.append(trace.name)
        trace.inputs.append(data)
        trace.outputs.append(output)

    with ExitStack() as stack:
        for trace in traces.values():
            stack.enter_context(forward_hook(trace.module, partial(record_call, trace)))
        yield


def trace_forward(model: nn.Module, micro_batch: MicroBatch, names: Sequence[str] | None) -> dict[str, ModuleTrace]:
    """Run a micro-batch and return the traces of the modules in the order of their first calls.

    Raises
    ------
    CaptureError
        For a named module that was not called.
    UnknownNameError
        For a name that the model does not have.
    """
    traces, order = find_modules(model, names), []  # type: ignore[var-annotated]
    with tracing(traces, order), torch.no_grad():
        call_model(unwrap(model), micro_batch)
    uncalled = [name for name in (names or ()) if name not in order]
    if uncalled:
        raise CaptureError(
            f"The model did not call {', '.join(map(repr, uncalled))} on these inputs; leave it out of modules=."
        )
    return {name: traces[name] for name in order}


def time_axes(traces: Mapping[str, ModuleTrace], micro_batch: MicroBatch) -> list[SequenceLayout]:
    """Return the time axis of the first call of each recurrent module; without any, that of the inputs."""
    axes = []
    for trace in traces.values():
        first = trace.inputs[0]
        if trace.adapter is not None and trace.adapter.cell:
            axes.append(SequenceLayout((first.shape[0] if first.dim() > 1 else 1,) * len(trace.inputs), None, "cell"))
        elif trace.adapter is not None or is_sequence_call(trace.module, first):
            axes.append(read_input(trace.module, first)[1])
    return axes or input_axes(micro_batch, is_time_first([trace.module for trace in traces.values()]))


def is_sequence_call(module: nn.Module, data: Any) -> bool:
    """Return whether a module without an adapter takes the same inputs as torch's sequence modules."""
    is_sequence = isinstance(data, PackedSequence) or (isinstance(data, Tensor) and data.dim() == 3)
    return is_sequence and hasattr(module, "batch_first") and is_unreadable_recurrent(module)


def input_axes(micro_batch: MicroBatch, steps_first: bool) -> list[SequenceLayout]:
    """Return the time axis of the first input in a list; [] if it has none."""
    first = first_tensor(micro_batch.inputs)
    if isinstance(first, PackedSequence):
        return [SequenceLayout(tuple(first.batch_sizes.tolist()), first.sorted_indices, "packed")]
    if isinstance(first, Tensor) and first.dim() > 1:
        steps, samples = first.shape[:2] if steps_first else first.shape[1::-1]
        return [SequenceLayout((samples,) * steps, None, "time" if steps_first else "batch")]
    return []


def output_layout(trace: ModuleTrace, axis: SequenceLayout) -> str | None:
    """Return the layout of a module's output (see `ModulePlan`), or None if it has no time axis."""
    output = tensor_of(trace.outputs[0])
    if output is None or output.dim() < 2 or not output.is_floating_point():
        return None
    first, second = output.shape[0], output.shape[1]
    if axis.layout == "single":
        return "single" if first == axis.steps else None
    if output.dim() > 2:
        samples_first, samples_second = first == axis.samples, second == axis.samples
        if samples_first and samples_second:
            return "time" if axis.layout == "time" else "batch"
        return "batch" if samples_first else "time" if samples_second else None
    if first == axis.starts[-1] and axis.layout == "packed":
        return "packed"
    if first == axis.samples and (len(trace.outputs) > 1 or axis.steps == 1):
        return "call"
    if first == axis.samples * axis.steps:
        return "flat-time" if axis.layout == "time" or axis.steps_first else "flat-batch"
    return None
