"""Tables of a unit card, and the reasons why a table is empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import interp
from interp import measure
from interp.plotting import NEURON_COORDS, SIGMOID_GATES, select_pair, select_unit
from interp_units.correlation import correlations_with_unit, spread
from interp_units.overview import COUNTS, LOWEST, pairs_with_enough_data

if TYPE_CHECKING:
    import pandas as pd
    import torch
    import xarray as xr

SATURATION = ("frac_saturated_low", "frac_saturated_high")
N_BINS, MAX_PAIRS, MAX_CONNECTIONS, MAX_CORRELATED = 40, 8, 5, 8  # rows of the tables; connections per sign
WINDOW = 16  # tokens of text on either side
BLOCK = 512  # units read at once
MAX_TEXT_TOKENS = 1_000_000  # tokens that text examples are taken from
NO_DISTANCES = "Not measured. Pass interp.measure('hellinger', acts) as the second dataset."
NO_WEIGHTS = "Unknown. Pass model=, the captured network, or connectivity=."
NO_CONNECTION = "No linear layer reads this unit directly."
NOT_FINITE = "No activation of this unit is a finite number."


def distribution(column: xr.Dataset, contrast: xr.Dataset | None) -> pd.DataFrame:
    """Return counts in equal bins over all tokens, and over both sides of a pair if one is passed.

    Parameters
    ----------
    column : Dataset
        Activations of the unit, dims ``(token,)``.
    contrast : Dataset, optional
        One pair, with the names of its labels in the attrs ``input_label`` and ``output_label``.

    Returns
    -------
    DataFrame
        Columns ``low``, ``high`` (ends of a bin), ``all``, and with a pair ``target`` and ``rest``.
    """
    import pandas as pd

    values = column["activation"].values.astype(np.float64)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    edges = np.linspace(low, high, N_BINS + 1) if high > low else np.linspace(low - 0.5, low + 0.5, N_BINS + 1)
    table = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "all": np.histogram(finite, edges)[0]})
    if contrast is None:
        return table
    inputs, outputs = (column[contrast.attrs[f"{end}_label"]].values.astype(str) for end in ("input", "output"))
    same_input = inputs == str(contrast["pair_input"].values)
    target = same_input & (outputs == str(contrast["pair_output"].values))
    for side, mask in (("target", target), ("rest", same_input & ~target)):
        table[side] = np.histogram(values[mask], edges)[0]
    return table


def contrast_of(column: xr.Dataset, dist: xr.Dataset | None, pair: Any, labels: tuple[str, str]) -> xr.Dataset | None:
    """Return the pair whose two histograms are drawn: the requested one, else the best with enough tokens."""
    if dist is None or not set(labels) <= set(column.coords) or not dist.sizes["pair"]:
        return None
    attrs = dict(zip(("input_label", "output_label"), labels, strict=True))
    if pair:
        return select_pair(dist, pair).assign_attrs(attrs)
    strength = np.nan_to_num(dist["distance"].values, nan=LOWEST) + 4.0 * pairs_with_enough_data(dist)
    return dist.isel(pair=int(strength.argmax())).assign_attrs(attrs)


def top_pairs(dist: xr.Dataset) -> pd.DataFrame:
    """Return the pairs with the largest distance, those with few tokens last: distance, interval, q and n."""
    names = [name for name in ("distance", "ci_low", "ci_high", "q", "selective", *COUNTS) if name in dist]
    frame = dist[names].to_dataframe().reset_index()
    strength = frame["distance"].fillna(LOWEST).to_numpy() + 4.0 * pairs_with_enough_data(dist)
    order = np.argsort(-strength, kind="stable")
    return frame.iloc[order[:MAX_PAIRS]][["pair", "pair_input", "pair_output", *names]].reset_index(drop=True)


def gates(acts: xr.Dataset, unit: xr.Dataset) -> pd.DataFrame:
    """Return the saturation of the gates of the unit's neuron."""
    import pandas as pd

    mask = np.isin(acts["quantity"].values.astype(str), SIGMOID_GATES)
    for name in NEURON_COORDS:
        mask &= acts[name].values == unit[name].values
    columns = ["unit", "quantity", *SATURATION]
    if not mask.any():
        return pd.DataFrame(columns=columns)
    measured = measure("saturation", acts.isel(unit=np.flatnonzero(mask)))
    return measured.to_dataframe().reset_index()[columns]


