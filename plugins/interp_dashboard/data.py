"""What a dashboard shows from: a store read a window at a time, results by their probe, a model, notes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

import interp
from interp import InterpError, OptionError
from interp_dashboard.cached import cached

if TYPE_CHECKING:
    import torch
    import xarray as xr

    from interp_dashboard.notes import Notes

WINDOW = 32_768  # tokens: what a store keeps together
VALUES = 2**26  # of a window, 256 MB: with many units it is shorter
GLANCE = 4_096  # tokens for what reads every unit at each click


class Material:
    """Activations and what belongs to them; sessions share it, and nothing in it changes but the notes.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``; a lazy one is read a window at a time.
    results : sequence of Dataset
        What probes found, told apart by ``attrs["probe"]``, the second of one probe being of the other model; and
        activations of another model to compare with.
    model : Module, optional
        The network that was captured.
    notes : Notes, optional
        Where names and notes of units are kept.
    window : int, optional
        Tokens of a window; whole samples, so that it may be some more.

    Raises
    ------
    SchemaError
        For activations that break the schema.
    """

    def __init__(
        self,
        acts: xr.Dataset,
        results: Sequence[xr.Dataset] = (),
        *,
        model: torch.nn.Module | None = None,
        notes: Notes | None = None,
        window: int | None = None,
    ) -> None:
        self.acts, self.model, self.notes, self.size = (
            interp.validate(acts),
            model,
            notes,
            window or fitting(acts.sizes["unit"]),
        )
        self.results: dict[str, xr.Dataset] = {}
        for one in results:
            probe = str(one.attrs.get("probe", ""))
            if "activation" not in one:
                self.results[f"other-{probe}" if probe in self.results else probe] = one
        others = [one for one in results if "activation" in one]
        self.other = Material(others[0], window=self.size) if others else None
        self.units = [str(name) for name in acts["unit"].values]
        self._known = frozenset(self.units)
        self.window = lru_cache(maxsize=2)(self._window)
        self.glance = lru_cache(maxsize=2)(self._glance)

    @property
    def windows(self) -> int:
        """How many windows there are; 1 at least."""
        return max(-(-self.acts.sizes["token"] // self.size), 1)

    def _window(self, number: int) -> xr.Dataset:
        """Return the samples that begin in a window, to their ends but no further than the next one's end.

        Where none begins, it is the text from there on of the one that goes on.

        Raises
        ------
        OptionError
            No such window.
        """
        if not 0 <= number < self.windows:
            raise OptionError(f"There is no window {number}; there are {self.windows:,}, from 0.")
        first, total = number * self.size, self.acts.sizes["token"]
        before, stop = max(first - 1, 0), min(first + 2 * self.size, total)
        sample = self.acts["sample"].isel(token=slice(before, stop)).values
        begins = before + np.flatnonzero(np.diff(sample, prepend=-1 if before == first else sample[:1]))
        starts = begins[begins < first + self.size]
        ends = begins[begins >= first + self.size]
        low, high = (starts[0] if starts.size else first), (ends[0] if ends.size else stop)
        held = cached(self.acts.isel(token=slice(int(low), int(high))))
        return held.assign_attrs(split=f"{self.acts.attrs.get('split', '')} {self._named(number)}".strip())

    def _glance(self, number: int) -> xr.Dataset:
        """Return the first tokens of a window, for what reads every unit at each click."""
        held = self.window(number)
        return held if held.sizes["token"] <= GLANCE else held.isel(token=slice(GLANCE))

    def _named(self, number: int) -> str:
        return f"(window {number + 1:,} of {self.windows:,})" if self.windows > 1 else ""

    def find(self, sample: int) -> int:
        """Return the window of a sample, where samples are in order.

        Raises
        ------
        OptionError
            No such sample.
        """
        low, high = 0, self.acts.sizes["token"]
        while low < high:
            middle = (low + high) // 2
            if int(self.acts["sample"][middle]) < sample:
                low = middle + 1
            else:
                high = middle
        if low == self.acts.sizes["token"] or int(self.acts["sample"][low]) != sample:
            raise OptionError(f"There is no sample {sample} in these {self.acts.sizes['token']:,} tokens.")
        return low // self.size

    def has_unit(self, name: str) -> bool:
        """Return whether a unit was captured."""
        return name in self._known

    @cached_property
    def pairs(self) -> list[str]:
        """The pairs of the distances, those that some unit tells apart best first."""
        dist = self.results.get("hellinger")
        if dist is None or "pair" not in dist.dims:
            return []
        best = np.nan_to_num(dist["distance"].max("unit").values, nan=-1.0)
        return [str(name) for name in dist["pair"].values[np.argsort(-best, kind="stable")]]

    def best(self, pair: str) -> str:
        """Return the unit that tells a pair apart best and is no output; without distances the first h, or unit."""
        if pair in self.pairs:
            column = interp.one_pair(self.results["hellinger"], pair)
            distance = np.nan_to_num(column["distance"].values, nan=-1.0) - 9.0 * (column["symbol"].values != "")
            ranked = np.argsort(-distance, kind="stable")
            named = (str(column["unit"].values[at]) for at in ranked)
            return next((name for name in named if self.has_unit(name)), self.units[0])
        h = np.flatnonzero(self.acts["quantity"].values == "h")
        return self.units[int(h[0])] if h.size else (self.units or [""])[0]

    @cached_property
    def wiring(self) -> Any:
        """Which unit feeds which, or the sentence that says what is missing."""
        if self.model is None:
            return None
        try:
            return interp.wiring(self.model, self.acts)
        except InterpError:
            return None

    @cached_property
    def task(self) -> Any:
        """The task of the text, where one that takes typed sentences is registered; else None."""
        named = self.acts.attrs.get("task")
        if named not in interp.tasks():
            return None
        options = {name: self.acts.attrs[name] for name in ("language",) if name in self.acts.attrs}
        task = interp.load_task(str(named), **options)
        return task if hasattr(task, "typed_batch") else None


def fitting(units: int) -> int:
    """Return how many tokens a window has: what a store keeps together, fewer where there are many units."""
    return min(WINDOW, max(VALUES // max(units, 1), 1024))
