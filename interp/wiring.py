"""Which captured unit feeds which: columns of each linear layer's input, matched bit for bit."""

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

Place = tuple[str, int]  # what a column belongs to, and its number there
INPUT = "input of "


def wiring(model: nn.Module, batches: Any) -> xr.Dataset:
    """Find which captured unit feeds which, from one forward of a few samples, or as a capture has found it.

    A column of a linear layer's input is a unit where the two are equal bit for bit at every token. Where several
    units are equal there (dead ones, say) and all others of their layer are read in order, so are they; else the column
    is listed as ambiguous.

    Parameters
    ----------
    model : Module
        As for `capture`.
    batches : Batch, Tensor, PackedSequence, iterable of those, or Dataset
        The first one is used, at most 16 samples of it where it can be cut. A capture (Dataset) of this model has its
        wiring in its attrs, and nothing is run.

    Returns
    -------
    Dataset
        ``weight (lower_unit, upper_unit)``: the weight with which the upper unit reads the lower one, NaN where it does
        not. attrs: ``wiring``, the segments that `capture` keeps too (JSON); ``unmatched``, ``ambiguous``, ``input``
        name the columns that no unit feeds, that several may feed, and that are model inputs.

    Raises
    ------
    CaptureError
        As `capture`, where the model can't be read; or where the Dataset is of another model.
    """
    import xarray as xr

    if isinstance(batches, xr.Dataset):
        text, units = str(batches.attrs.get("wiring", "[]")), [str(unit) for unit in batches["unit"].values]
    else:
        from interp.capturing.session import Options, Session

        plan = Session(model, batches, Options(progress=False)).first_plan()
        text, units = plan.notes["wiring"], plan.units({})["unit"]
    found = json.loads(text)
    lower, upper, values = connections(found, units, named_modules(model))
    listed = {kind: ", ".join(columns(found, kind)) for kind in ("unmatched", "ambiguous", "input")}
    attrs = {"schema": "interp.wiring", "wiring": text, **listed}
    return xr.Dataset(
        {"weight": (("lower_unit", "upper_unit"), values)}, {"lower_unit": lower, "upper_unit": upper}, attrs
    )


def connections(
    found: Sequence[Mapping[str, Any]], units: Sequence[str], modules: Mapping[str, nn.Module]
) -> tuple[list[str], list[str], np.ndarray]:
    """Return the lower units, the upper units, and the weights between them, ``(lower, upper)``."""
    weights = {part["module"]: linear_weight(modules, part["module"]) for part in found}
    feeding = set(fed(found))
    lower = [unit for unit in units if unit in feeding]
    upper = [unit for unit in units if unit.rpartition(".out.")[0] in weights]
    return lower, upper, fill(found, weights, lower, upper)


def linear_weight(modules: Mapping[str, nn.Module], name: str) -> np.ndarray:
    """Return the weight of a linear layer, ``(upper, lower)``."""
    module = modules.get(name)
    if not isinstance(module, nn.Linear):
        raise CaptureError(
            f"The wiring names the linear layer {name!r}, which this model lacks; give the captured model."
        )
    return module.weight.detach().float().cpu().numpy()


