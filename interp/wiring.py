"""Connectivity of captured units: the columns of each linear layer's input are matched with units bit for bit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from interp.capturing.layout import Axis
from interp.capturing.scout import Seen, layout_of, named_modules, tensor_of
from interp.capturing.timeline import read_rows
from interp.capturing.tokens import Tokens
from interp.contracts import Adapter
from interp.errors import CaptureError

if TYPE_CHECKING:
    import xarray as xr

Place = tuple[str, int]  # origin of a column (prefix of unit names, or an input), and its index there
INPUT = "input of "


def wiring(model: nn.Module, batches: Any) -> xr.Dataset:
    """Return the weights between captured units, from one forward of a few samples or from the attrs of a capture.

    A column of a linear layer's input is matched with a unit if the two are equal bit for bit at every token. If
    several units are equal (dead units, for example) and all other units of their layer are read in order, they are
    matched in order too; otherwise the column is listed as ambiguous.

    Parameters
    ----------
    model : Module
        Model to read; see `capture`.
    batches : Batch, Tensor, PackedSequence, iterable of those, or Dataset
        Batches, of which the first is used (at most 16 samples of it if it can be split), or a capture of this model:
        its attrs contain the connectivity, and nothing is run.

    Returns
    -------
    Dataset
        ``weight (lower_unit, upper_unit)``: weight with which the upper unit reads the lower one, NaN if it does not
        read it. attrs: ``wiring``, the segments as in the attrs of `capture` (JSON); ``unmatched``, ``ambiguous`` and
        ``input`` list the columns that match no unit, that match several, and that are model inputs.

    Raises
    ------
    CaptureError
        If the model can't be read (see `capture`), or if the Dataset was captured from another model.
    """
    import xarray as xr

    if isinstance(batches, xr.Dataset):
        text, units = str(batches.attrs.get("wiring", "[]")), [str(unit) for unit in batches["unit"].values]
    else:
        from interp.capturing.session import Options, Session

        plan = Session(model, batches, Options(progress=False)).first_plan()
        text, units = plan.notes["wiring"], plan.units({})["unit"]
    parts = json.loads(text)
    lower, upper, values = connections(parts, units, named_modules(model))
    unfed = {kind: ", ".join(columns(parts, kind)) for kind in ("unmatched", "ambiguous", "input")}
    attrs = {"schema": "interp.wiring", "wiring": text, **unfed}
    return xr.Dataset(
        {"weight": (("lower_unit", "upper_unit"), values)}, {"lower_unit": lower, "upper_unit": upper}, attrs
    )


def connections(
    parts: Sequence[Mapping[str, Any]], units: Sequence[str], modules: Mapping[str, nn.Module]
) -> tuple[list[str], list[str], np.ndarray]:
    """Return the lower units, the upper units, and the weights between them ``(lower, upper)``, from segments."""
    weights = {part["module"]: linear_weight(modules, part["module"]) for part in parts}
    feeding = set(fed(parts))
    lower = [unit for unit in units if unit in feeding]
    upper = [unit for unit in units if unit.rpartition(".out.")[0] in weights]
    return lower, upper, fill(parts, weights, lower, upper)


def linear_weight(modules: Mapping[str, nn.Module], name: str) -> np.ndarray:
    """Return the weight of a linear layer ``(upper, lower)``; `CaptureError` if the model has no such layer."""
    module = modules.get(name)
    if not isinstance(module, nn.Linear):
        raise CaptureError(
            f"The connectivity names the linear layer {name!r}, which this model lacks; pass the captured model."
        )
    return module.weight.detach().float().cpu().numpy()


def fed(parts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the names of the units of all segments of kind ``unit``."""
    for part in parts:
        if part["kind"] == "unit":
            yield from (f"{part['lower']}.{part['first'] + k}" for k in range(part["stop"] - part["start"]))


def fill(
    parts: Sequence[Mapping[str, Any]], weights: Mapping[str, np.ndarray], lower: Sequence[str], upper: Sequence[str]
) -> np.ndarray:
    """Return the weights ``(lower, upper)``: NaN without a connection, the sum for a unit that is read twice."""
    rows, tops = ({name: k for k, name in enumerate(names)} for names in (lower, upper))
    values = np.full((len(lower), len(upper)), np.nan)
    for part in parts:
        if part["kind"] != "unit":
            continue
        matrix, count = weights[part["module"]], part["stop"] - part["start"]
        high = pairs(tops, part["module"] + ".out", 0, len(matrix))
        low = pairs(rows, part["lower"], part["first"], count)
        block = np.ix_([row for row, _ in low], [column for column, _ in high])
        terms = matrix[np.ix_([k for _, k in high], [part["start"] + k for _, k in low])].T
        values[block] = np.where(np.isnan(values[block]), 0, values[block]) + terms
    return values


def pairs(positions: Mapping[str, int], prefix: str, first: int, count: int) -> list[tuple[int, int]]:
    """Return (position, k) for those of the ``count`` units from ``prefix.first`` on that have a position."""
    names = (f"{prefix}.{first + k}" for k in range(count))
    return [(positions[name], k) for k, name in enumerate(names) if name in positions]


def columns(parts: Sequence[Mapping[str, Any]], kind: str) -> Iterator[str]:
    """Yield the columns of one kind, each range as ``output[228:330]``."""
    for part in parts:
        if part["kind"] == kind:
            yield f"{part['module']}[{part['start']}:{part['stop']}]"


