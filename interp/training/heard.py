"""An edit that records units with their gradients, and lets a penalty change them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from interp.capturing.layout import Axis
from interp.intervening.passes import Pass
from interp.intervening.spots import Key, Spot, Spots
from interp.intervening.targets import Target

Change = Callable[[Tensor], Tensor]


class Heard(Spots):
    """An edit that records units at every token, before and after a change.

    Parameters
    ----------
    names : list of str
        Names of the units.
    targets : list of Target
        Positions of the units in the model.
    change : callable, optional
        ``change(values (row, unit)) -> values``; requires that all units are in one place.
    stepped : bool
        True if the engine runs the recurrent modules step by step.
    seen_by : {"state", "output"}
        As in `Edit`.
    """

    def __init__(
        self,
        names: list[str],
        targets: list[Target],
        change: Change | None = None,
        *,
        stepped: bool = False,
        seen_by: str = "state",
    ) -> None:
        super().__init__(names, seen_by=seen_by)
        self.targets, self.function, self.stepped = targets, change, stepped
        self.after: dict[Key, list[Tensor]] = {}
        self.calls: list[StepsHeard] = []

    def begin(self, names: list[str], passed: Pass) -> None:
        """Start recording a new forward."""
        super().begin(names, passed)
        self.after, self.calls = {}, []

    def change(self, target: Target, axis: Axis) -> StepsHeard:  # noqa: ARG002
        """Return the recorder of one call of a recurrent module, step by step."""
        self.calls.append(StepsHeard(self, self.spot(target)))
        return self.calls[-1]

    def at_output(self, target: Target, layout: str, output: Tensor) -> Tensor:
        """Record the output of a module, and return it as changed by the penalty."""
        spot = self.spot(target, layout)
        spot.values.append(output)
        edited = self.changed(target, output)
        self.after.setdefault(key_of(target), []).append(edited)
        return edited

    def changed(self, target: Target, value: Tensor) -> Tensor:
        """Return a value ``(…, size)`` with the units of a target changed by the penalty."""
        if self.function is None:
            return value
        rows = value.flatten(0, -2)
        order = target.places.argsort()
        columns = target.columns[order].to(value.device)
        edited = self.function(rows.index_select(1, columns)).to(value.dtype)
        return rows.index_copy(1, columns, edited).view(value.shape)

    def value(self) -> Tensor:
        """Return the units before the change, ``(token, unit)``."""
        return self.gathered({key: self._values_before(spot) for key, spot in self.spots.items()}, None)

    def edited(self) -> Tensor:
        """Return the units after the change, ``(token, unit)``."""
        stepped = {key: [call.joined(call.after) for call in self._calls_of(spot)] for key, spot in self.spots.items()}
        return self.gathered({key: self.after.get(key) or stepped[key] for key in self.spots}, None)

    def _values_before(self, spot: Spot) -> list[Tensor]:
        return spot.values or [call.joined(call.before) for call in self._calls_of(spot)]

    def _calls_of(self, spot: Spot) -> list[StepsHeard]:
        return [call for call in self.calls if call.spot is spot]


class StepsHeard:
    """A recorder of one quantity in one call of a recurrent module."""

    def __init__(self, heard: Heard, spot: Spot) -> None:
        self.heard, self.spot = heard, spot
        self.before: dict[int, Tensor] = {}
        self.after: dict[int, Tensor] = {}

    def __call__(self, value: Tensor, step: int) -> Tensor:
        """Record the value of a step ``(sample, size)``, and return it as changed by the penalty."""
        self.before[step] = value
        self.after[step] = self.heard.changed(self.spot.target, value)
        return self.after[step]

    def joined(self, steps: dict[int, Tensor]) -> Tensor:
        """Return the values of all steps in packed order, ``(row, size)``."""
        return torch.cat([steps[step] for step in sorted(steps)])


def key_of(target: Target) -> Key:
    """Return the module, layer, direction and quantity of a target."""
    return target.module, target.layer, target.direction, target.quantity
