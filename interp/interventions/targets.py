"""Units of edits as columns of quantities of modules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from interp.activations.inspection import find_modules, is_opaque, is_unreadable_recurrent
from interp.activations.plan import (
    CapturePlan,
    ColumnBlock,
    ModulePlan,
    assign_columns,
    column_blocks,
    explain_unreadable,
)
from interp.errors import CaptureError, OptionError, unknown_name_error
from interp.selection import value_mask
from interp.torch_utils import named_modules, unwrap

OUTPUT_NAME = re.compile(r"(?P<module>.+)\.out\.(?P<index>\d+)")
GATE_NAME = re.compile(r"(?P<module>.+)\.\d+\.(forward|backward)\.(?P<quantity>\w+)\.\d+")


@dataclass(frozen=True)
class UnitGroup:
    """Units of an edit that share module, layer, direction and quantity.

    Attributes
    ----------
    columns : Tensor (unit,)
        Columns of the quantity.
    positions : Tensor (unit,)
        Positions of these units among the names of the edit.
    """

    module: str
    layer: int
    direction: str
    quantity: str
    columns: torch.Tensor
    positions: torch.Tensor


class UnitIndex:
    """Index of the units of a model that can be edited, made without running it.

    Parameters
    ----------
    model : Module
        Model whose recurrent modules with an adapter and ``nn.Linear`` modules are indexed.

    Attributes
    ----------
    plan : CapturePlan
        Capture plan with all quantities, including ``c_prev``.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model, self.modules = unwrap(model), named_modules(model)
        self.traces = find_modules(model, None)
        readings = [
            ModulePlan(name, entry.module, entry.adapter, blocks=self._blocks(entry.module, entry.adapter))
            for name, entry in self.traces.items()
        ]
        assign_columns(readings)
        self.plan = CapturePlan(readings)
        symbols = getattr(self.model, "symbols", None) or {}
        self.coords: dict[str, np.ndarray] = {}
        if self.plan.width:
            self.coords = {name: np.asarray(values) for name, values in self.plan.unit_coords(symbols).items()}
        self.column_by_name = {str(name): column for column, name in enumerate(self.coords.get("unit", ()))}

    @staticmethod
    def _blocks(module: nn.Module, adapter: Any) -> list[ColumnBlock]:
        if adapter is not None:
            return column_blocks(adapter, module, adapter.quantities)
        return [ColumnBlock(0, "", "out", int(module.out_features))] if isinstance(module, nn.Linear) else []

    def names(self, units: Any) -> list[str]:
        """Return the names of units given as a name, names, labels as for `select`, or a dataset.

        Raises
        ------
        UnknownNameError
            If a unit or label does not exist.
        CaptureError
            If labels match no unit.
        OptionError
            If there is no unit, or a unit is named twice.
        """
        if hasattr(units, "coords"):  # a dataset is a mapping too
            if "unit" not in units.coords:
                raise OptionError(f"units= got a dataset without a coord 'unit'; it has {list(units.coords)}.")
            units = np.atleast_1d(units["unit"].values).tolist()
        if isinstance(units, Mapping):
            return self._names_by_label(units)
        names = [units] if isinstance(units, str) else [str(name) for name in units]
        if not names:
            raise OptionError("units= is empty: expected at least one unit, such as 'lstm.0.forward.h.0'.")
        if len(set(names)) < len(names):
            raise OptionError(f"units= names {next(n for n in names if names.count(n) > 1)!r} twice.")
        return names

    def _names_by_label(self, labels: Mapping[str, Any]) -> list[str]:
        mask = np.ones(len(self.column_by_name), dtype=bool)
        for label, condition in labels.items():
            if label not in self.coords:
                raise unknown_name_error("unit label", str(label), self.coords)
            mask &= value_mask(self.coords[label], condition)
        if mask.any() and "quantity" not in labels:
            mask &= self.coords["quantity"] != "c_prev"  # only on explicit request, as in a capture
        if not mask.any():
            raise CaptureError(f"units={dict(labels)!r} matches none of the {mask.size} units that can be edited.")
        return [str(name) for name in self.coords["unit"][mask]]

    def targets(self, names: list[str]) -> list[UnitGroup]:
        """Return units grouped by module, layer, direction and quantity."""
        groups: dict[tuple[str, int, str, str], list[tuple[int, int]]] = {}
        for position, name in enumerate(names):
            key, column = self._locate(name)
            groups.setdefault(key, []).append((column, position))
        return [
            UnitGroup(*key, *(torch.tensor(part) for part in zip(*pairs, strict=True))) for key, pairs in groups.items()
        ]

    def _locate(self, name: str) -> tuple[tuple[str, int, str, str], int]:
        column = self.column_by_name.get(name)
        if column is not None:
            unit = {label: values[column] for label, values in self.coords.items()}
            key = (str(unit["module"]), int(unit["layer"]), str(unit["direction"]), str(unit["quantity"]))
            return key, int(unit["index"])
        output = OUTPUT_NAME.fullmatch(name)
        if output and self._has_output(output["module"]):
            return (output["module"], 0, "", "out"), int(output["index"])
        gate = GATE_NAME.fullmatch(name)
        if gate and gate["module"] in self.modules:
            self._check_gates(gate["module"])
        raise unknown_name_error("unit", name, self.column_by_name)

    def _has_output(self, module: str) -> bool:
        """Return whether a module has an output that can be edited; its width is unknown before the forward."""
        entry = self.traces.get(module)
        if entry is not None:
            return entry.adapter is None and not isinstance(entry.module, nn.Linear)
        opaque = [name for name, entry in self.traces.items() if is_opaque(entry) and module.startswith(f"{name}.")]
        return module in self.modules and not opaque and "model" not in opaque

    def _check_gates(self, name: str) -> None:
        entry = self.traces.get(name)
        if entry is not None and entry.adapter is None and is_unreadable_recurrent(entry.module):
            raise CaptureError(f"The gates of {name!r} can't be edited: {explain_unreadable(entry.module)}")
