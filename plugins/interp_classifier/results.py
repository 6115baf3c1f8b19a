"""Result of the probe with its labels, and the paragraph of method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp_classifier.classification import FittedClassifier
from interp_classifier.problems import Problem

if TYPE_CHECKING:
    import xarray as xr

BASELINES = ("majority", "input", "window")
WEIGHT_TOLERANCE = 0.01  # of iterative fits, relative to the largest weight


def make_result(
    acts: xr.Dataset,
    problems: Sequence[Problem],
    results: Sequence[tuple[dict[str, Any], FittedClassifier]],
    condition_on: Sequence[str],
    interactions: bool,
) -> xr.Dataset:
    """Return scores and weights of all problems as a dataset.

    Parameters
    ----------
    acts : Dataset (token, unit)
        Units of the classifiers.
    problems : sequence of Problem
        Problems.
    results : sequence of (dict, FittedClassifier)
        Scores and classifier of each problem.
    condition_on : sequence of str
        Labels that the tokens of a problem share.
    interactions : bool
        True if the classifiers use products of units.
    """
    import xarray as xr

    scores = [row for row, _ in results]
    data: dict[str, Any] = {
        name: ("group", np.array([row[name] for row in scores])) for name in scores[0] if name != "baseline_accuracy"
    }
    data["baseline_accuracy"] = (("group", "baseline"), [row["baseline_accuracy"] for row in scores])
    data |= {name: ("group", sizes) for name, sizes in _sizes(acts, problems).items()}
    coords: dict[str, Any] = {str(name): coord for name, coord in acts.coords.items() if coord.dims == ("unit",)}
    coords |= {"group": [problem.name for problem in problems], "baseline": list(BASELINES)}
    coords |= {
        f"group_{name}": ("group", [problem.condition[k] for problem in problems])
        for k, name in enumerate(condition_on)
    }
    return xr.Dataset(data, coords).merge(_weights(acts, problems, [fitted for _, fitted in results], interactions))


def _sizes(acts: xr.Dataset, problems: Sequence[Problem]) -> dict[str, list[int]]:
    """Return the numbers of tokens and sources of each problem, in both halves and in the test half."""
    sources = acts["source"].values
    parts = {
        "n": [np.concatenate([problem.train, problem.test]) for problem in problems],
        "n_test": [problem.test for problem in problems],
    }
    sizes = {f"{name}_tokens": [rows.size for rows in part] for name, part in parts.items()}
    return sizes | {f"{name}_sources": [np.unique(sources[rows]).size for rows in part] for name, part in parts.items()}


def _weights(
    acts: xr.Dataset, problems: Sequence[Problem], fitted: Sequence[FittedClassifier], interactions: bool
) -> xr.Dataset:
    """Return weights and intercepts by pair."""
    import xarray as xr

    weights, intercepts, names, inputs, outputs = [], [], [], [], []
    for problem, model in zip(problems, fitted, strict=True):
        weight, intercept = model.weights(max(len(problem.classes), 2))
        columns = slice(1, 2) if len(problem.classes) == 1 else slice(None)
        weights.append(weight[:, columns])
        intercepts.append(intercept[columns])
        is_pair = len(problem.classes) == 1
        group = problem.name.removesuffix(f"=>{problem.classes[0]}") if is_pair else problem.name
        names += [f"{group}=>{label}" for label in problem.classes]
        inputs += [problem.condition[0]] * len(problem.classes)
        outputs += list(problem.classes)
    matrix, units = np.concatenate(weights, axis=1), acts["unit"].values
    coords = {"pair": names, "pair_input": ("pair", inputs), "pair_output": ("pair", outputs), "unit": units}
    attrs = {"depends_on_all": "unit", "tolerance": WEIGHT_TOLERANCE}
    data = {
        "weight": (("unit", "pair"), matrix[: units.size], attrs),
        "intercept": ("pair", np.concatenate(intercepts), {"tolerance": WEIGHT_TOLERANCE}),
    }
    result = xr.Dataset(data, coords)
    return _with_product_weights(result, matrix[units.size :]) if interactions else result


def _with_product_weights(result: xr.Dataset, matrix: np.ndarray) -> xr.Dataset:
    """Return the result with the weights ``(product, pair)`` of products of units."""
    units = result["unit"].values
    left, right = (units[side] for side in np.triu_indices(units.size, 1))
    product = [f"{a} * {b}" for a, b in zip(left.tolist(), right.tolist(), strict=True)]
    result = result.assign(product_weight=(("product", "pair"), matrix))
    return result.assign_coords(product=product, product_first=("product", left), product_second=("product", right))


def method_text(
    labels: Sequence[str],
    condition_on: Sequence[str],
    pairs: Sequence[str] | None,
    C: float,  # noqa: N803
    n_controls: int,
    interactions: bool,
) -> str:
    """Return the method as a paragraph."""
    shared = " and ".join((labels[0], *condition_on))
    if pairs is None:
        problem = f"the {labels[1]} of tokens with the same {shared}"
    else:
        problem = f"a pair against all other pairs with the same {shared}"
    features = "units and their pairwise products" if interactions else "units"
    return (
        f"Logistic regression (scikit-learn, C = {C:g}) of {problem} on standardised {features}. "
        "Scaling and weights are fitted on the first half of the sources; accuracies are measured on the other half, "
        "with a 95 % jackknife interval over groups of sources for the gain over the majority label. Selectivity "
        "(Hewitt and Liang 2019): accuracy minus that on a control task with one random label per type, mean of "
        f"{n_controls} draws, on types of the first half. Code length (Voita and Titov 2020): online code over parts "
        "of the sources of the first half."
    )
