"""An edit that keeps the values of its units with their gradients, and lets a penalty change them."""

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
    """Keeps units as they are at every token, before and after a change.

    Parameters
    ----------
    names : list of str
        The units.
    targets : list of Target
        Where they are.
    change : callable, optional
        ``change(values (row, unit)) -> values``, for units that are all in one place.
    stepped : bool
        Whether the engine runs the recurrent modules step by step.
    seen_by : {"state", "output"}
        As of `Edit`.
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
        """Be told that another forward begins."""
        super().begin(names, passed)
        self.after, self.calls = {}, []

    def change(self, target: Target, axis: Axis) -> StepsHeard:  # noqa: ARG002
        """Return what hears one call of a recurrent module, step by step."""
        self.calls.append(StepsHeard(self, self.spot(target)))
        return self.calls[-1]

    def at_output(self, target: Target, layout: str, output: Tensor) -> Tensor:
        """Return an output of a module, changed where the penalty does so."""
        spot = self.spot(target, layout)
        spot.values.append(output)
        new = self.changed(target, output)
        self.after.setdefault(key_of(target), []).append(new)
        return new

    def changed(self, target: Target, value: Tensor) -> Tensor:
        """Return a value ``(…, size)`` with the units of a target as the penalty wants them."""
        if self.function is None:
            return value
        rows = value.flatten(0, -2)
        order = target.places.argsort()
        columns = target.columns[order].to(value.device)
        new = self.function(rows.index_select(1, columns)).to(value.dtype)
        return rows.index_copy(1, columns, new).view(value.shape)

    def value(self) -> Tensor:
        """Return the units before the change, ``(token, unit)``."""
        return self.gathered({key: self._before(spot) for key, spot in self.spots.items()}, None)

    def edited(self) -> Tensor:
        """Return the units after the change, ``(token, unit)``."""
        stepped = {key: [held.joined(held.after) for held in self._of(spot)] for key, spot in self.spots.items()}
        return self.gathered({key: self.after.get(key) or stepped[key] for key in self.spots}, None)

    def _before(self, spot: Spot) -> list[Tensor]:
        return spot.values or [held.joined(held.before) for held in self._of(spot)]

    def _of(self, spot: Spot) -> list[StepsHeard]:
        return [held for held in self.calls if held.spot is spot]


class StepsHeard:
    """Hears one quantity in one call of a recurrent module; a `Change`."""

    def __init__(self, heard: Heard, spot: Spot) -> None:
        self.heard, self.spot = heard, spot
        self.before: dict[int, Tensor] = {}
        self.after: dict[int, Tensor] = {}

    def __call__(self, value: Tensor, step: int) -> Tensor:
        """Return the value of a step ``(sample, size)``, changed."""
        self.before[step] = value
        self.after[step] = self.heard.changed(self.spot.target, value)
        return self.after[step]

    def joined(self, steps: dict[int, Tensor]) -> Tensor:
        """Return the values as packed: step after step, ``(row, size)``."""
        return torch.cat([steps[step] for step in sorted(steps)])


def key_of(target: Target) -> Key:
    """Return what tells the place of a target from others."""
    return target.module, target.layer, target.direction, target.quantity
