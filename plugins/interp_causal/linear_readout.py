"""From units to logits without running the model: the dense layers above, as the wiring of a capture knows them."""

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

Column = dict[str, int]


@dataclass
class Layer:
    """One dense layer.

    Attributes
    ----------
    weight : Tensor (output, input)
        Of the layer.
    reads : array (input,) of int
        The unit that each input column is, -1 for model inputs.
    out : array (output,) of int
        Its own units.
    after : callable, optional
        What follows the linear map; None for nothing.
    before, intact : Tensor (row, output), optional
        The linear map of the intact values, and what follows it, where something does.
    """

    name: str
    weight: Tensor
    reads: np.ndarray
    out: np.ndarray
    after: Callable[[Tensor], Tensor] | None = None
    before: Tensor | None = None
    intact: Tensor | None = None


class Readout:
    """What logits become when units are given other values, for readers of those units alone.

    Parameters
    ----------
    acts : Dataset (token, unit)
        A capture with its wiring; the logits are the units that stand for symbols.
    model : Module
        The captured one.
    values : Tensor (token, unit)
        Activations at the tokens that matter.
    draws : int
        How many rows there are for each token: all tokens come once for each draw.

    Raises
    ------
    CaptureError
        Where a way from units to logits is not known exactly; the text says what to do.
    """

    def __init__(self, acts: xr.Dataset, model: torch.nn.Module, values: Tensor, draws: int = 1) -> None:
        self.draws = draws
        self.values, self.columns = values, {str(name): k for k, name in enumerate(acts["unit"].values)}
        self.logits = logit_units(acts)
        found = json.loads(str(acts.attrs.get("wiring", "[]")))
        names = list(dict.fromkeys(part["module"] for part in found))
        self.layers = [self._layer(name, [part for part in found if part["module"] == name], model) for name in names]
        module = str(acts["module"].values[self.logits[0]])
        if module not in names:
            raise CaptureError(f"The wiring of these activations does not reach {module!r}. {ELSE}")
        self.layers = self.layers[: names.index(module) + 1]

    def _layer(self, name: str, parts: list[dict[str, Any]], model: torch.nn.Module) -> Layer:
        import torch

        module: Any = model.get_submodule(name)
        weight, reads = module.weight.detach().to(self.values), np.full(int(module.in_features), -1)
        for part in parts:
            where = f"{name}[{part['start']}:{part['stop']}]"
            if part["kind"] not in ("unit", "input"):
                raise CaptureError(f"What feeds {where} is {part['kind']} in the wiring of these activations. {ELSE}")
            for k in range(part["stop"] - part["start"] if part["kind"] == "unit" else 0):
                reads[part["start"] + k] = self._column(f"{part['lower']}.{part['first'] + k}", where)
        out = np.array([self._column(f"{name}.out.{k}", name) for k in range(len(weight))])
        layer = Layer(name, weight, reads, out)
        if type(module).forward is not torch.nn.Linear.forward:
            self._follow(layer, module)
        return layer

    def _column(self, unit: str, reader: str) -> int:
        if unit not in self.columns:
            raise CaptureError(f"These activations lack the unit {unit!r} of {reader}. Capture it too. {ELSE}")
        return self.columns[unit]

    def _follow(self, layer: Layer, module: Any) -> None:
        """Find out what follows the linear map, by what it gives on the captured values."""
        import torch

        if (layer.reads < 0).any():
            raise CaptureError(f"{layer.name!r} is no plain nn.Linear and reads model inputs. {ELSE}")
        bias = None if module.bias is None else module.bias.detach().to(self.values)
        before = torch.nn.functional.linear(self.values[:, layer.reads], layer.weight, bias)
        for after in (torch.tanh, torch.relu, torch.sigmoid, torch.nn.functional.gelu):
            if torch.allclose(after(before), self.values[:, layer.out], rtol=1e-4, atol=1e-5):
                layer.after, layer.before = after, before.repeat(self.draws, 1)
                layer.intact = after(layer.before)
                return
        raise CaptureError(f"What follows the linear map of {layer.name!r} is not known. {ELSE}")

    def readers(self, unit: int) -> list[Layer]:
        """Return the layers that read a unit."""
        return [layer for layer in self.layers if (layer.reads == unit).any()]

    def strength(self, units: np.ndarray) -> np.ndarray:
        """Return the norm of all weights with which each unit is read, ``(unit,)``; 0 where it is not."""
        total = np.zeros(len(units))
        for layer in self.layers:
            squares = (layer.weight**2).sum(0).cpu().numpy()
            for column, unit in enumerate(layer.reads):
                if unit >= 0:
                    total[units == unit] += squares[column]
        return np.asarray(np.sqrt(total))

    def check(self, units: np.ndarray, names: np.ndarray) -> None:
        """Raise `OptionError` for a unit that no layer reads, and that is no logit: an edit would do nothing."""
        read = {int(unit) for layer in self.layers for unit in layer.reads} | set(self.logits.tolist())
        lost = [str(names[unit]) for unit in units.tolist() if unit not in read]
        if lost:
            raise OptionError(
                f"No dense layer reads {lost[0]!r} ({len(lost)} such units): for lower layers, and for the gates of "
                "other cells than the LSTM, give batches=, so that the model runs."
            )

    def change(self, units: np.ndarray, moved: Tensor, wanted: np.ndarray) -> Tensor:
        """Return how some logits change when units move.

        Parameters
        ----------
        units : array (unit,) of int
            Columns of the activations.
        moved : Tensor (row, unit)
            By how much; rows are the tokens, draw after draw.
        wanted : array (output,) of int
            Columns of the logits that are asked for.

        Returns
        -------
        Tensor (row, output)
        """
        import torch

        known: dict[int, tuple[Tensor, int]] = {int(unit): (moved, k) for k, unit in enumerate(units)}
        for layer in self.layers:
            last = layer is self.layers[-1]
            keep: Any = [int(np.flatnonzero(layer.out == unit)[0]) for unit in wanted] if last else slice(None)
            total = pulled(layer, known, layer.weight[keep])
            if total is None:
                continue
            if layer.after is not None and layer.before is not None and layer.intact is not None:
                total = layer.after(total.add_(layer.before[:, keep])).sub_(layer.intact[:, keep])
            own = layer.out[keep]
            known = {int(unit): (total, k) for k, unit in enumerate(own)} | known  # an edited unit stays as edited
        still = moved.new_zeros(len(moved), 1)
        parts = [known.get(int(unit), (still, 0)) for unit in wanted]
        first = parts[0][0]
        if all(part is first for part, _ in parts):
            return first[:, [k for _, k in parts]]
        return torch.stack([part[:, k] for part, k in parts], 1)


