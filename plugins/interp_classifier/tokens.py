"""What is known of the tokens of a problem, in its two halves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import SchemaError
from interp_classifier.context import one_hot, whole, windows, word_types
from interp_classifier.problems import Problem
from interp_classifier.scores import Half

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    Known = dict[str, NDArray[Any] | None]


def text(acts: xr.Dataset, label: str, types: Sequence[str] | None) -> tuple[Known, dict[str, str]]:
    """Return for all tokens ``input``, ``window`` and ``types``, as far as they are known, and why they are not."""
    there = whole(acts)
    known: Known = {"input": np.unique(acts[label].values, return_inverse=True)[1].reshape(-1, 1)}
    known["window"] = windows(acts, label) if there else None
    missing = {}
    if not there:
        missing["window"] = "some steps of a sample are missing: capture without where="
    if types is not None:
        stated = [acts[name].values.astype(str) for name in types]
        known["types"] = np.array([" ".join(row) for row in zip(*stated, strict=True)])
    else:
        known["types"] = word_types(acts, label) if there else None
        if not there:
            missing["control"] = "words are unknown where steps are missing: pass types=[…], or capture without where="
    return known, missing


def halved(acts: xr.Dataset, problem: Problem, known: Known, products: bool) -> tuple[Half, Half]:
    """Return the tokens of a problem, those to fit on first."""
    first = _half(acts, problem, problem.fit, problem.fit_codes, known, products)
    return first, _half(acts, problem, problem.test, problem.test_codes, known, products)


def _half(
    acts: xr.Dataset,
    problem: Problem,
    rows: NDArray[np.int64],
    codes: NDArray[np.int64],
    known: Known,
    products: bool,
) -> Half:
    values = acts.activation[rows].values
    odd = acts["unit"].values[~np.isfinite(values).all(axis=0)]
    if odd.size:
        listed = ", ".join(odd[:3]) + (", …" if odd.size > 3 else "")
        raise SchemaError(
            f"A classifier needs finite activations; {odd.size} units have NaN or infinite ones: {listed}."
        )
    if products:
        left, right = np.triu_indices(values.shape[1], 1)
        values = np.concatenate([values, values[:, left] * values[:, right]], axis=1)
    hot = {
        name: None if held is None else one_hot(held[rows], held[problem.fit])
        for name, held in known.items()
        if name != "types"
    }
    types = known["types"]
    own = None if types is None else types[rows]
    assert hot["input"] is not None  # noqa: S101
    return Half(values, codes, acts["source"].values[rows], own, hot["window"], hot["input"])
