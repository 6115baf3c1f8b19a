"""Connectivity of captured units: the columns of each linear layer's input are matched with units bit for bit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from interp.errors import CaptureError
from interp.torch_utils import named_modules

if TYPE_CHECKING:
    import xarray as xr


def connectivity(model: nn.Module, batches: Any) -> xr.Dataset:
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
        read it. attrs: ``connectivity``, the segments as in the attrs of `capture` (JSON); ``unmatched``, ``ambiguous``
        and ``input`` list the columns that match no unit, that match several, and that are model inputs.

    Raises
    ------
    CaptureError
        If the model can't be read (see `capture`), or if the Dataset was captured from another model.
    """
    import xarray as xr

    if isinstance(batches, xr.Dataset):
        text, units = str(batches.attrs.get("connectivity", "[]")), [str(unit) for unit in batches["unit"].values]
    else:
        from interp.activations.session import CaptureOptions, CaptureSession

        plan = CaptureSession(model, batches, CaptureOptions(progress=False)).first_plan()
        text, units = plan.attrs["connectivity"], plan.unit_coords({})["unit"]
    parts = json.loads(text)
    lower, upper, values = connections(parts, units, named_modules(model))
    unfed = {kind: ", ".join(column_ranges(parts, kind)) for kind in ("unmatched", "ambiguous", "input")}
    attrs = {"schema": "interp.connectivity", "connectivity": text, **unfed}
    return xr.Dataset(
        {"weight": (("lower_unit", "upper_unit"), values)}, {"lower_unit": lower, "upper_unit": upper}, attrs
    )


def connections(
    parts: Sequence[Mapping[str, Any]], units: Sequence[str], modules: Mapping[str, nn.Module]
) -> tuple[list[str], list[str], np.ndarray]:
    """Return the lower units, the upper units, and the weights between them ``(lower, upper)``, from segments."""
    weights = {part["module"]: linear_weight(modules, part["module"]) for part in parts}
    feeding = set(feeding_units(parts))
    lower = [unit for unit in units if unit in feeding]
    upper = [unit for unit in units if unit.rpartition(".out.")[0] in weights]
    return lower, upper, fill_weights(parts, weights, lower, upper)


def linear_weight(modules: Mapping[str, nn.Module], name: str) -> np.ndarray:
    """Return the weight of a linear layer ``(upper, lower)``; `CaptureError` if the model has no such layer."""
    module = modules.get(name)
    if not isinstance(module, nn.Linear):
        raise CaptureError(
            f"The connectivity names the linear layer {name!r}, which this model lacks; pass the captured model."
        )
    return module.weight.detach().float().cpu().numpy()


def feeding_units(parts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the names of the units of all segments of kind ``unit``."""
    for part in parts:
        if part["kind"] == "unit":
            yield from (f"{part['lower']}.{part['first'] + k}" for k in range(part["stop"] - part["start"]))


def fill_weights(
    parts: Sequence[Mapping[str, Any]], weights: Mapping[str, np.ndarray], lower: Sequence[str], upper: Sequence[str]
) -> np.ndarray:
    """Return the weights ``(lower, upper)``: NaN without a connection, the sum for a unit that is read twice."""
    rows, tops = ({name: k for k, name in enumerate(names)} for names in (lower, upper))
    values = np.full((len(lower), len(upper)), np.nan)
    for part in parts:
        if part["kind"] != "unit":
            continue
        matrix, count = weights[part["module"]], part["stop"] - part["start"]
        high = unit_positions(tops, part["module"] + ".out", 0, len(matrix))
        low = unit_positions(rows, part["lower"], part["first"], count)
        block = np.ix_([row for row, _ in low], [column for column, _ in high])
        terms = matrix[np.ix_([k for _, k in high], [part["start"] + k for _, k in low])].T
        values[block] = np.where(np.isnan(values[block]), 0, values[block]) + terms
    return values


def unit_positions(positions: Mapping[str, int], prefix: str, first: int, count: int) -> list[tuple[int, int]]:
    """Return (position, k) for those of the ``count`` units from ``prefix.first`` on that have a position."""
    names = (f"{prefix}.{first + k}" for k in range(count))
    return [(positions[name], k) for k, name in enumerate(names) if name in positions]


def column_ranges(parts: Sequence[Mapping[str, Any]], kind: str) -> Iterator[str]:
    """Yield the columns of one kind, each range as ``output[228:330]``."""
    for part in parts:
        if part["kind"] == kind:
            yield f"{part['module']}[{part['start']}:{part['stop']}]"