def pulled(layer: Layer, known: dict[int, tuple[Tensor, int]], weight: Tensor) -> Tensor | None:
    """Return what a layer's linear map gains from units that moved, ``(row, output)``; None where none did."""
    groups: dict[int, tuple[Tensor, list[int], list[int]]] = {}
    for column, unit in enumerate(layer.reads.tolist()):
        if unit in known:
            values, place = known[unit]
            held = groups.setdefault(id(values), (values, [], []))
            held[1].append(place)
            held[2].append(column)
    total = None
    for values, places, columns in groups.values():
        whole = places == list(range(values.shape[1]))
        part = (values if whole else values[:, places]) @ weight[:, columns].T
        total = part if total is None else total + part
    return total


def logit_units(acts: xr.Dataset) -> np.ndarray:
    """Return the columns of the units that stand for symbols.

    Raises
    ------
    CaptureError
        Where there is none, or they are of several modules.
    """
    found = np.flatnonzero(acts["symbol"].values != "") if "symbol" in acts.coords else np.zeros(0, np.int64)
    modules = np.unique(acts["module"].values[found])
    if modules.size != 1:
        raise CaptureError(
            f"Effects are read from the logits: the units of one module that stand for symbols; got {modules.size}. "
            "Set model.symbols = {'output': [...]} and capture that module too."
        )
    return np.asarray(found)


def symbol_columns(acts: xr.Dataset, symbols: list[str]) -> np.ndarray:
    """Return the logit of each symbol; `UnknownNameError` for one without."""
    units = logit_units(acts)
    known = {str(symbol): int(unit) for symbol, unit in zip(acts["symbol"].values[units], units, strict=True)}
    for symbol in symbols:
        if symbol not in known:
            raise UnknownNameError(f"No logit stands for {symbol!r}. There are: {', '.join(sorted(known))}.")
    return np.array([known[symbol] for symbol in symbols])


ELSE = "Give batches=, so that the model runs."