def fed(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the names of the units of all segments of kind ``unit``."""
    for part in found:
        if part["kind"] == "unit":
            yield from (f"{part['lower']}.{part['first'] + k}" for k in range(part["stop"] - part["start"]))


def fill(
    found: Sequence[Mapping[str, Any]], weights: Mapping[str, np.ndarray], lower: Sequence[str], upper: Sequence[str]
) -> np.ndarray:
    """Return the weights ``(lower, upper)``, NaN where there is no connection; of a unit read twice the sum."""
    rows, tops = ({name: k for k, name in enumerate(names)} for names in (lower, upper))
    values = np.full((len(lower), len(upper)), np.nan)
    for part in found:
        if part["kind"] != "unit":
            continue
        matrix, count = weights[part["module"]], part["stop"] - part["start"]
        high = pairs(tops, part["module"] + ".out", 0, len(matrix))
        low = pairs(rows, part["lower"], part["first"], count)
        place = np.ix_([row for row, _ in low], [column for column, _ in high])
        added = matrix[np.ix_([k for _, k in high], [part["start"] + k for _, k in low])].T
        values[place] = np.where(np.isnan(values[place]), 0, values[place]) + added
    return values


def pairs(known: Mapping[str, int], prefix: str, first: int, count: int) -> list[tuple[int, int]]:
    """Return (place, k) for those of the units ``prefix.first`` and after that are known."""
    names = (f"{prefix}.{first + k}" for k in range(count))
    return [(known[name], k) for k, name in enumerate(names) if name in known]


def columns(found: Sequence[Mapping[str, Any]], kind: str) -> Iterator[str]:
    """Yield the columns of one kind as ``output[228:330]``."""
    for part in found:
        if part["kind"] == kind:
            yield f"{part['module']}[{part['start']}:{part['stop']}]"


def segments(
    seen: Mapping[str, Seen], captured: set[str], axes: Sequence[Axis], tokens: Tokens
) -> list[dict[str, Any]]:
    """Return what feeds each column of each linear layer, as runs of columns.

    Parameters
    ----------
    seen : mapping
        What a forward was seen to do.
    captured : set of str
        Modules whose units are captured.
    axes : sequence of Axis
        The time axes of the forward.
    tokens : Tokens
        The tokens of its samples.

    Returns
    -------
    list of dict
        ``module`` and its input columns ``start`` to ``stop``; ``kind``: ``unit`` (fed by the units ``lower.first``
        and those after it), ``input`` (by inputs of a recurrent module: ``input of lstm``), ``unmatched`` or
        ``ambiguous``.
    """
    known: dict[bytes, list[Place]] = {}
    found: list[dict[str, Any]] = []
    for name, entry in seen.items():
        if entry.adapter is not None:
            add(known, INPUT + name, aligned(entry, entry.inputs, axes, tokens))
        if isinstance(entry.module, nn.Linear) and name in captured:
            read = aligned(entry, entry.inputs, axes, tokens)
            if read is not None:
                found += runs(name, matched(read, known))
        if name in captured:
            for prefix, values in outputs_of(name, entry, axes, tokens):
                add(known, prefix, values)
    return found


def outputs_of(name: str, entry: Seen, axes: Sequence[Axis], tokens: Tokens) -> Iterator[tuple[str, Tensor | None]]:
    """Yield the units that a module hands on: prefix of their names, values ``(row, unit)``."""
    adapter = entry.adapter
    if adapter is None:
        yield f"{name}.out", aligned(entry, entry.outputs, axes, tokens)
    elif adapter.cell:
        for part, quantity in enumerate(adapter.state):
            values = [out[part] if len(adapter.state) > 1 else out for out in entry.outputs]
            yield f"{name}.0.forward.{quantity}", aligned(entry, values, axes, tokens)
    else:
        yield from sides(name, entry, adapter, aligned(entry, entry.outputs, axes, tokens))


def sides(name: str, entry: Seen, adapter: Adapter, values: Tensor | None) -> Iterator[tuple[str, Tensor]]:
    """Yield the outputs of each direction of a recurrent module's last layer."""
    if values is None:
        return
    directions, layer = adapter.directions(entry.module), adapter.layers(entry.module) - 1
    for direction, part in zip(directions, values.chunk(len(directions), 1), strict=True):
        yield f"{name}.{layer}.{direction}.{adapter.state[0]}", part


def aligned(entry: Seen, values: Sequence[Any], axes: Sequence[Axis], tokens: Tokens) -> Tensor | None:
    """Return the values of all calls in token order, ``(row, feature)``, or None where they have no time axis."""
    parts = [tensor_of(value) for value in values]
    if any(part is None for part in parts):
        return None
    for axis in axes:
        layout = layout_of(Seen(entry.name, entry.module, None, [], list(values)), axis)
        if layout is not None:
            try:
                return read_rows([part for part in parts if part is not None], layout, tokens, [axis] * len(parts))
            except (IndexError, ValueError, RuntimeError):  # another number of steps: nothing to match with
                continue
    return None


def add(known: dict[bytes, list[Place]], prefix: str, values: Tensor | None) -> None:
    """Note the bits of each column."""
    if values is not None:
        for index, bits in enumerate(column_bits(values)):
            known.setdefault(bits, []).append((prefix, index))


def column_bits(values: Tensor) -> list[bytes]:
    """Return the bits of each column."""
    wide = values.detach().to(torch.float64).cpu().numpy()  # exact, and one type for all
    return [column.tobytes() for column in np.ascontiguousarray(wide.T)]


def matched(read: Tensor, known: Mapping[bytes, list[Place]]) -> list[Place | str]:
    """Return for each column its unit, or ``unmatched``, or ``ambiguous``.

    Equal units are told apart by their order, where all other columns from their layer are in order.
    """
    options = [known.get(bits, []) for bits in column_bits(read)]
    shifts: dict[str, set[int]] = {}
    for column, places in enumerate(options):
        if len(places) == 1:
            shifts.setdefault(places[0][0], set()).add(column - places[0][1])
    found: list[Place | str] = []
    for column, places in enumerate(options):
        fits = [place for place in places if shifts.get(place[0]) == {column - place[1]}]
        fits = places if len(places) == 1 else fits
        found.append(fits[0] if len(fits) == 1 else "ambiguous" if places else "unmatched")
    return found


def runs(module: str, places: Sequence[Place | str]) -> list[dict[str, Any]]:
    """Return neighbouring columns that are fed alike as segments."""
    found: list[dict[str, Any]] = []
    for column, place in enumerate(places):
        lower, index = ("", 0) if isinstance(place, str) else place
        kind = place if isinstance(place, str) else "input" if lower.startswith(INPUT) else "unit"
        last = found[-1] if found else None
        goes_on = last is not None and (last["kind"], last["lower"]) == (kind, lower)
        if last is not None and goes_on and (not lower or last["first"] + column - last["start"] == index):
            last["stop"] = column + 1
        else:
            found.append(
                {"module": module, "start": column, "stop": column + 1, "kind": kind, "lower": lower, "first": index}
            )
    return found
