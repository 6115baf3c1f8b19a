"""Two ways to learn what logits would be with a group ablated: by the dense layers alone, or by running the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from interp import OptionError
from interp_causal.cells import Cells
from interp_causal.numbers import log_odds
from interp_causal.readout import Readout, logit_units
from interp_causal.tokens import Labels, Lent, Measured, labels_of, lendable

if TYPE_CHECKING:
    import torch
    import xarray as xr


@dataclass(frozen=True)
class How:
    """How a group is ablated: the options of `interp.Ablate`."""

    to: str
    given: tuple[str, ...]
    draws: int
    seed: int
    seen_by: str


class World(Protocol):
    """Gives logits of some tokens, intact and with a group ablated."""

    intact: np.ndarray

    def ablated(self, units: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return logits ``(draw, token, output)`` with units ablated; both are columns of the activations."""


class Dense:
    """By the dense layers above the units, for their readers alone; gates and cells by the h that they make.

    Parameters
    ----------
    acts : Dataset (token, unit)
        A capture.
    model : Module
        The captured one.
    tokens : Measured
        Where effects are measured.
    how : How
        The ablation.
    kept : bool
        Keep what is lent, for many groups.
    """

    def __init__(
        self, acts: xr.Dataset, model: torch.nn.Module, tokens: Measured, how: How, kept: bool = False
    ) -> None:
        import torch

        self.values, self.names = acts["activation"].values, acts["unit"].values
        self.lent = Lent(self.values, labels_of(acts), tokens.rows, how.to, how.given, how.draws, how.seed, kept)
        self.cells = Cells(acts, tokens.rows)
        here = torch.from_numpy(np.ascontiguousarray(self.values[tokens.rows]))
        self.readout = Readout(acts, model, here, self.lent.draws)
        self.intact = self.values[tokens.rows]

    def ablated(self, units: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return logits ``(draw, token, output)`` with units ablated."""
        import torch

        units, by = self.moved(units)
        self.readout.check(units, self.names)
        with torch.no_grad():
            change = self.readout.change(units, torch.from_numpy(by), columns).numpy()
        return np.asarray(self.intact[:, columns] + change.reshape(self.lent.draws, len(self.intact), -1))

    def moved(self, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which units of the layers above move, and by how much: ``(unit,)`` and ``(draw x token, unit)``."""
        if self.cells.inner(units).any():
            return self.cells.outputs(units, self.lent.moved)
        return units, self.lent.moved(units)


class Running:
    """By the model itself, under `interp.run`: for any units, and through the recurrence.

    Parameters
    ----------
    acts : Dataset (token, unit)
        A capture of the batches: donors.
    batches : Batch or iterable of those
        Those of the capture, again.
    """

    def __init__(
        self, acts: xr.Dataset, model: torch.nn.Module, batches: Any, tokens: Measured, how: How, named: tuple[str, str]
    ) -> None:
        self.acts, self.model, self.batches, self.tokens, self.how = acts, model, batches, tokens, how
        self.logits = logit_units(acts)
        labels = labels_of(acts)
        self.where = {named[0]: str(labels[named[0]][tokens.rows[0]])}
        self.at = with_donors(labels, how.given)
        self.intact = np.full((len(tokens.rows), acts.sizes["unit"]), np.nan, np.float32)
        self.intact[:, self.logits] = self._logits(())[0]

    def _logits(self, edits: Any) -> np.ndarray:
        """Return the logits of the tokens, ``(draw, token, output)``."""
        from interp import run

        names = [str(name) for name in self.acts["unit"].values[self.logits]]
        module = str(self.acts["module"].values[self.logits[0]])
        found = run(self.model, self.batches, edits, modules=[module], where=self.where, units=names, progress=False)
        here = self.acts.isel(token=self.tokens.rows)
        wanted = here["sample"].values.astype(np.int64) * 2**31 + here["step"].values
        keys = found["sample"].values.astype(np.int64) * 2**31 + found["step"].values
        draw = found["draw"].values if "draw" in found.coords else np.zeros(keys.size, np.int64)
        parts = []
        for number in range(int(draw.max()) + 1):
            mine = np.flatnonzero(draw == number)
            place = mine[np.minimum(np.searchsorted(keys[mine], wanted), mine.size - 1)]
            if not np.array_equal(keys[place], wanted):
                raise OptionError("batches= gives other tokens than the activations have: pass the captured ones.")
            parts.append(found["activation"].values[place])
        return np.stack(parts)

    def ablated(self, units: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return logits ``(draw, token, output)`` with units ablated at every token that has a donor."""
        from interp import Ablate

        how, names = self.how, [str(name) for name in self.acts["unit"].values[units]]
        edit = Ablate(names, how.to, self.acts, how.given, how.draws, how.seed, self.at, how.seen_by)
        place = {int(unit): k for k, unit in enumerate(self.logits)}
        return np.asarray(self._logits(edit)[..., [place[int(column)] for column in columns]])


def with_donors(labels: Labels, given: Sequence[str]) -> Callable[[Any], np.ndarray]:
    """Return a function of labels that says which tokens have a donor."""
    fit = lendable(labels, given)
    known = set(zip(*(np.asarray(labels[name])[fit].tolist() for name in given), strict=True)) if given else set()

    def at(tokens: Any) -> np.ndarray:
        count = len(tokens["sample"])
        if not given:
            return np.ones(count, bool)
        rows = zip(*(np.asarray(tokens[name]).tolist() for name in given), strict=True)
        return np.fromiter((row in known for row in rows), bool, count)

    return at


def effects(world: World, tokens: Measured, units: np.ndarray) -> np.ndarray:
    """Return what ablating units costs each token: log-odds intact minus edited, mean over draws, ``(token,)``."""
    before = log_odds(world.intact[:, tokens.logits], tokens.right)
    after = log_odds(world.ablated(units, tokens.logits), tokens.right)
    return np.asarray(before - after.mean(0))