def segments(
    traces: Mapping[str, Seen], captured: set[str], axes: Sequence[Axis], tokens: Tokens
) -> list[dict[str, Any]]:
    """Match the input columns of each linear layer with units; return runs of columns that have the same origin.

    Parameters
    ----------
    traces : mapping
        Traces of the modules in one forward.
    captured : set of str
        Names of the modules whose units are captured.
    axes : sequence of Axis
        Time axes of the forward.
    tokens : Tokens
        Tokens of its samples.

    Returns
    -------
    list of dict
        ``module`` and its input columns ``start`` to ``stop``; ``kind``: ``unit`` (the columns are the units from
        ``lower.first`` on), ``input`` (inputs of a recurrent module, as ``input of lstm``), ``unmatched`` or
        ``ambiguous``.
    """
    origins: dict[bytes, list[Place]] = {}
    parts: list[dict[str, Any]] = []
    for name, trace in traces.items():
        if trace.adapter is not None:
            add(origins, INPUT + name, aligned(trace, trace.inputs, axes, tokens))
        if isinstance(trace.module, nn.Linear) and name in captured:
            inputs = aligned(trace, trace.inputs, axes, tokens)
            if inputs is not None:
                parts += runs(name, matched(inputs, origins))
        if name in captured:
            for prefix, values in outputs_of(name, trace, axes, tokens):
                add(origins, prefix, values)
    return parts


def outputs_of(name: str, trace: Seen, axes: Sequence[Axis], tokens: Tokens) -> Iterator[tuple[str, Tensor | None]]:
    """Yield the units in the output of a module: prefix of their names, values ``(row, unit)``."""
    adapter = trace.adapter
    if adapter is None:
        yield f"{name}.out", aligned(trace, trace.outputs, axes, tokens)
    elif adapter.cell:
        for number, quantity in enumerate(adapter.state):
            values = [output[number] if len(adapter.state) > 1 else output for output in trace.outputs]
            yield f"{name}.0.forward.{quantity}", aligned(trace, values, axes, tokens)
    else:
        yield from sides(name, trace, adapter, aligned(trace, trace.outputs, axes, tokens))


def sides(name: str, trace: Seen, adapter: Adapter, values: Tensor | None) -> Iterator[tuple[str, Tensor]]:
    """Yield the outputs of each direction of a recurrent module's last layer."""
    if values is None:
        return
    directions, layer = adapter.directions(trace.module), adapter.layers(trace.module) - 1
    for direction, part in zip(directions, values.chunk(len(directions), 1), strict=True):
        yield f"{name}.{layer}.{direction}.{adapter.state[0]}", part


def aligned(trace: Seen, values: Sequence[Any], axes: Sequence[Axis], tokens: Tokens) -> Tensor | None:
    """Return the values of all calls in token order ``(row, feature)``, or None if they have no time axis."""
    tensors = [tensor_of(value) for value in values]
    if any(tensor is None for tensor in tensors):
        return None
    for axis in axes:
        layout = layout_of(Seen(trace.name, trace.module, None, [], list(values)), axis)
        if layout is not None:
            outputs = [tensor for tensor in tensors if tensor is not None]
            try:
                return read_rows(outputs, layout, tokens, [axis] * len(outputs))
            except (IndexError, ValueError, RuntimeError):  # a different number of steps, so nothing can match
                continue
    return None


def add(origins: dict[bytes, list[Place]], prefix: str, values: Tensor | None) -> None:
    """Add the bits of each column of ``values`` (row, unit) to ``origins``."""
    if values is not None:
        for index, bits in enumerate(column_bits(values)):
            origins.setdefault(bits, []).append((prefix, index))


def column_bits(values: Tensor) -> list[bytes]:
    """Return the bits of each column as float64."""
    wide = values.detach().to(torch.float64).cpu().numpy()  # an exact conversion, so that dtypes are comparable
    return [column.tobytes() for column in np.ascontiguousarray(wide.T)]


def matched(inputs: Tensor, origins: Mapping[bytes, list[Place]]) -> list[Place | str]:
    """Return the origin of each column, or ``unmatched``, or ``ambiguous``.

    Units with equal values are distinguished by their order if all other columns from their layer are in order.
    """
    candidates = [origins.get(bits, []) for bits in column_bits(inputs)]
    shifts: dict[str, set[int]] = {}
    for column, places in enumerate(candidates):
        if len(places) == 1:
            shifts.setdefault(places[0][0], set()).add(column - places[0][1])
    matches: list[Place | str] = []
    for column, places in enumerate(candidates):
        in_order = [place for place in places if shifts.get(place[0]) == {column - place[1]}]
        in_order = places if len(places) == 1 else in_order
        matches.append(in_order[0] if len(in_order) == 1 else "ambiguous" if places else "unmatched")
    return matches


def runs(module: str, places: Sequence[Place | str]) -> list[dict[str, Any]]:
    """Merge neighbouring columns of the same origin into segments."""
    parts: list[dict[str, Any]] = []
    for column, place in enumerate(places):
        lower, index = ("", 0) if isinstance(place, str) else place
        kind = place if isinstance(place, str) else "input" if lower.startswith(INPUT) else "unit"
        last = parts[-1] if parts else None
        same_origin = last is not None and (last["kind"], last["lower"]) == (kind, lower)
        if last is not None and same_origin and (not lower or last["first"] + column - last["start"] == index):
            last["stop"] = column + 1
        else:
            parts.append(
                {"module": module, "start": column, "stop": column + 1, "kind": kind, "lower": lower, "first": index}
            )
    return parts
