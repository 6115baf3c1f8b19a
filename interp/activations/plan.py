"""The plan of a capture: modules to read in the order of their calls, their layouts, and their columns."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.jit import ScriptModule
from torch.nn.utils.rnn import PackedSequence

from interp.activations.batching import MicroBatch, sample_count, split_batch
from interp.activations.connectivity import match_columns
from interp.activations.inspection import ModuleTrace, is_unreadable_recurrent, output_layout, time_axes, trace_forward
from interp.activations.tokens import TokenIndex
from interp.base import Batch
from interp.errors import CaptureError, InterpError, unknown_name_error
from interp.recurrence.sequences import SequenceLayout, read_input
from interp.schema import QUANTITIES, format_unit_name
from interp.selection import value_mask
from interp.torch_utils import class_name, first_tensor, is_time_first, tensor_of

if TYPE_CHECKING:
    from interp.recurrence.adapter import Adapter


@dataclass
class ColumnBlock:
    """Columns of one module, layer, direction and quantity.

    Attributes
    ----------
    width : int
        Number of units of the quantity.
    start, stop : int
        Range of columns in the matrix.
    selected : Tensor, optional
        Indices of the selected units, if not all ``width`` are selected.
    """

    layer: int
    direction: str
    quantity: str
    width: int
    start: int = 0
    stop: int = 0
    selected: torch.Tensor | None = None


@dataclass
class ModulePlan:
    """Plan of one module.

    Attributes
    ----------
    name : str
        Dotted name, or ``model`` for the model itself.
    module : Module
        The module.
    adapter : Adapter, optional
        Adapter of a recurrent module; without one the module's output is read.
    layout : str
        Layout of the output: ``batch`` (sample, step, feature), ``time`` (step, sample, feature), ``packed``,
        ``flat-batch``, ``flat-time`` (rows), ``call`` (one step per call), ``single`` (step, feature).
    n_calls : int
        Number of calls in one forward; for a cell and for the layout ``call``, the number of steps.
    blocks : list of ColumnBlock
        Columns to read.
    """

    name: str
    module: torch.nn.Module
    adapter: Adapter | None
    layout: str = "batch"
    n_calls: int = 1
    blocks: list[ColumnBlock] = field(default_factory=list)

    @property
    def is_stepwise(self) -> bool:
        """True if one call is one step."""
        return self.adapter.cell if self.adapter is not None else self.layout == "call"

    def blocks_for(self, layer: int, direction: str) -> list[ColumnBlock]:
        """Return the blocks of a layer and direction."""
        return [block for block in self.blocks if (block.layer, block.direction) == (layer, direction)]


@dataclass
class CapturePlan:
    """Plan of a capture: modules to read, and the unit of each column.

    Attributes
    ----------
    modules : list of ModulePlan
        Modules in the order in which they were first called.
    sample_dim : int, optional
        Sample dim of the first input tensor, if known.
    attrs : dict of str to str
        Attributes that are added to the dataset.
    trial_shape : int, int
        Number of samples and steps of the forward that the plan was made from.
    """

    modules: list[ModulePlan]
    sample_dim: int | None = None
    attrs: dict[str, str] = field(default_factory=dict)
    trial_shape: tuple[int, int] = (0, 0)

    @property
    def width(self) -> int:
        """Number of columns."""
        return sum(block.stop - block.start for module_plan in self.modules for block in module_plan.blocks)

    @property
    def has_repeated_calls(self) -> bool:
        """True if a module is called several times in one forward, with different steps each time."""
        return any(module_plan.n_calls > 1 and not module_plan.is_stepwise for module_plan in self.modules)

    def unit_coords(self, symbols: dict[str, Sequence[str]]) -> dict[str, Any]:
        """Return the coords of ``unit``; ``symbols`` maps module names to the symbols of their output units."""
        rows = [
            (format_unit_name(part.name, block.quantity, index, block.layer, block.direction), part.name, block.layer,
             block.direction, block.quantity, index, unit_symbol(symbols, part.name, index))
            for part in self.modules for block in part.blocks for index in kept_indices(block)
        ]  # fmt: skip
        names = ("unit", "module", "layer", "direction", "quantity", "index", "symbol")
        return {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def kept_indices(block: ColumnBlock) -> Iterable[int]:
    """Return the indices of the selected units of a block."""
    return range(block.width) if block.selected is None else block.selected.tolist()


def unit_symbol(symbols: dict[str, Sequence[str]], module: str, index: int) -> str:
    """Return the symbol of an output unit, or an empty string."""
    names = symbols.get(module, ())
    return str(names[index]) if index < len(names) else ""


def column_blocks(adapter: Adapter, module: torch.nn.Module, quantities: Sequence[str] | str) -> list[ColumnBlock]:
    """Return the blocks of a recurrent module in unit order, for the given quantities."""
    sizes = adapter.quantity_sizes(module)
    names = [name for name in adapter.quantities if (name != "c_prev" if quantities == "all" else name in quantities)]
    return [
        ColumnBlock(layer, direction, name, sizes[name])
        for layer in range(adapter.layers(module)) for direction in adapter.directions(module) for name in names
    ]  # fmt: skip


def check_quantities(quantities: Sequence[str] | str, adapters: Sequence[Adapter]) -> None:
    """Raise `UnknownNameError` for a quantity that no captured module has; `CaptureError` if no module has any."""
    if quantities == "all":
        return
    if isinstance(quantities, str):
        raise CaptureError(f"quantities= takes 'all' or a list; got {quantities!r}. Type quantities=[{quantities!r}].")
    if not adapters and set(quantities) - {"out"}:
        raise CaptureError(
            f"quantities={list(quantities)!r}: the model called no module whose gates an adapter can read. "
            "Register an interp.Adapter for a custom module in the hook register_adapters."
        )
    names = {name for adapter in adapters for name in adapter.quantities} | {"out"}
    for name in quantities:
        if name not in names:
            raise unknown_name_error(
                "quantity", name, sorted(names, key=lambda q: QUANTITIES.index(q) if q in QUANTITIES else 99)
            )


def assign_columns(module_plans: Sequence[ModulePlan], mask: np.ndarray | None = None) -> None:
    """Assign columns to every block; with ``mask`` (one boolean per unit) only to the units where it is true."""
    column = unit = 0
    for module_plan in module_plans:
        for block in list(module_plan.blocks):
            indices = None if mask is None else np.flatnonzero(mask[unit : unit + block.width])
            unit += block.width
            if indices is not None and indices.size < block.width:
                block.selected = torch.from_numpy(indices)
            count = block.width if indices is None else indices.size
            block.start, block.stop = column, column + count
            column += count
            if not count:
                module_plan.blocks.remove(block)


MAX_TRIAL_SAMPLES = 16  # maximum number of samples of the trial forward


def make_plan(
    model: nn.Module, batch: Batch, modules: Sequence[str] | None, quantities: Any, units: Any
) -> CapturePlan:
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
    traces, axis, micro_batch = trial_run(model, batch, modules)
    axes = time_axes(traces, micro_batch)
    warn_unreadable(traces, modules, quantities)
    check_quantities(quantities, [trace.adapter for trace in traces.values() if trace.adapter is not None])
    module_plans, skipped = plan_modules(traces, axes, modules, quantities)
    if units is not None and not isinstance(units, Mapping) and quantities == "all":
        all_names = sorted({name for trace in traces.values() if trace.adapter for name in trace.adapter.quantities})
        module_plans, skipped = plan_modules(traces, axes, modules, [*all_names, "out"])
    assign_columns(module_plans)
    plan = CapturePlan(module_plans, axis, trial_shape=(axes[0].samples, axes[0].steps) if axes else (0, 0))
    if not plan.width:
        raise CaptureError(
            "Nothing to read: the model called no recurrent module and no nn.Linear with a time axis. "
            "Name the modules to read in modules=."
        )
    if units is not None:
        assign_columns(module_plans, unit_mask(plan, units))
    plan.attrs = {
        "connectivity": json.dumps(
            connectivity_of(
                traces, axes, micro_batch, {module_plan.name for module_plan in module_plans if module_plan.blocks}
            )
        )
    }
    if skipped:
        plan.attrs["skipped_modules"] = ", ".join(skipped)
    return plan


def trial_run(
    model: nn.Module, batch: Batch, modules: Sequence[str] | None
) -> tuple[dict[str, ModuleTrace], int | None, MicroBatch]:
    """Run a few samples; return the traces of the modules, the sample dim of the first input, and the micro-batch."""
    for axis in candidate_sample_dims(model, batch):
        count = sample_count(batch, axis)
        if count is None or count <= MAX_TRIAL_SAMPLES or batch.call is not None:
            continue
        first = first_tensor(batch.inputs)
        sizes = set(first.shape) if isinstance(first, Tensor) else set()
        size = next(size for size in range(MAX_TRIAL_SAMPLES, 0, -1) if size not in sizes)
        micro_batch = next(iter(split_batch(batch, size, axis)))
        traces = try_trace(model, micro_batch, modules) if micro_batch.n_samples == size else None
        if traces and all(each.samples == size and each.layout != "single" for each in time_axes(traces, micro_batch)):
            return traces, axis, micro_batch
    whole = MicroBatch.from_batch(batch)
    try:
        traces = trace_forward(model, whole, modules)
    except InterpError:
        raise
    except Exception as error:  # the user's model may raise anything
        raise CaptureError(
            f"The model itself fails on these inputs: {type(error).__name__}: {error}\n"
            "Give inputs that run as model(*inputs), or pass call= in the Batch."
        ) from error
    return traces, find_sample_dim(model, batch, traces, whole), whole


def connectivity_of(
    traces: Mapping[str, ModuleTrace], axes: Sequence[SequenceLayout], micro_batch: MicroBatch, captured: set[str]
) -> list[dict[str, Any]]:
    """Return the segments of the connectivity between modules that share a time axis."""
    if not axes:
        return []
    first = next((trace for trace in traces.values() if trace.adapter is not None and not trace.adapter.cell), None)
    if first is not None and len(first.inputs) > 1:
        calls = np.stack([read_input(first.module, data)[1].lengths.numpy() for data in first.inputs])
        return match_columns(traces, captured, axes, TokenIndex(calls.sum(0), {}, None, calls=calls))
    lengths = micro_batch.lengths if micro_batch.lengths is not None else axes[0].lengths.numpy()
    return match_columns(traces, captured, axes, TokenIndex(lengths, {}, None))


def try_trace(
    model: nn.Module, micro_batch: MicroBatch, modules: Sequence[str] | None
) -> dict[str, ModuleTrace] | None:
    """Return the traces of the modules, or None if the model fails on this micro-batch."""
    try:
        return trace_forward(model, micro_batch, modules)
    except InterpError:
        raise
    except Exception:  # the sample dim was a guess; the whole batch runs next
        return None


def candidate_sample_dims(model: nn.Module, batch: Batch) -> list[int | None]:
    """Return the possible sample dims of the first input, the most likely first."""
    first = first_tensor(batch.inputs)
    if isinstance(first, PackedSequence):
        return [None]
    if not isinstance(first, Tensor) or first.dim() < 1:
        return []
    order = [1, 0] if is_time_first([model]) else [0, 1]
    count = sample_count(batch, None)
    return [dim for dim in order if dim < first.dim() and count in (None, first.shape[dim])]


def find_sample_dim(
    model: nn.Module, batch: Batch, traces: Mapping[str, ModuleTrace], micro_batch: MicroBatch
) -> int | None:
    """Return the dim of the first input whose size is the number of samples in the recurrent modules."""
    first = first_tensor(batch.inputs)
    axes = time_axes(traces, micro_batch)
    if not isinstance(first, Tensor) or not axes or axes[0].layout == "single":
        return None
    return next(
        (dim for dim in candidate_sample_dims(model, batch) if dim is not None and first.shape[dim] == axes[0].samples),
        None,
    )


def plan_modules(
    traces: Mapping[str, ModuleTrace], axes: Sequence[SequenceLayout], modules: Sequence[str] | None, quantities: Any
) -> tuple[list[ModulePlan], list[str]]:
    """Return the plans of the modules to read, and the names of the modules without a time axis."""
    module_plans, skipped = [], []
    for name, trace in traces.items():
        selected = modules is None or name in modules
        if trace.adapter is not None:
            blocks = column_blocks(trace.adapter, trace.module, quantities) if selected else []
            module_plans.append(ModulePlan(name, trace.module, trace.adapter, "", len(trace.outputs), blocks))
        elif selected:
            layout = next((kind for axis in axes if (kind := output_layout(trace, axis)) is not None), None)
            if layout is None:
                skipped.append(name)
            else:
                module_plans.append(
                    ModulePlan(name, trace.module, None, layout, len(trace.outputs), [output_block(trace, layout)])
                )
    if modules is not None and skipped:
        raise CaptureError(f"The output of {', '.join(map(repr, skipped))} has no time axis; leave it out of modules=.")
    return module_plans, skipped


def output_block(trace: ModuleTrace, layout: str) -> ColumnBlock:
    """Return the block of the quantity ``out`` of a module."""
    output = tensor_of(trace.outputs[0])
    assert output is not None  # noqa: S101 (it has a layout)
    return ColumnBlock(0, "", "out", output.shape[2 if layout in ("batch", "time") else 1 :].numel())


def warn_unreadable(traces: Mapping[str, ModuleTrace], modules: Sequence[str] | None, quantities: Any) -> None:
    """Warn about recurrent modules without an adapter; `CaptureError` if their gates were requested by name."""
    unread = [trace for trace in traces.values() if trace.adapter is None and is_unreadable_recurrent(trace.module)]
    unread = [trace for trace in unread if modules is None or trace.name in modules]
    has_adapter = any(trace.adapter is not None for trace in traces.values())
    for trace in unread:
        reason = explain_unreadable(trace.module)
        if quantities != "all" and set(quantities) != {"out"} and (modules is not None or not has_adapter):
            raise CaptureError(f"The gates of {trace.name!r} can't be read: {reason}")
        warnings.warn(f"Only the output of {trace.name!r} is read: {reason}", stacklevel=user_stacklevel())


def user_stacklevel() -> int:
    """Return the ``stacklevel`` with which the caller's warning points at the user's line."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals["__name__"].startswith("interp."):
        frame, level = frame.f_back, level + 1
    return level


