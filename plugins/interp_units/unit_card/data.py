"""What a unit card shows, as tables, and what is missing for those that are empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import interp
from interp import measure, one_pair, one_unit
from interp_units.correlation import with_one
from interp_units.overview import COUNTS, are_enough
from interp_units.reading import spread

if TYPE_CHECKING:
    import pandas as pd
    import torch
    import xarray as xr

GATES = ("i", "f", "o", "r", "z")  # in 0..1 by their function
NEURON = ("module", "layer", "direction", "index")
BINS, TOP, PUSHED, NEAR = 40, 8, 5, 8
WINDOW = 16  # letters of context on either side
BLOCK = 512  # units that are read at once
TEXT = 1_000_000  # tokens at most of which the text is looked through
NO_DISTANCES = "Not measured. Pass interp.measure('hellinger', acts) as the second dataset."


def distribution(column: xr.Dataset, one: xr.Dataset | None) -> pd.DataFrame:
    """Return counts in equal bins: of all tokens, and of both sides of a pair where one is given.

    Parameters
    ----------
    column : Dataset
        Dims ``(token,)``: the activations of the unit.
    one : Dataset, optional
        One pair, with its labels ``given`` and ``becomes`` in attrs.
    """
    import pandas as pd

    values = column["activation"].values.astype(np.float64)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    edges = np.linspace(low, high, BINS + 1) if high > low else np.linspace(low - 0.5, low + 0.5, BINS + 1)
    table = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "all": np.histogram(finite, edges)[0]})
    if one is None:
        return table
    given, becomes = one.attrs["given"], one.attrs["becomes"]
    among = column[given].values.astype(str) == str(one["pair_input"].values)
    here = among & (column[becomes].values.astype(str) == str(one["pair_output"].values))
    for side, mask in (("with", here), ("without", among & ~here)):
        table[side] = np.histogram(values[mask], edges)[0]
    return table


def contrasted(column: xr.Dataset, dist: xr.Dataset | None, pair: Any, labels: tuple[str, str]) -> xr.Dataset | None:
    """Return the pair whose two histograms are drawn: the one that is named, else the best with enough tokens."""
    if dist is None or not set(labels) <= set(column.coords) or not dist.sizes["pair"]:
        return None
    attrs = dict(zip(("given", "becomes"), labels, strict=True))
    if pair:
        return one_pair(dist, pair).assign_attrs(attrs)
    strength = np.nan_to_num(dist["distance"].values, nan=-2.0) + 4.0 * are_enough(dist)
    return dist.isel(pair=int(strength.argmax())).assign_attrs(attrs)


def top_pairs(dist: xr.Dataset) -> pd.DataFrame:
    """Return the pairs that the unit tells apart best, those with few tokens last: distance, interval, q, n."""
    names = [name for name in ("distance", "low", "high", "q", "knows", *COUNTS) if name in dist]
    frame = dist[names].to_dataframe().reset_index()
    order = np.argsort(-(frame["distance"].fillna(-2.0).to_numpy() + 4.0 * are_enough(dist)), kind="stable")
    return frame.iloc[order[:TOP]][["pair", "pair_input", "pair_output", *names]].reset_index(drop=True)


def gates(acts: xr.Dataset, unit: xr.Dataset) -> pd.DataFrame:
    """Return the saturation of the gates of the unit's neuron."""
    import pandas as pd

    same = np.ones(acts.sizes["unit"], bool)
    for name in NEURON:
        same &= acts[name].values == unit[name].values
    found = acts.isel(unit=np.flatnonzero(same & np.isin(acts["quantity"].values.astype(str), GATES)))
    if not found.sizes["unit"]:
        return pd.DataFrame(columns=["unit", "quantity", "below", "above"])
    measured = measure("saturation", found).to_dataframe().reset_index()
    return measured[["unit", "quantity", "below", "above"]]


def quantile_rows(column: xr.Dataset, contexts: xr.Dataset | None, examples: int) -> pd.DataFrame:
    """Return examples of text of each part of the unit's range, from the highest to the lowest."""
    if contexts is None:
        some = column.isel(token=spread(column.sizes["token"], TEXT)).expand_dims("unit", axis=1)
        contexts = measure("top-contexts", some, examples=examples, window=WINDOW)
    one = one_unit(contexts, str(column["unit"].values))
    kept = ["row", "value", "before", "here", "after", "sample", "step", "source"]
    one = one.isel(example=slice(examples)) if "example" in one.dims else one
    frame = one[kept[1:]].to_dataframe().reset_index()
    return frame[frame["value"].notna()][kept].reset_index(drop=True)


def pushes(
    acts: xr.Dataset, column: xr.Dataset, model: torch.nn.Module | None, wiring: xr.Dataset | None
) -> tuple[pd.DataFrame, str]:
    """Return the units that the unit pushes up and down most, with the reason where there is none.

    A push is weight x standard deviation of the unit; to output units less its mean over all of them, which a
    softmax ignores.
    """
    import pandas as pd

    none = pd.DataFrame(columns=["unit", "symbol", "push"])
    if wiring is None and model is None:
        return none, "Not known. Pass model=, the captured network, or wiring=."
    wiring = interp.wiring(model, acts) if wiring is None and model is not None else wiring
    name = str(column["unit"].values)
    if wiring is None or name not in wiring["lower_unit"].values.astype(str).tolist():
        return none, "No linear layer reads this unit directly."
    values = column["activation"].values
    if not np.isfinite(values).any():
        return none, "No activation of this unit is a finite number."
    weight = wiring["weight"].sel(lower_unit=name)
    weight = weight[np.isfinite(weight.values)]
    symbols = dict(
        zip(acts["unit"].values.astype(str).tolist(), acts["symbol"].values.astype(str).tolist(), strict=True)
    )
    units = weight["upper_unit"].values.astype(str).tolist()
    push = weight.values.astype(np.float64) * float(np.nanstd(values, dtype=np.float64))
    frame = pd.DataFrame({"unit": units, "symbol": [symbols.get(unit, "") for unit in units], "push": push})
    outputs = frame["symbol"] != ""
    frame.loc[outputs, "push"] -= frame.loc[outputs, "push"].mean()
    frame = frame.sort_values("push", ascending=False, kind="stable")
    few = pd.concat([frame.head(PUSHED), frame.tail(PUSHED)]) if len(frame) > 2 * PUSHED else frame
    return few.reset_index(drop=True), "" if len(few) else "No linear layer reads this unit directly."


def correlated(acts: xr.Dataset, column: xr.Dataset) -> pd.DataFrame:
    """Return the units of other neurons with the largest |r|, over all tokens or some of them."""
    import pandas as pd

    rows = spread(acts.sizes["token"])
    own = column["activation"].values[rows]
    other = np.zeros(acts.sizes["unit"], bool)
    for name in NEURON:
        other |= acts[name].values != column[name].values
    read, every = acts["activation"].isel(token=rows), range(0, acts.sizes["unit"], BLOCK)
    parts = [with_one(own, read.isel(unit=slice(at, at + BLOCK)).values) for at in every]
    r = np.where(other, np.concatenate(parts), np.nan) if parts else np.zeros(0)
    best = np.argsort(-np.nan_to_num(np.abs(r), nan=-1.0), kind="stable")[: min(NEAR, int(np.isfinite(r).sum()))]
    columns = {name: acts[name].values.astype(str)[best] for name in ("unit", "symbol")}
    return pd.DataFrame(columns | {"r": r[best]})
