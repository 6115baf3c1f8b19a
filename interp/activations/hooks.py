"""Replacement of the forwards of a model's recurrent modules by the engine, for one forward of the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from interp.activations.plan import Reading
from interp.activations.recording import Recording
from interp.activations.verification import SelfCheck
from interp.recurrence.engine import run, run_cell
from interp.torch_utils import Forward, listening, replaced


@contextmanager
def recorded(recording: Recording, check: SelfCheck, states: dict[str, Any] | None = None) -> Iterator[None]:
    """Record all modules of the plan while the model runs.

    With ``states`` (module name to state), recurrent modules start from their entry and replace it by their last state.
    """
    with ExitStack() as stack:
        for module_plan in recording.plan.readings:
            module = module_plan.module
            if module_plan.adapter is None:
                stack.enter_context(listening(module, partial(take, recording, module_plan)))
            elif states is not None:
                forward = (
                    stand_in(module_plan, recording, check) if module_plan.blocks else noting(module_plan, recording)
                )
                stack.enter_context(replaced(module, carrying(module_plan.name, forward, states)))
            elif not module_plan.blocks:
                handle = module.register_forward_pre_hook(lambda _m, args, r=module_plan: recording.note(r, args[0]))
                stack.callback(handle.remove)
            else:
                stack.enter_context(replaced(module, stand_in(module_plan, recording, check)))
        yield


def take(recording: Recording, module_plan: Reading, _data: Any, output: Any) -> None:
    """Record the output of a module."""
    recording.output(module_plan, output)


def stand_in(module_plan: Reading, recording: Recording, check: SelfCheck) -> Forward:
    """Return a ``forward`` that runs the engine, records, and compares the result with that of the module itself."""
    adapter, module, own = module_plan.adapter, module_plan.module, module_plan.module.forward
    assert adapter is not None  # noqa: S101
    name, engine = module_plan.name, run_cell if adapter.cell else run

    def forward(input: Any, hx: Any = None) -> Any:  # noqa: A002 (the parameter names of torch's modules)
        max_samples = check.due(name, input, hx)
        result = engine(adapter, module, input, hx, recording.watcher(module_plan))
        if max_samples:
            check.compare(name, own, adapter, module, (input, hx), result, max_samples)
        return result

    return forward


def noting(module_plan: Reading, recording: Recording) -> Forward:
    """Return a ``forward`` that records the time axis of the call and runs the module itself."""
    own = module_plan.module.forward

    def forward(input: Any, hx: Any = None) -> Any:  # noqa: A002
        recording.note(module_plan, input)
        return own(input, hx)

    return forward


def carrying(name: str, forward: Forward, states: dict[str, Any]) -> Forward:
    """Return a ``forward`` that starts from the final state of the previous call."""

    def forward_from_state(input: Any, hx: Any = None) -> Any:  # noqa: A002
        output, states[name] = forward(input, states.get(name, hx))
        return output, states[name]

    return forward_from_state
