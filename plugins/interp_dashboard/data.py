"""Data of a dashboard: activations read in windows, results by probe, a model, and notes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import interp
from interp import InterpError, OptionError
from interp_dashboard.annotations import Notes
from interp_dashboard.column_cache import cache_columns

if TYPE_CHECKING:
    import torch
    import xarray as xr

MAX_WINDOW_TOKENS = 32_768  # tokens per chunk of a store
MAX_WINDOW_VALUES = 2**26  # 256 MB; limits the window of a store with many units
MIN_WINDOW_TOKENS = 1_024
PREVIEW_TOKENS = 4_096  # for views that read every unit at each click


class DashboardData:
    """Activations with the results, model and notes that belong to them. Sessions share it; only the notes change.

    Parameters
    ----------
    acts : Dataset
        Activations, dims ``(token, unit)``; a lazy dataset is read one window at a time.
    results : sequence of Dataset
        Results of probes, identified by ``attrs["probe"]``; a second result of a probe belongs to the other model.
        Also activations of another model to compare with.
    model : Module, optional
        The captured network.
    notes : Notes, optional
        Names and notes of units.
    window : int, optional
        Minimum number of tokens per window, which consists of whole samples; by default depends on the number of units.

    Raises
    ------
    SchemaError
        If the activations violate the schema.
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
        self.acts, self.model, self.notes = interp.validate(acts), model, notes
        self.window_size = window or default_window_size(acts.sizes["unit"])
        self.results: dict[str, xr.Dataset] = {}
        for result in results:
            probe = str(result.attrs.get("probe", ""))
            if "activation" not in result:
                self.results[f"other-{probe}" if probe in self.results else probe] = result
        others = [result for result in results if "activation" in result]
        self.other = DashboardData(others[0], window=self.window_size) if others else None
        self.units = [str(name) for name in acts["unit"].values]
        self._unit_set = frozenset(self.units)
        self.window = lru_cache(maxsize=2)(self._read_window)
        self.preview = lru_cache(maxsize=2)(self._read_preview)

    @property
    def n_windows(self) -> int:
        """Number of windows, at least 1."""
        return max(-(-self.acts.sizes["token"] // self.window_size), 1)

    def _read_window(self, number: int) -> xr.Dataset:
        """Return the samples that begin in a window, to their ends but at most to the end of the next window.

        If no sample begins in the window, return the text of the current sample from the start of the window.

        Raises
        ------
        OptionError
            If there is no such window.
        """
        if not 0 <= number < self.n_windows:
            raise OptionError(f"There is no window {number}; there are {self.n_windows:,}, from 0.")
        first, total = number * self.window_size, self.acts.sizes["token"]
        before, stop = max(first - 1, 0), min(first + 2 * self.window_size, total)
        sample = self.acts["sample"].isel(token=slice(before, stop)).values
        begins = before + np.flatnonzero(np.diff(sample, prepend=-1 if before == first else sample[:1]))
        starts = begins[begins < first + self.window_size]
        ends = begins[begins >= first + self.window_size]
        low, high = (starts[0] if starts.size else first), (ends[0] if ends.size else stop)
        window = cache_columns(self.acts.isel(token=slice(int(low), int(high))))
        return window.assign_attrs(split=f"{self.acts.attrs.get('split', '')} {self._window_label(number)}".strip())

    def _read_preview(self, number: int) -> xr.Dataset:
        """Return the first tokens of a window, for views that read every unit at each click."""
        window = self.window(number)
        return window if window.sizes["token"] <= PREVIEW_TOKENS else window.isel(token=slice(PREVIEW_TOKENS))

    def _window_label(self, number: int) -> str:
        return f"(window {number + 1:,} of {self.n_windows:,})" if self.n_windows > 1 else ""

    def window_of(self, sample: int) -> int:
        """Return the window of a sample; samples must be in order.

        Raises
        ------
        OptionError
            If there is no such sample.
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
        return low // self.window_size

    def has_unit(self, name: str) -> bool:
        """Return whether a unit was captured."""
        return name in self._unit_set

    @cached_property
    def pairs(self) -> list[str]:
        """Pairs of the distances, in descending order of the largest distance of any unit."""
        dist = self.results.get("hellinger")
        if dist is None or "pair" not in dist.dims:
            return []
        largest = np.nan_to_num(dist["distance"].max("unit").values, nan=-1.0)
        return [str(name) for name in dist["pair"].values[np.argsort(-largest, kind="stable")]]

    def best_unit(self, pair: str) -> str:
        """Return the unit, except outputs, with the largest distance for a pair; without distances the first h."""
        if pair in self.pairs:
            column = interp.plotting.select_pair(self.results["hellinger"], pair)
            distance = np.nan_to_num(column["distance"].values, nan=-1.0) - 9.0 * (column["symbol"].values != "")
            ranked = np.argsort(-distance, kind="stable")
            names = (str(column["unit"].values[at]) for at in ranked)
            return next((name for name in names if self.has_unit(name)), self.units[0])
        h = np.flatnonzero(self.acts["quantity"].values == "h")
        return self.units[int(h[0])] if h.size else (self.units or [""])[0]

    @cached_property
    def connectivity(self) -> xr.Dataset | None:
        """Weights between units (lower_unit, upper_unit); None without a model, or if they can't be determined."""
        if self.model is None:
            return None
        try:
            return interp.connectivity(self.model, self.acts)
        except InterpError:
            return None

    @cached_property
    def task(self) -> Any:
        """The task of the text, if it is registered and takes typed sentences; else None."""
        name = self.acts.attrs.get("task")
        if name not in interp.tasks():
            return None
        options = {name: self.acts.attrs[name] for name in ("language",) if name in self.acts.attrs}
        task = interp.load_task(str(name), **options)
        return task if hasattr(task, "typed_batch") else None


def default_window_size(n_units: int) -> int:
    """Return the number of tokens per window: one chunk of a store, fewer with many units."""
    return min(MAX_WINDOW_TOKENS, max(MAX_WINDOW_VALUES // max(n_units, 1), MIN_WINDOW_TOKENS))


def open_data(stores: Sequence[str | Path], *, model: str | None = None, weights: Path | None = None) -> DashboardData:
    """Open stores on disk for a dashboard, with the notes beside the first one.

    Parameters
    ----------
    stores : sequence of path
        Activations first, then results, and activations of another model to compare with.
    model : str, optional
        Name of the captured network.
    weights : path, optional
        Weights of the network; by default those that are shipped with it.

    Raises
    ------
    OptionError
        If the first store has no activations.
    SchemaError
        If a path is not a store.
    """
    acts, *results = [interp.open(path) for path in stores]
    if "activation" not in acts:
        raise OptionError(f"{stores[0]} is a result; begin with activations: interp serve ACTS.zarr {stores[0]}.")
    network: Any = interp.load_model(model, weights=weights) if model else None
    return DashboardData(acts, results, model=network, notes=Notes.beside(stores[0]))
