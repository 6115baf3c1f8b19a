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
    seen, axis, piece = scout(model, batch, modules)
    axes = time_axes(seen, piece)
    warn_unread(seen, modules, quantities)
    check_quantities(quantities, [entry.adapter for entry in seen.values() if entry.adapter is not None])
    readings, skipped = readings_of(seen, axes, modules, quantities)
    if units is not None and not isinstance(units, Mapping) and quantities == "all":
        all_names = sorted({name for entry in seen.values() if entry.adapter for name in entry.adapter.quantities})
        readings, skipped = readings_of(seen, axes, modules, [*all_names, "out"])
    place(readings)
    plan = Plan(readings, axis, shape=(axes[0].samples, axes[0].steps) if axes else (0, 0))
    if not plan.width:
        raise CaptureError(
            "Nothing to read: the model called no recurrent module and no nn.Linear with a time axis. "
            "Name the modules to read in modules=."
        )
    if units is not None:
        place(readings, chosen_units(plan, units))
    plan.notes = {
        "wiring": json.dumps(wired(seen, axes, piece, {reading.name for reading in readings if reading.blocks}))
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
        piece = next(iter(pieces(batch, size, axis)))
        seen = tried(model, piece, modules) if piece.samples == size else None
        if seen and all(entry.samples == size and entry.kind != "single" for entry in time_axes(seen, piece)):
            return seen, axis, piece
    whole = Piece.whole(batch)
    try:
        seen = observe(model, whole, modules)
    except InterpError:
        raise
    except Exception as error:  # the user's model may raise anything
        raise CaptureError(
            f"The model itself fails on these inputs: {type(error).__name__}: {error}\n"
            "Give inputs that run as model(*inputs), or pass call= in the Batch."
        ) from error
    return seen, sample_axis(model, batch, seen, whole), whole


def wired(seen: Mapping[str, Seen], axes: Sequence[Axis], piece: Piece, captured: set[str]) -> list[dict[str, Any]]:
    """Return the segments of the connectivity between modules that share a time axis."""
    if not axes:
        return []
    first = next((entry for entry in seen.values() if entry.adapter is not None and not entry.adapter.cell), None)
    if first is not None and len(first.inputs) > 1:
        calls = np.stack([read_input(first.module, data)[1].lengths.numpy() for data in first.inputs])
        return segments(seen, captured, axes, Tokens(calls.sum(0), {}, None, calls=calls))
    lengths = piece.lengths if piece.lengths is not None else axes[0].lengths.numpy()
    return segments(seen, captured, axes, Tokens(lengths, {}, None))


def tried(model: nn.Module, piece: Piece, modules: Sequence[str] | None) -> dict[str, Seen] | None:
    """Return the traces of the modules, or None if the model fails on this micro-batch."""
    try:
        return observe(model, piece, modules)
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


def sample_axis(model: nn.Module, batch: Batch, seen: Mapping[str, Seen], piece: Piece) -> int | None:
    """Return the dim of the first input whose size is the number of samples in the recurrent modules."""
    first = leading(batch.inputs)
    axes = time_axes(seen, piece)
    if not isinstance(first, Tensor) or not axes or axes[0].kind == "single":
        return None
    return next((dim for dim in guesses(model, batch) if dim is not None and first.shape[dim] == axes[0].samples), None)


def readings_of(
    seen: Mapping[str, Seen], axes: Sequence[Axis], modules: Sequence[str] | None, quantities: Any
) -> tuple[list[Reading], list[str]]:
    """Return the plans of the modules to read, and the names of the modules without a time axis."""
    readings, skipped = [], []
    for name, entry in seen.items():
        selected = modules is None or name in modules
        if entry.adapter is not None:
            blocks = blocks_of(entry.adapter, entry.module, quantities) if selected else []
            readings.append(Reading(name, entry.module, entry.adapter, "", len(entry.outputs), blocks))
        elif selected:
            layout = next((kind for axis in axes if (kind := layout_of(entry, axis)) is not None), None)
            if layout is None:
                skipped.append(name)
            else:
                readings.append(
                    Reading(name, entry.module, None, layout, len(entry.outputs), [out_block(entry, layout)])
                )
    if modules is not None and skipped:
        raise CaptureError(f"The output of {', '.join(map(repr, skipped))} has no time axis; leave it out of modules=.")
    return readings, skipped


def out_block(entry: Seen, layout: str) -> Block:
    """Return the block of the quantity ``out`` of a module."""
    output = tensor_of(entry.outputs[0])
    assert output is not None  # noqa: S101 (it has a layout)
    return Block(0, "", "out", output.shape[2 if layout in ("batch", "time") else 1 :].numel())


def warn_unread(seen: Mapping[str, Seen], modules: Sequence[str] | None, quantities: Any) -> None:
    """Warn about recurrent modules without an adapter; `CaptureError` if their gates were requested by name."""
    unread = [entry for entry in seen.values() if entry.adapter is None and looks_recurrent(entry.module)]
    unread = [entry for entry in unread if modules is None or entry.name in modules]
    has_adapter = any(entry.adapter is not None for entry in seen.values())
    for entry in unread:
        reason = unreadable(entry.module)
        if quantities != "all" and set(quantities) != {"out"} and (modules is not None or not has_adapter):
            raise CaptureError(f"The gates of {entry.name!r} can't be read: {reason}")
        warnings.warn(f"Only the output of {entry.name!r} is read: {reason}", stacklevel=outside())


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