def explain_unreadable(module: nn.Module) -> str:
    """Return the reason why the gates of a recurrent module can't be read, and what to do."""
    cls = type(module)
    if isinstance(module, ScriptModule):
        return (
            f"torch.jit has compiled this {class_name(module)}, and adapters (hook register_adapters) can't read "
            "compiled modules. Capture the original model."
        )
    return (
        f"no adapter knows {cls.__module__}.{cls.__qualname__}. Register an interp.Adapter for it in the hook "
        "register_adapters, or with interp.register."
    )


def unit_mask(plan: CapturePlan, units: Any) -> np.ndarray:
    """Return the mask of the selected units: one boolean per column of the plan."""
    coords = {name: np.asarray(values) for name, values in plan.unit_coords({}).items()}
    if isinstance(units, Mapping):
        keep = np.ones(plan.width, dtype=bool)
        for label, values in units.items():
            if label not in coords:
                raise unknown_name_error("unit label", str(label), coords)
            keep &= value_mask(coords[label], values)
        if not keep.any():
            raise CaptureError(
                f"units={dict(units)!r} matches none of the {plan.width} units; give other values, or leave units= out."
            )
        return keep
    names = [units] if isinstance(units, str) else list(units)
    all_units = set(coords["unit"].tolist())
    for name in names:
        if name not in all_units:
            raise unknown_name_error("unit", str(name), all_units)
    return np.isin(coords["unit"], names)
