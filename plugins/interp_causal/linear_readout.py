"""Logits computed from units without running the model, through the dense layers above them.

The connectivity of a capture tells the units that each dense layer reads.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import CaptureError, OptionError, UnknownNameError

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from torch import Tensor

RUN_MODEL_HINT = "Pass batches=, so that the model runs."


@dataclass
class DenseLayer:
    """One dense layer.

    Attributes
    ----------
    name : str
        Name of the module.
    weight : Tensor (output, input)
        Weights of the layer.
    inputs : array (input,) of int
        Column of the unit that each input reads, -1 for model inputs.
    outputs : array (output,) of int
        Columns of the layer's own units.
    activation : callable, optional
        Function applied to the linear map; None for none.
    intact_linear, intact_output : Tensor (row, output), optional
        Linear map and output for the captured values, if there is an activation.
    """

    name: str
    weight: Tensor
    inputs: np.ndarray
    outputs: np.ndarray
    activation: Callable[[Tensor], Tensor] | None = None
    intact_linear: Tensor | None = None
    intact_output: Tensor | None = None


class LinearReadout:
    """Changes of logits caused by changes of units, through the layers that read those units.

    Parameters
    ----------
    acts : Dataset (token, unit)
        A capture with its connectivity; the logits are the units with a symbol.
    model : Module
        Captured model.
    values : Tensor (token, unit)
        Activations at the evaluated tokens.
    draws : int
        Number of draws; rows are all tokens, draw after draw.

    Raises
    ------
    CaptureError
        If a path from units to logits is not known exactly; the message says how to proceed.
    """

    def __init__(self, acts: xr.Dataset, model: torch.nn.Module, values: Tensor, draws: int = 1) -> None:
        self.draws = draws
        self.values, self.columns = values, {str(name): k for k, name in enumerate(acts["unit"].values)}
        self.logits = logit_units(acts)
        segments = json.loads(str(acts.attrs.get("connectivity", "[]")))
        names = list(dict.fromkeys(part["module"] for part in segments))
        by_module = {name: [part for part in segments if part["module"] == name] for name in names}
        self.layers = [self._layer(name, parts, model) for name, parts in by_module.items()]
        module = str(acts["module"].values[self.logits[0]])
        if module not in names:
            raise CaptureError(f"The connectivity of these activations does not reach {module!r}. {RUN_MODEL_HINT}")
        self.layers = self.layers[: names.index(module) + 1]

    def _layer(self, name: str, segments: list[dict[str, Any]], model: torch.nn.Module) -> DenseLayer:
        """Return a dense layer from the segments of its input; `CaptureError` for inputs of unknown origin."""
        import torch

        module: Any = model.get_submodule(name)
        weight, inputs = module.weight.detach().to(self.values), np.full(int(module.in_features), -1)
        for part in segments:
            span = f"{name}[{part['start']}:{part['stop']}]"
            if part["kind"] not in ("unit", "input"):
                raise CaptureError(
                    f"The input of {span} is {part['kind']} in the connectivity of these activations. {RUN_MODEL_HINT}"
                )
            for k in range(part["stop"] - part["start"] if part["kind"] == "unit" else 0):
                inputs[part["start"] + k] = self._column(f"{part['lower']}.{part['first'] + k}", span)
        outputs = np.array([self._column(f"{name}.out.{k}", name) for k in range(len(weight))])
        layer = DenseLayer(name, weight, inputs, outputs)
        if type(module).forward is not torch.nn.Linear.forward:
            self._find_activation(layer, module)
        return layer

    def _column(self, unit: str, reader: str) -> int:
        """Return the column of a unit that ``reader`` needs."""
        if unit not in self.columns:
            raise CaptureError(
                f"These activations lack the unit {unit!r}, which {reader} reads. Capture it too. {RUN_MODEL_HINT}"
            )
        return self.columns[unit]

    def _find_activation(self, layer: DenseLayer, module: Any) -> None:
        """Set the activation function of a layer, found by comparison with the captured values."""
        import torch

        if (layer.inputs < 0).any():
            raise CaptureError(f"{layer.name!r} is not a plain nn.Linear and reads model inputs. {RUN_MODEL_HINT}")
        bias = None if module.bias is None else module.bias.detach().to(self.values)
        linear = torch.nn.functional.linear(self.values[:, layer.inputs], layer.weight, bias)
        for activation in (torch.tanh, torch.relu, torch.sigmoid, torch.nn.functional.gelu):
            if torch.allclose(activation(linear), self.values[:, layer.outputs], rtol=1e-4, atol=1e-5):
                layer.activation, layer.intact_linear = activation, linear.repeat(self.draws, 1)
                layer.intact_output = activation(layer.intact_linear)
                return
        raise CaptureError(
            f"The activation function of {layer.name!r} is not tanh, relu, sigmoid or gelu. {RUN_MODEL_HINT}"
        )

    def outgoing_norm(self, units: np.ndarray) -> np.ndarray:
        """Return the norm of all weights that read each unit, ``(unit,)``; 0 for units that no layer reads."""
        total = np.zeros(len(units))
        for layer in self.layers:
            squares = (layer.weight**2).sum(0).cpu().numpy()
            for column, unit in enumerate(layer.inputs):
                if unit >= 0:
                    total[units == unit] += squares[column]
        return np.asarray(np.sqrt(total))

    def check_units_are_read(self, units: np.ndarray, names: np.ndarray) -> None:
        """Raise `OptionError` for units that no layer reads and that are not logits: an edit would have no effect."""
        used = {int(unit) for layer in self.layers for unit in layer.inputs} | set(self.logits.tolist())
        unused = [str(names[unit]) for unit in units.tolist() if unit not in used]
        if unused:
            raise OptionError(
                f"No dense layer reads {unused[0]!r} ({len(unused)} such units): for lower layers, and for gates of "
                "cells other than the LSTM, pass batches=, so that the model runs."
            )

    def logit_change(self, units: np.ndarray, change: Tensor, columns: np.ndarray) -> Tensor:
        """Return the change of logits for a change of units.

        Parameters
        ----------
        units : array (unit,) of int
            Columns of the changed units.
        change : Tensor (row, unit)
            Change of each unit; rows are the tokens, draw after draw.
        columns : array (output,) of int
            Columns of the requested logits.

        Returns
        -------
        Tensor (row, output)
        """
        import torch

        changes: dict[int, tuple[Tensor, int]] = {int(unit): (change, k) for k, unit in enumerate(units)}
        for layer in self.layers:
            last = layer is self.layers[-1]
            keep: Any = [int(np.flatnonzero(layer.outputs == unit)[0]) for unit in columns] if last else slice(None)
            total = linear_change(layer, changes, layer.weight[keep])
            if total is None:
                continue
            if layer.activation is not None and layer.intact_linear is not None and layer.intact_output is not None:
                total = layer.activation(total.add_(layer.intact_linear[:, keep])).sub_(layer.intact_output[:, keep])
            own = layer.outputs[keep]
            changes = {int(unit): (total, k) for k, unit in enumerate(own)} | changes  # an edited unit stays as edited
        zero = change.new_zeros(len(change), 1)
        parts = [changes.get(int(unit), (zero, 0)) for unit in columns]
        first = parts[0][0]
        if all(part is first for part, _ in parts):
            return first[:, [k for _, k in parts]]
        return torch.stack([part[:, k] for part, k in parts], 1)


def linear_change(layer: DenseLayer, changes: dict[int, tuple[Tensor, int]], weight: Tensor) -> Tensor | None:
    """Return the change of a layer's linear map, ``(row, output)``; None if none of its inputs changed.

    Parameters
    ----------
    layer : DenseLayer
        The layer.
    changes : dict of int to (Tensor (row, unit), int)
        Changes of units, by column: a table of changes and the position of the unit in it.
    weight : Tensor (output, input)
        Rows of the layer's weights for the requested outputs.
    """
    tables: dict[int, tuple[Tensor, list[int], list[int]]] = {}
    for column, unit in enumerate(layer.inputs.tolist()):
        if unit in changes:
            values, position = changes[unit]
            _, positions, columns = tables.setdefault(id(values), (values, [], []))
            positions.append(position)
            columns.append(column)
    total = None
    for values, positions, columns in tables.values():
        is_whole = positions == list(range(values.shape[1]))
        part = (values if is_whole else values[:, positions]) @ weight[:, columns].T
        total = part if total is None else total + part
    return total


def logit_units(acts: xr.Dataset) -> np.ndarray:
    """Return the columns ``(output,)`` of the units with a symbol.

    Raises
    ------
    CaptureError
        If there are none, or they belong to several modules.
    """
    units = np.flatnonzero(acts["symbol"].values != "") if "symbol" in acts.coords else np.zeros(0, np.int64)
    modules = np.unique(acts["module"].values[units])
    if modules.size != 1:
        raise CaptureError(
            f"Expected logits, units with symbols, in one module; got {modules.size} modules with symbols. Set "
            "model.symbols = {'output': [...]} and capture that module too."
        )
    return np.asarray(units)


def symbol_columns(acts: xr.Dataset, symbols: list[str]) -> np.ndarray:
    """Return the column of each symbol's logit, ``(symbol,)``; `UnknownNameError` for a symbol without one."""
    units = logit_units(acts)
    columns = {str(symbol): int(unit) for symbol, unit in zip(acts["symbol"].values[units], units, strict=True)}
    for symbol in symbols:
        if symbol not in columns:
            raise UnknownNameError(f"No logit stands for {symbol!r}. Symbols: {', '.join(sorted(columns))}.")
    return np.array([columns[symbol] for symbol in symbols])
