"""Figures of one problem: fitted on the tokens of one half of the sources, counted on those of the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import jackknife, source_groups
from interp_classifier.linear import Fitted, codelength, fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Half:
    """The tokens of a problem in one half of the sources.

    Parameters
    ----------
    values : array (token, feature)
    codes : array (token,) of int
        0 to the number of classes - 1, in both halves alike; -1 for a label that the other half does not have.
    sources : array (token,) of int
    types : array (token,), optional
        Of the control task.
    window : array (token, column), optional
        Of the baseline.
    input : array (token, column)
        Of the baseline.
    """

    values: NDArray[Any]
    codes: Codes
    sources: NDArray[Any]
    types: NDArray[Any] | None
    window: NDArray[Any] | None
    input: NDArray[Any]


def scored(first: Half, other: Half, *, strength: float, controls: int, seed: int) -> tuple[dict[str, Any], Fitted]:
    """Return the figures of a problem and its classifier.

    Parameters
    ----------
    first, other : Half
        All fits are on the first; the other is only predicted.
    strength : float
        As of `fit`.
    controls : int
        Draws of the control task.
    seed : int
        Of the control task and of the online code.
    """
    fitted = fit(first.values, first.codes, strength=strength)
    right = fitted.predict(other.values) == other.codes
    majority = int(np.bincount(first.codes).argmax())
    figures = {"accuracy": right.mean(), "converged": fitted.converged}
    figures |= gain(right, other.codes == majority, other.sources)
    figures["baseline_accuracy"] = [
        np.mean(other.codes == majority),
        _baseline(first.input, other.input, first, other, strength),
        _baseline(first.window, other.window, first, other, strength),
    ]
    figures |= control(first, other, right, strength, controls, seed)
    for name, columns in (("codelength", first.values), ("codelength_input", first.input)):
        figures[name] = codelength(columns, first.codes, first.sources, strength=strength, seed=seed)
    return figures, fitted


def gain(right: NDArray[np.bool_], plain: NDArray[np.bool_], sources: NDArray[Any]) -> dict[str, float]:
    """Return by how much more tokens are right than by the majority, with a 95 % interval of groups of sources."""
    from scipy.stats import t

    groups = np.unique(source_groups(sources), return_inverse=True)[1]
    more = right.astype(float) - plain
    total, size = np.bincount(groups, more), np.bincount(groups)
    whole = more.mean()
    if size.size < 3:
        return {"gain": whole, "gain_low": np.nan, "gain_high": np.nan}
    estimate, error = jackknife(np.asarray(whole), (total.sum() - total) / (size.sum() - size))
    reach = float(t.ppf(0.975, size.size - 1) * error)
    return {"gain": whole, "gain_low": float(estimate) - reach, "gain_high": float(estimate) + reach}


def _baseline(
    seen: NDArray[Any] | None, unseen: NDArray[Any] | None, first: Half, other: Half, strength: float
) -> float:
    if seen is None or unseen is None:
        return float("nan")
    return float(np.mean(fit(seen, first.codes, strength=strength).predict(unseen) == other.codes))


def control(
    first: Half, other: Half, right: NDArray[np.bool_], strength: float, controls: int, seed: int
) -> dict[str, float]:
    """Return the control task of Hewitt and Liang (2019): each type has a label of its own, drawn once.

    Labels are drawn from their shares in the first half. Counted on types that it has; ``selectivity`` is the
    accuracy on the task less that on the control, over the same tokens, the mean of some draws. ``control_gain`` is the
    accuracy on the control over that of its most frequent label.
    """
    nothing = {"control_accuracy": np.nan, "control_gain": np.nan, "selectivity": np.nan, "control_tokens": 0}
    if first.types is None or other.types is None or not controls:
        return nothing
    known, of = np.unique(first.types, return_inverse=True)
    at = np.minimum(np.searchsorted(known, other.types), known.size - 1)
    seen = known[at] == other.types
    found = []
    for draw in range(controls):
        labels = np.random.default_rng([seed, draw]).choice(np.sort(first.codes), known.size)
        if seen.any() and np.unique(labels[of]).size > 1:
            guesses = fit(first.values, labels[of], strength=strength).predict(other.values[seen])
            told = labels[at[seen]]
            found.append((np.mean(guesses == told), np.mean(told == np.bincount(labels[of]).argmax())))
    if not found:
        return nothing
    accuracy, majority = np.mean(found, axis=0).tolist()
    return {
        "control_accuracy": accuracy,
        "control_gain": accuracy - majority,
        "selectivity": float(right[seen].mean()) - accuracy,
        "control_tokens": int(seen.sum()),
    }
