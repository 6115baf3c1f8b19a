"""The classifier itself, on plain arrays: scikit-learn's, after scaling; and the online code."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes = NDArray[np.int64]

# Of the sources, of which each share is coded by a classifier of the share before: Voita and Titov (2020).
SHARES = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Fitted:
    """A scaler and a logistic regression, fitted on the same tokens.

    Attributes
    ----------
    scaler : StandardScaler
    model : LogisticRegression
        Its classes are codes.
    tokens : int
        It was fitted on.
    converged : bool
    """

    scaler: Any
    model: Any
    tokens: int
    converged: bool

    def predict(self, values: NDArray[Any]) -> Codes:
        """Return the likeliest code of each token (token, unit)."""
        return np.asarray(self.model.predict(self.scaler.transform(values)))

    def probabilities(self, values: NDArray[Any], classes: int) -> NDArray[np.float64]:
        """Return (token, class), mixed with the even law by weights n : classes, so that none is impossible."""
        known = np.zeros((len(values), classes))
        known[:, self.model.classes_] = self.model.predict_proba(self.scaler.transform(values))
        return np.asarray((self.tokens * known + 1) / (self.tokens + classes))

    def weights(self, classes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (unit, class) and (class,): of two classes the log-odds of the second, and their negative."""
        weight, intercept = np.asarray(self.model.coef_, float), np.asarray(self.model.intercept_, float)
        if len(weight) == 1:
            weight, intercept = np.concatenate([-weight, weight]), np.concatenate([-intercept, intercept])
        every, bias = np.full((weight.shape[1], classes), np.nan), np.full(classes, np.nan)
        every[:, self.model.classes_], bias[self.model.classes_] = weight.T, intercept
        return every, bias


def fit(values: NDArray[Any], codes: Codes, *, strength: float = 1.0, steps: int = 1000) -> Fitted:
    """Return a logistic regression of scaled values; both are fitted on these tokens and on nothing else.

    Parameters
    ----------
    values : array (token, unit)
    codes : array (token,) of int
        Two different ones at least.
    strength : float
        ``C`` of scikit-learn's LogisticRegression: smaller keeps weights closer to 0.
    steps : int
        At most.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(values)
    model = LogisticRegression(C=strength, max_iter=steps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is told in the result instead
        model.fit(scaler.transform(values), codes)
    return Fitted(scaler, model, len(codes), bool(np.max(model.n_iter_) < steps))


def codelength(
    values: NDArray[Any], codes: Codes, sources: NDArray[Any], *, strength: float = 1.0, seed: int = 0
) -> float:
    """Return the bits that the codes take when each share of the sources is told by a classifier of those before.

    The first share, and all while one code was seen only, are told evenly. Voita and Titov, "Information-theoretic
    probing with minimum description length" (2020); shares here are of sources.

    Parameters
    ----------
    values : array (token, unit)
    codes : array (token,) of int
        0 to the number of classes - 1.
    sources : array (token,) of int
    strength : float
        As of `fit`.
    seed : int
        Of the order of the sources.

    Returns
    -------
    float
        Compare with ``tokens * log2(classes)``.
    """
    classes, bits = int(codes.max()) + 1, 0.0
    before = np.zeros(0, np.int64)
    for part in shares(sources, SHARES, seed):
        told = np.full(part.size, 1 / classes)
        if np.unique(codes[before]).size > 1:
            known = fit(values[before], codes[before], strength=strength).probabilities(values[part], classes)
            told = known[np.arange(part.size), codes[part]]
        bits -= float(np.log2(told).sum())
        before = np.concatenate([before, part])
    return bits


def shares(sources: NDArray[Any], ends: Sequence[float], seed: int) -> list[Codes]:
    """Return the positions of the tokens of each share of the sources, in an order drawn from the seed."""
    known, inverse = np.unique(sources, return_inverse=True)
    rank = np.random.default_rng(seed).permutation(known.size)[inverse]
    cuts = np.unique(np.ceil(np.array(ends) * known.size).astype(np.int64))
    part = np.searchsorted(cuts, rank, side="right")
    return [np.flatnonzero(part == each) for each in range(cuts.size)]
