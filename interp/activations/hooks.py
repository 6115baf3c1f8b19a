"""Replacement of the forwards of a model's recurrent modules by the engine, for one forward of the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from interp.activations.plan import ModulePlan
from interp.activations.recording import ForwardRecording
from interp.activations.verification import EngineCheck
from interp.recurrence.engine import run_cell, run_sequence
from interp.torch_utils import Forward, forward_hook, patched_forward


@contextmanager
def record_forward(
    recording: ForwardRecording, check: EngineCheck, states: dict[str, Any] | None = None
) -> Iterator[None]:
    """Record all modules of the plan while the model runs.

    With ``states`` (module name to state), recurrent modules start from their entry and replace it by their last state.
    """
    with ExitStack() as stack:
        for module_plan in recording.plan.modules:
            module = module_plan.module
            if module_plan.adapter is None:
                stack.enter_context(forward_hook(module, partial(record_output, recording, module_plan)))
            elif states is not None:
                forward = (
                    engine_forward(module_plan, recording, check)
                    if module_plan.blocks
                    else layout_forward(module_plan, recording)
                )
                stack.enter_context(patched_forward(module, stateful_forward(module_plan.name, forward, states)))
            elif not module_plan.blocks:
                handle = module.register_forward_pre_hook(
                    lambda _m, args, r=module_plan: recording.record_layout(r, args[0])
                )
                stack.callback(handle.remove)
            else:
                stack.enter_context(patched_forward(module, engine_forward(module_plan, recording, check)))
        yield


def record_output(recording: ForwardRecording, module_plan: ModulePlan, _data: Any, output: Any) -> None:
    """Record the output of a module."""
    recording.record_output(module_plan, output)


def engine_forward(module_plan: ModulePlan, recording: ForwardRecording, check: EngineCheck) -> Forward:
    """Return a ``forward`` that runs the engine, records, and compares the result with that of the module itself."""
    adapter, module, own = module_plan.adapter, module_plan.module, module_plan.module.forward
    assert adapter is not None  # noqa: S101
    name, engine = module_plan.name, run_cell if adapter.cell else run_sequence

    def forward(input: Any, hx: Any = None) -> Any:  # noqa: A002 (the parameter names of torch's modules)
        max_samples = check.samples_to_check(name, input, hx)
        result = engine(adapter, module, input, hx, recording.observer_factory(module_plan))
        if max_samples:
            check.compare(name, own, adapter, module, (input, hx), result, max_samples)
        return result

    return forward


def layout_forward(module_plan: ModulePlan, recording: ForwardRecording) -> Forward:
    """Return a ``forward`` that records the time axis of the call and runs the module itself."""
    own = module_plan.module.forward

    def forward(input: Any, hx: Any = None) -> Any:  # noqa: A002
        recording.record_layout(module_plan, input)
        return own(input, hx)

    return forward


def stateful_forward(name: str, forward: Forward, states: dict[str, Any]) -> Forward:
    """Return a ``forward`` that starts from the final state of the previous call."""

    def forward_from_state(input: Any, hx: Any = None) -> Any:  # noqa: A002
        output, states[name] = forward(input, states.get(name, hx))
        return output, states[name]

    return forward_from_state
