"""The result with its labels, and the paragraph of method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp_classifier.linear import Fitted
from interp_classifier.problems import Problem

if TYPE_CHECKING:
    import xarray as xr

BASELINES = ("majority", "input", "window")


def labelled(
    acts: xr.Dataset,
    found: Sequence[Problem],
    rows: Sequence[tuple[dict[str, Any], Fitted]],
    given: Sequence[str],
    products: bool,
) -> xr.Dataset:
    """Return figures and weights of all problems as a dataset."""
    import xarray as xr

    figures = [row for row, _ in rows]
    data: dict[str, Any] = {
        name: ("group", np.array([row[name] for row in figures])) for name in figures[0] if name != "baseline_accuracy"
    }
    data["baseline_accuracy"] = (("group", "baseline"), [row["baseline_accuracy"] for row in figures])
    data |= {name: ("group", held) for name, held in _sizes(acts, found).items()}
    coords: dict[str, Any] = {str(name): held for name, held in acts.coords.items() if held.dims == ("unit",)}
    coords |= {"group": [one.name for one in found], "baseline": list(BASELINES)}
    coords |= {f"group_{name}": ("group", [one.given[at] for one in found]) for at, name in enumerate(given)}
    return xr.Dataset(data, coords).merge(_weights(acts, found, [fitted for _, fitted in rows], products))


def _sizes(acts: xr.Dataset, found: Sequence[Problem]) -> dict[str, list[int]]:
    sources = acts["source"].values
    parts = {"n": [np.concatenate([one.fit, one.test]) for one in found], "n_test": [one.test for one in found]}
    sizes = {f"{name}_tokens": [rows.size for rows in held] for name, held in parts.items()}
    return sizes | {f"{name}_sources": [np.unique(sources[rows]).size for rows in held] for name, held in parts.items()}


def _weights(acts: xr.Dataset, found: Sequence[Problem], fitted: Sequence[Fitted], products: bool) -> xr.Dataset:
    import xarray as xr

    columns, biases, names, inputs, outputs = [], [], [], [], []
    for one, model in zip(found, fitted, strict=True):
        weight, bias = model.weights(max(len(one.classes), 2))
        chosen = slice(1, 2) if len(one.classes) == 1 else slice(None)
        columns.append(weight[:, chosen])
        biases.append(bias[chosen])
        start = one.name if len(one.classes) > 1 else one.name.removesuffix(f"=>{one.classes[0]}")
        names += [f"{start}=>{each}" for each in one.classes]
        inputs += [one.given[0]] * len(one.classes)
        outputs += list(one.classes)
    every = np.concatenate(columns, axis=1)
    units = acts["unit"].values
    coords = {"pair": names, "pair_input": ("pair", inputs), "pair_output": ("pair", outputs), "unit": units}
    data = {
        "weight": (("unit", "pair"), every[: units.size], {"across": "unit", "precision": 0.01}),
        "intercept": ("pair", np.concatenate(biases), {"precision": 0.01}),
    }
    result = xr.Dataset(data, coords)
    if not products:
        return result
    left, right = (units[side] for side in np.triu_indices(units.size, 1))
    result = result.assign(product_weight=(("product", "pair"), every[units.size :]))
    product = [f"{a} * {b}" for a, b in zip(left.tolist(), right.tolist(), strict=True)]
    return result.assign_coords(product=product, product_first=("product", left), product_second=("product", right))


def method(
    labels: Sequence[str],
    given: Sequence[str],
    pairs: Sequence[str] | None,
    strength: float,
    controls: int,
    products: bool,
) -> str:
    """Return the paragraph a paper needs."""
    known = " and ".join((labels[0], *given))
    what = f"the {labels[1]} of tokens with one {known}" if pairs is None else f"a pair against the rest of its {known}"
    columns = "units and their products" if products else "units"
    return (
        f"Logistic regression (scikit-learn, C = {strength:g}) of {what} on standardised {columns}. "
        "Scaling and weights are fitted on the first half of the sources; accuracies are counted on the other, with a "
        "95 % jackknife interval over groups of sources for the gain over the majority. Selectivity (Hewitt and Liang "
        "2019): accuracy less that on a control task with one random label for each type, the mean of "
        f"{controls} draws, on types of the first half. Code length (Voita and Titov 2020): online, over shares of the "
        "sources of the first half."
    )