def text_examples(column: xr.Dataset, contexts: xr.Dataset | None, examples: int) -> pd.DataFrame:
    """Return examples of text from each part of the unit's range, from the highest to the lowest.

    Parameters
    ----------
    column : Dataset
        Activations of the unit, dims ``(token,)``.
    contexts : Dataset, optional
        Result of the probe ``top-contexts``; by default it is measured on at most a million tokens.
    examples : int
        Number of examples from each part.
    """
    if contexts is None:
        tokens = spread(column.sizes["token"], MAX_TEXT_TOKENS)
        sampled = column.isel(token=tokens).expand_dims("unit", axis=1)
        contexts = measure("top-contexts", sampled, examples=examples, window=WINDOW)
    one = select_unit(contexts, str(column["unit"].values))
    columns = ["row", "value", "before", "here", "after", "sample", "step", "source"]
    one = one.isel(example=slice(examples)) if "example" in one.dims else one
    frame = one[columns[1:]].to_dataframe().reset_index()
    return frame[frame["value"].notna()][columns].reset_index(drop=True)


def connections(
    acts: xr.Dataset, column: xr.Dataset, model: torch.nn.Module | None, connectivity: xr.Dataset | None
) -> tuple[pd.DataFrame, str]:
    """Return the units that read the unit with the largest and the smallest scaled weights.

    A scaled weight is weight x standard deviation of the unit. From those to output units their mean over all of them
    is subtracted, because a softmax ignores it.

    Returns
    -------
    DataFrame
        Columns ``unit``, ``symbol`` and ``scaled_weight``, in descending order.
    str
        Reason why there are no rows, else empty.
    """
    import pandas as pd

    empty = pd.DataFrame(columns=["unit", "symbol", "scaled_weight"])
    if connectivity is None and model is None:
        return empty, NO_WEIGHTS
    connectivity = interp.connectivity(model, acts) if connectivity is None and model is not None else connectivity
    name = str(column["unit"].values)
    if connectivity is None or name not in connectivity["lower_unit"].values.astype(str).tolist():
        return empty, NO_CONNECTION
    values = column["activation"].values
    if not np.isfinite(values).any():
        return empty, NOT_FINITE
    weight = connectivity["weight"].sel(lower_unit=name)
    weight = weight[np.isfinite(weight.values)]
    names, symbols = (acts[coord].values.astype(str).tolist() for coord in ("unit", "symbol"))
    symbol_of = dict(zip(names, symbols, strict=True))
    units = weight["upper_unit"].values.astype(str).tolist()
    scaled = weight.values.astype(np.float64) * float(np.nanstd(values, dtype=np.float64))
    frame = pd.DataFrame({"unit": units, "symbol": [symbol_of.get(unit, "") for unit in units]})
    frame["scaled_weight"] = scaled
    outputs = frame["symbol"] != ""
    frame.loc[outputs, "scaled_weight"] -= frame.loc[outputs, "scaled_weight"].mean()
    frame = frame.sort_values("scaled_weight", ascending=False, kind="stable")
    ends = [frame.head(MAX_CONNECTIONS), frame.tail(MAX_CONNECTIONS)]
    frame = pd.concat(ends) if len(frame) > 2 * MAX_CONNECTIONS else frame
    return frame.reset_index(drop=True), "" if len(frame) else NO_CONNECTION


def correlated(acts: xr.Dataset, column: xr.Dataset) -> pd.DataFrame:
    """Return the units of other neurons with the largest |r|, over all tokens or a sample of them."""
    import pandas as pd

    rows = spread(acts.sizes["token"])
    values = column["activation"].values[rows]
    other_neuron = np.zeros(acts.sizes["unit"], bool)
    for name in NEURON_COORDS:
        other_neuron |= acts[name].values != column[name].values
    sampled, starts = acts["activation"].isel(token=rows), range(0, acts.sizes["unit"], BLOCK)
    parts = [correlations_with_unit(values, sampled.isel(unit=slice(at, at + BLOCK)).values) for at in starts]
    r = np.where(other_neuron, np.concatenate(parts), np.nan) if parts else np.zeros(0)
    n = min(MAX_CORRELATED, int(np.isfinite(r).sum()))
    best = np.argsort(-np.nan_to_num(np.abs(r), nan=-1.0), kind="stable")[:n]
    columns = {name: acts[name].values.astype(str)[best] for name in ("unit", "symbol")}
    return pd.DataFrame(columns | {"r": r[best]})
