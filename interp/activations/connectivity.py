"""Match the columns that a module reads to the units that produced them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from interp.activations.inspection import ModuleTrace, output_layout
from interp.activations.tokens import TokenIndex, gather_rows
from interp.recurrence.adapter import Adapter
from interp.recurrence.sequences import SequenceLayout
from interp.torch_utils import tensor_of

ColumnOrigin = tuple[str, int]  # origin of a column (prefix of unit names, or an input), and its index there
INPUT_PREFIX = "input of "


def match_columns(
    traces: Mapping[str, ModuleTrace], captured: set[str], axes: Sequence[SequenceLayout], tokens: TokenIndex
) -> list[dict[str, Any]]:
    """Match the input columns of each linear layer with units; return runs of columns that have the same origin.

    Parameters
    ----------
    traces : mapping
        Traces of the modules in one forward.
    captured : set of str
        Names of the modules whose units are captured.
    axes : sequence of SequenceLayout
        Time axes of the forward.
    tokens : TokenIndex
        Tokens of its samples.

    Returns
    -------
    list of dict
        ``module`` and its input columns ``start`` to ``stop``; ``kind``: ``unit`` (the columns are the units from
        ``lower.first`` on), ``input`` (inputs of a recurrent module, as ``input of lstm``), ``unmatched`` or
        ``ambiguous``.
    """
    origins: dict[bytes, list[ColumnOrigin]] = {}
    parts: list[dict[str, Any]] = []
    for name, trace in traces.items():
        if trace.adapter is not None:
            add_columns(origins, INPUT_PREFIX + name, token_rows(trace, trace.inputs, axes, tokens))
        if isinstance(trace.module, nn.Linear) and name in captured:
            inputs = token_rows(trace, trace.inputs, axes, tokens)
            if inputs is not None:
                parts += merge_runs(name, find_origins(inputs, origins))
        if name in captured:
            for prefix, values in unit_outputs(name, trace, axes, tokens):
                add_columns(origins, prefix, values)
    return parts


def unit_outputs(
    name: str, trace: ModuleTrace, axes: Sequence[SequenceLayout], tokens: TokenIndex
) -> Iterator[tuple[str, Tensor | None]]:
    """Yield the units in the output of a module: prefix of their names, values ``(row, unit)``."""
    adapter = trace.adapter
    if adapter is None:
        yield f"{name}.out", token_rows(trace, trace.outputs, axes, tokens)
    elif adapter.cell:
        for number, quantity in enumerate(adapter.state):
            values = [output[number] if len(adapter.state) > 1 else output for output in trace.outputs]
            yield f"{name}.0.forward.{quantity}", token_rows(trace, values, axes, tokens)
    else:
        yield from direction_outputs(name, trace, adapter, token_rows(trace, trace.outputs, axes, tokens))


def direction_outputs(
    name: str, trace: ModuleTrace, adapter: Adapter, values: Tensor | None
) -> Iterator[tuple[str, Tensor]]:
    """Yield the outputs of each direction of a recurrent module's last layer."""
    if values is None:
        return
    directions, layer = adapter.directions(trace.module), adapter.layers(trace.module) - 1
    for direction, part in zip(directions, values.chunk(len(directions), 1), strict=True):
        yield f"{name}.{layer}.{direction}.{adapter.state[0]}", part


def token_rows(
    trace: ModuleTrace, values: Sequence[Any], axes: Sequence[SequenceLayout], tokens: TokenIndex
) -> Tensor | None:
    """Return the values of all calls in token order ``(row, feature)``, or None if they have no time axis."""
    tensors = [tensor_of(value) for value in values]
    if any(tensor is None for tensor in tensors):
        return None
    for axis in axes:
        layout = output_layout(ModuleTrace(trace.name, trace.module, None, [], list(values)), axis)
        if layout is not None:
            outputs = [tensor for tensor in tensors if tensor is not None]
            try:
                return gather_rows(outputs, layout, tokens, [axis] * len(outputs))
            except (IndexError, ValueError, RuntimeError):  # a different number of steps, so nothing can match
                continue
    return None


def add_columns(origins: dict[bytes, list[ColumnOrigin]], prefix: str, values: Tensor | None) -> None:
    """Add the bits of each column of ``values`` (row, unit) to ``origins``."""
    if values is not None:
        for index, bits in enumerate(column_bits(values)):
            origins.setdefault(bits, []).append((prefix, index))


def column_bits(values: Tensor) -> list[bytes]:
    """Return the bits of each column as float64."""
    wide = values.detach().to(torch.float64).cpu().numpy()  # an exact conversion, so that dtypes are comparable
    return [column.tobytes() for column in np.ascontiguousarray(wide.T)]


def find_origins(inputs: Tensor, origins: Mapping[bytes, list[ColumnOrigin]]) -> list[ColumnOrigin | str]:
    """Return the origin of each column, or ``unmatched``, or ``ambiguous``.

    Units with equal values are distinguished by their order if all other columns from their layer are in order.
    """
    candidates = [origins.get(bits, []) for bits in column_bits(inputs)]
    shifts: dict[str, set[int]] = {}
    for column, places in enumerate(candidates):
        if len(places) == 1:
            shifts.setdefault(places[0][0], set()).add(column - places[0][1])
    matches: list[ColumnOrigin | str] = []
    for column, places in enumerate(candidates):
        in_order = [place for place in places if shifts.get(place[0]) == {column - place[1]}]
        in_order = places if len(places) == 1 else in_order
        matches.append(in_order[0] if len(in_order) == 1 else "ambiguous" if places else "unmatched")
    return matches


def merge_runs(module: str, places: Sequence[ColumnOrigin | str]) -> list[dict[str, Any]]:
    """Merge neighbouring columns of the same origin into segments."""
    parts: list[dict[str, Any]] = []
    for column, place in enumerate(places):
        lower, index = ("", 0) if isinstance(place, str) else place
        kind = place if isinstance(place, str) else "input" if lower.startswith(INPUT_PREFIX) else "unit"
        last = parts[-1] if parts else None
        same_origin = last is not None and (last["kind"], last["lower"]) == (kind, lower)
        if last is not None and same_origin and (not lower or last["first"] + column - last["start"] == index):
            last["stop"] = column + 1
        else:
            parts.append(
                {"module": module, "start": column, "stop": column + 1, "kind": kind, "lower": lower, "first": index}
            )
    return parts
