"""Construction of the plan of a capture from a trial forward of a few samples."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.jit import ScriptModule
from torch.nn.utils.rnn import PackedSequence

from interp.capturing.batching import Piece, leading, pieces, sample_count
from interp.capturing.layout import Axis, read_input
from interp.capturing.listening import kind_of
from interp.capturing.plan import Block, Plan, Reading, blocks_of, check_quantities, place
from interp.capturing.scout import Seen, layout_of, looks_recurrent, observe, tensor_of, time_axes, time_first
from interp.capturing.tokens import Tokens
from interp.contracts import Batch
from interp.errors import CaptureError, InterpError, unknown
from interp.selection import matches
from interp.wiring import segments

FEW = 16  # maximum number of samples of the trial forward


def make_plan(model: nn.Module, batch: Batch, modules: Sequence[str] | None, quantities: Any, units: Any) -> Plan:
    """Run a few samples through the model and decide which modules and units to read.

    Parameters
    ----------
    model : Module
        Model, which is not changed; runs once on at most 16 samples if the batch can be split.
    batch : Batch
        First batch.
    modules, quantities, units
        See `capture`.

    Raises
    ------
    CaptureError
        If nothing can be read, or a named module or its gates can't be read.
    UnknownNameError
        For a module, quantity or unit that does not exist.
    """
    if hasattr(units, "coords"):
        units = units["unit"].values.tolist()
    traces, axis, micro_batch = scout(model, batch, modules)
    axes = time_axes(traces, micro_batch)
    warn_unread(traces, modules, quantities)
    check_quantities(quantities, [trace.adapter for trace in traces.values() if trace.adapter is not None])
    module_plans, skipped = readings_of(traces, axes, modules, quantities)
    if units is not None and not isinstance(units, Mapping) and quantities == "all":
        all_names = sorted({name for trace in traces.values() if trace.adapter for name in trace.adapter.quantities})
        module_plans, skipped = readings_of(traces, axes, modules, [*all_names, "out"])
    place(module_plans)
    plan = Plan(module_plans, axis, shape=(axes[0].samples, axes[0].steps) if axes else (0, 0))
    if not plan.width:
        raise CaptureError(
            "Nothing to read: the model called no recurrent module and no nn.Linear with a time axis. "
            "Name the modules to read in modules=."
        )
    if units is not None:
        place(module_plans, chosen_units(plan, units))
    plan.notes = {
        "wiring": json.dumps(
            wired(traces, axes, micro_batch, {module_plan.name for module_plan in module_plans if module_plan.blocks})
        )
    }
    if skipped:
        plan.notes["skipped_modules"] = ", ".join(skipped)
    return plan


def scout(model: nn.Module, batch: Batch, modules: Sequence[str] | None) -> tuple[dict[str, Seen], int | None, Piece]:
    """Run a few samples; return the traces of the modules, the sample dim of the first input, and the micro-batch."""
    for axis in guesses(model, batch):
        count = sample_count(batch, axis)
        if count is None or count <= FEW or batch.call is not None:
            continue
        first = leading(batch.inputs)
        sizes = set(first.shape) if isinstance(first, Tensor) else set()
        size = next(size for size in range(FEW, 0, -1) if size not in sizes)
        micro_batch = next(iter(pieces(batch, size, axis)))
        traces = tried(model, micro_batch, modules) if micro_batch.samples == size else None
        if traces and all(each.samples == size and each.kind != "single" for each in time_axes(traces, micro_batch)):
            return traces, axis, micro_batch
    whole = Piece.whole(batch)
    try:
        traces = observe(model, whole, modules)
    except InterpError:
        raise
    except Exception as error:  # the user's model may raise anything
        raise CaptureError(
            f"The model itself fails on these inputs: {type(error).__name__}: {error}\n"
            "Give inputs that run as model(*inputs), or pass call= in the Batch."
        ) from error
    return traces, sample_axis(model, batch, traces, whole), whole


def wired(
    traces: Mapping[str, Seen], axes: Sequence[Axis], micro_batch: Piece, captured: set[str]
) -> list[dict[str, Any]]:
    """Return the segments of the connectivity between modules that share a time axis."""
    if not axes:
        return []
    first = next((trace for trace in traces.values() if trace.adapter is not None and not trace.adapter.cell), None)
    if first is not None and len(first.inputs) > 1:
        calls = np.stack([read_input(first.module, data)[1].lengths.numpy() for data in first.inputs])
        return segments(traces, captured, axes, Tokens(calls.sum(0), {}, None, calls=calls))
    lengths = micro_batch.lengths if micro_batch.lengths is not None else axes[0].lengths.numpy()
    return segments(traces, captured, axes, Tokens(lengths, {}, None))


def tried(model: nn.Module, micro_batch: Piece, modules: Sequence[str] | None) -> dict[str, Seen] | None:
    """Return the traces of the modules, or None if the model fails on this micro-batch."""
    try:
        return observe(model, micro_batch, modules)
    except InterpError:
        raise
    except Exception:  # the sample dim was a guess; the whole batch runs next
        return None


def guesses(model: nn.Module, batch: Batch) -> list[int | None]:
    """Return the possible sample dims of the first input, the most likely first."""
    first = leading(batch.inputs)
    if isinstance(first, PackedSequence):
        return [None]
    if not isinstance(first, Tensor) or first.dim() < 1:
        return []
    order = [1, 0] if time_first([model]) else [0, 1]
    count = sample_count(batch, None)
    return [dim for dim in order if dim < first.dim() and count in (None, first.shape[dim])]


def sample_axis(model: nn.Module, batch: Batch, traces: Mapping[str, Seen], micro_batch: Piece) -> int | None:
    """Return the dim of the first input whose size is the number of samples in the recurrent modules."""
    first = leading(batch.inputs)
    axes = time_axes(traces, micro_batch)
    if not isinstance(first, Tensor) or not axes or axes[0].kind == "single":
        return None
    return next((dim for dim in guesses(model, batch) if dim is not None and first.shape[dim] == axes[0].samples), None)


def readings_of(
    traces: Mapping[str, Seen], axes: Sequence[Axis], modules: Sequence[str] | None, quantities: Any
) -> tuple[list[Reading], list[str]]:
    """Return the plans of the modules to read, and the names of the modules without a time axis."""
    module_plans, skipped = [], []
    for name, trace in traces.items():
        selected = modules is None or name in modules
        if trace.adapter is not None:
            blocks = blocks_of(trace.adapter, trace.module, quantities) if selected else []
            module_plans.append(Reading(name, trace.module, trace.adapter, "", len(trace.outputs), blocks))
        elif selected:
            layout = next((kind for axis in axes if (kind := layout_of(trace, axis)) is not None), None)
            if layout is None:
                skipped.append(name)
            else:
                module_plans.append(
                    Reading(name, trace.module, None, layout, len(trace.outputs), [out_block(trace, layout)])
                )
    if modules is not None and skipped:
        raise CaptureError(f"The output of {', '.join(map(repr, skipped))} has no time axis; leave it out of modules=.")
    return module_plans, skipped


def out_block(trace: Seen, layout: str) -> Block:
    """Return the block of the quantity ``out`` of a module."""
    output = tensor_of(trace.outputs[0])
    assert output is not None  # noqa: S101 (it has a layout)
    return Block(0, "", "out", output.shape[2 if layout in ("batch", "time") else 1 :].numel())


def warn_unread(traces: Mapping[str, Seen], modules: Sequence[str] | None, quantities: Any) -> None:
    """Warn about recurrent modules without an adapter; `CaptureError` if their gates were requested by name."""
    unread = [trace for trace in traces.values() if trace.adapter is None and looks_recurrent(trace.module)]
    unread = [trace for trace in unread if modules is None or trace.name in modules]
    has_adapter = any(trace.adapter is not None for trace in traces.values())
    for trace in unread:
        reason = unreadable(trace.module)
        if quantities != "all" and set(quantities) != {"out"} and (modules is not None or not has_adapter):
            raise CaptureError(f"The gates of {trace.name!r} can't be read: {reason}")
        warnings.warn(f"Only the output of {trace.name!r} is read: {reason}", stacklevel=outside())


def outside() -> int:
    """Return the ``stacklevel`` with which the caller's warning points at the user's line."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals["__name__"].startswith("interp."):
        frame, level = frame.f_back, level + 1
    return level


def unreadable(module: nn.Module) -> str:
    """Return the reason why the gates of a recurrent module can't be read, and what to do."""
    cls = type(module)
    if isinstance(module, ScriptModule):
        return (
            f"torch.jit has compiled this {kind_of(module)}, and adapters (hook register_adapters) can't read compiled "
            "modules. Capture the original model."
        )
    return (
        f"no adapter knows {cls.__module__}.{cls.__qualname__}. Register an interp.Adapter for it in the hook "
        "register_adapters, or with interp.register."
    )


def chosen_units(plan: Plan, units: Any) -> np.ndarray:
    """Return the mask of the selected units: one boolean per column of the plan."""
    coords = {name: np.asarray(values) for name, values in plan.units({}).items()}
    if isinstance(units, Mapping):
        keep = np.ones(plan.width, dtype=bool)
        for label, values in units.items():
            if label not in coords:
                raise unknown("unit label", str(label), coords)
            keep &= matches(coords[label], values)
        if not keep.any():
            raise CaptureError(
                f"units={dict(units)!r} matches none of the {plan.width} units; give other values, or leave units= out."
            )
        return keep
    names = [units] if isinstance(units, str) else list(units)
    all_units = set(coords["unit"].tolist())
    for name in names:
        if name not in all_units:
            raise unknown("unit", str(name), all_units)
    return np.isin(coords["unit"], names)
