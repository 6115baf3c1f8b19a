"""Logistic regression on plain arrays: fits, code lengths, and the scores of one problem with its control task."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.statistics import jackknife, jackknife_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes = NDArray[np.int64]

# Cumulative fractions of the sources at which the online code refits its classifier: Voita and Titov (2020).
CODE_FRACTIONS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class FittedClassifier:
    """A scaler and a logistic regression, fitted on the same tokens.

    Attributes
    ----------
    scaler : StandardScaler
        Scaler of the units.
    model : LogisticRegression
        Classifier, with codes as its classes.
    tokens : int
        Number of tokens of the fit.
    converged : bool
        True if the optimiser converged.
    """

    scaler: Any
    model: Any
    tokens: int
    converged: bool

    def predict(self, values: NDArray[Any]) -> Codes:
        """Return the most likely code of each token, ``(token,)``, for values ``(token, unit)``."""
        return np.asarray(self.model.predict(self.scaler.transform(values)))

    def probabilities(self, values: NDArray[Any], classes: int) -> NDArray[np.float64]:
        """Return smoothed probabilities ``(token, class)``.

        Probabilities are mixed with the uniform distribution, with weights ``tokens : classes``, so that none is 0.

        Parameters
        ----------
        values : array (token, unit)
            Units, not scaled.
        classes : int
            Number of classes.
        """
        predicted = np.zeros((len(values), classes))
        predicted[:, self.model.classes_] = self.model.predict_proba(self.scaler.transform(values))
        return np.asarray((self.tokens * predicted + 1) / (self.tokens + classes))

    def weights(self, classes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return weights ``(unit, class)`` and intercepts ``(class,)``, NaN for classes without a token in the fit.

        Of two classes, the second has the weights of its log-odds, and the first their negative.
        """
        weight, intercept = np.asarray(self.model.coef_, float), np.asarray(self.model.intercept_, float)
        if len(weight) == 1:
            weight, intercept = np.concatenate([-weight, weight]), np.concatenate([-intercept, intercept])
        weights, intercepts = np.full((weight.shape[1], classes), np.nan), np.full(classes, np.nan)
        weights[:, self.model.classes_], intercepts[self.model.classes_] = weight.T, intercept
        return weights, intercepts


def fit(values: NDArray[Any], codes: Codes, *, C: float = 1.0, max_iter: int = 1000) -> FittedClassifier:  # noqa: N803
    """Fit a scaler and a logistic regression, both on these tokens only.

    Parameters
    ----------
    values : array (token, unit)
        Units.
    codes : array (token,) of int
        Class of each token; at least two different ones.
    C : float
        Inverse regularisation strength of scikit-learn's LogisticRegression: smaller values keep weights closer to 0.
    max_iter : int
        Maximum number of iterations.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(values)
    model = LogisticRegression(C=C, max_iter=max_iter)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the result reports convergence instead
        model.fit(scaler.transform(values), codes)
    return FittedClassifier(scaler, model, len(codes), bool(np.max(model.n_iter_) < max_iter))


def codelength(
    values: NDArray[Any],
    codes: Codes,
    sources: NDArray[Any],
    *,
    C: float = 1.0,  # noqa: N803
    seed: int = 0,
) -> float:
    """Return the length in bits of an online code: each part of the sources is coded by a classifier of those before.

    The first part is coded uniformly, and so are all parts until two different codes have occurred. Voita and Titov,
    "Information-theoretic probing with minimum description length" (2020); parts here consist of whole sources.

    Parameters
    ----------
    values : array (token, unit)
        Units.
    codes : array (token,) of int
        Class of each token, 0 to the number of classes - 1.
    sources : array (token,) of int
        Source of each token.
    C : float
        See `fit`.
    seed : int
        Random seed for the order of the sources.

    Returns
    -------
    float
        Bits; a uniform code takes ``tokens * log2(classes)``.
    """
    classes, bits = int(codes.max()) + 1, 0.0
    before = np.zeros(0, np.int64)
    for part in split_sources(sources, CODE_FRACTIONS, seed):
        probability = np.full(part.size, 1 / classes)
        if np.unique(codes[before]).size > 1:
            by_class = fit(values[before], codes[before], C=C).probabilities(values[part], classes)
            probability = by_class[np.arange(part.size), codes[part]]
        bits -= float(np.log2(probability).sum())
        before = np.concatenate([before, part])
    return bits


def split_sources(sources: NDArray[Any], fractions: Sequence[float], seed: int) -> list[Codes]:
    """Return the positions of the tokens in each part of the sources, in random order.

    Parameters
    ----------
    sources : array (token,) of int
        Source of each token.
    fractions : sequence of float
        Cumulative fractions of the sources at the end of each part, ascending to 1.
    seed : int
        Random seed for the order.
    """
    unique, inverse = np.unique(sources, return_inverse=True)
    rank = np.random.default_rng(seed).permutation(unique.size)[inverse]
    ends = np.unique(np.ceil(np.array(fractions) * unique.size).astype(np.int64))
    part = np.searchsorted(ends, rank, side="right")
    return [np.flatnonzero(part == number) for number in range(ends.size)]


@dataclass(frozen=True)
class SplitHalf:
    """Tokens of a problem in one half of the sources.

    Attributes
    ----------
    values : array (token, feature)
        Units, and products of units if requested.
    codes : array (token,) of int
        Class of each token, 0 to the number of classes - 1, equal in both halves; -1 for a label that only the second
        half has.
    sources : array (token,) of int
        Source of each token.
    types : array (token,), optional
        Type of each token for the control task.
    window : array (token, column), optional
        One-hot features of the baseline ``window``.
    input : array (token, column)
        One-hot features of the baseline ``input``.
    """

    values: NDArray[Any]
    codes: Codes
    sources: NDArray[Any]
    types: NDArray[Any] | None
    window: NDArray[Any] | None
    input: NDArray[Any]


def score_problem(
    train: SplitHalf,
    test: SplitHalf,
    *,
    C: float,  # noqa: N803
    n_controls: int,
    seed: int,
) -> tuple[dict[str, Any], FittedClassifier]:
    """Return the scores of a problem and its classifier.

    Parameters
    ----------
    train, test : SplitHalf
        Tokens for all fits, and tokens that are only predicted.
    C : float
        See `fit`.
    n_controls : int
        Number of draws of the control task.
    seed : int
        Random seed for the control task and the online code.
    """
    fitted = fit(train.values, train.codes, C=C)
    is_correct = fitted.predict(test.values) == test.codes
    is_majority = test.codes == int(np.bincount(train.codes).argmax())
    scores = {"accuracy": is_correct.mean(), "converged": fitted.converged}
    scores |= gain_with_interval(is_correct, is_majority, test.sources)
    scores["baseline_accuracy"] = [
        np.mean(is_majority),
        _baseline_accuracy(train.input, test.input, train, test, C),
        _baseline_accuracy(train.window, test.window, train, test, C),
    ]
    scores |= control_task(train, test, is_correct, C, n_controls, seed)
    for name, features in (("codelength", train.values), ("codelength_input", train.input)):
        scores[name] = codelength(features, train.codes, train.sources, C=C, seed=seed)
    return scores, fitted


def gain_with_interval(
    is_correct: NDArray[np.bool_], is_majority: NDArray[np.bool_], sources: NDArray[Any]
) -> dict[str, float]:
    """Return the gain in accuracy over the majority label, with a 95 % jackknife interval over groups of sources.

    Parameters
    ----------
    is_correct, is_majority : array (token,) of bool
        Tokens that the classifier and the majority label predict correctly.
    sources : array (token,) of int
        Source of each token. The interval is NaN with fewer than three groups of sources.

    Returns
    -------
    dict
        ``gain``, ``gain_ci_low`` and ``gain_ci_high``.
    """
    from scipy.stats import t

    groups = np.unique(jackknife_groups(sources), return_inverse=True)[1]
    excess = is_correct.astype(float) - is_majority
    total, size = np.bincount(groups, excess), np.bincount(groups)
    gain = excess.mean()
    if size.size < 3:
        return {"gain": gain, "gain_ci_low": np.nan, "gain_ci_high": np.nan}
    estimate, error = jackknife(np.asarray(gain), (total.sum() - total) / (size.sum() - size))
    half_width = float(t.ppf(0.975, size.size - 1) * error)
    return {
        "gain": gain,
        "gain_ci_low": float(estimate) - half_width,
        "gain_ci_high": float(estimate) + half_width,
    }


def _baseline_accuracy(
    train_features: NDArray[Any] | None,
    test_features: NDArray[Any] | None,
    train: SplitHalf,
    test: SplitHalf,
    C: float,  # noqa: N803
) -> float:
    """Return the accuracy of a classifier of features of the text; NaN without features."""
    if train_features is None or test_features is None:
        return float("nan")
    return float(np.mean(fit(train_features, train.codes, C=C).predict(test_features) == test.codes))


def control_task(
    train: SplitHalf,
    test: SplitHalf,
    is_correct: NDArray[np.bool_],
    C: float,  # noqa: N803
    n_controls: int,
    seed: int,
) -> dict[str, float]:
    """Return the scores of the control task of Hewitt and Liang (2019): each type has a random label of its own.

    Labels are drawn with their frequencies in the train half. Scores are means over draws, on test tokens of types that
    occur in the train half. ``selectivity`` is the accuracy on the task minus that on the control, over the same
    tokens. ``control_gain`` is the accuracy on the control minus that of its most frequent label.

    Parameters
    ----------
    train, test : SplitHalf
        Tokens for fits, and tokens that are predicted.
    is_correct : array (token,) of bool
        Test tokens that the classifier of the task predicts correctly.
    C : float
        See `fit`.
    n_controls : int
        Number of draws.
    seed : int
        Random seed for the labels.
    """
    missing = {"control_accuracy": np.nan, "control_gain": np.nan, "selectivity": np.nan, "control_tokens": 0}
    if train.types is None or test.types is None or not n_controls:
        return missing
    types, train_type = np.unique(train.types, return_inverse=True)
    test_type = np.minimum(np.searchsorted(types, test.types), types.size - 1)
    is_shared = types[test_type] == test.types
    results = []
    for draw in range(n_controls):
        labels = np.random.default_rng([seed, draw]).choice(np.sort(train.codes), types.size)
        train_labels, test_labels = labels[train_type], labels[test_type[is_shared]]
        if is_shared.any() and np.unique(train_labels).size > 1:
            predicted = fit(train.values, train_labels, C=C).predict(test.values[is_shared])
            majority = np.bincount(train_labels).argmax()
            results.append((np.mean(predicted == test_labels), np.mean(test_labels == majority)))
    if not results:
        return missing
    accuracy, majority_accuracy = np.mean(results, axis=0).tolist()
    return {
        "control_accuracy": accuracy,
        "control_gain": accuracy - majority_accuracy,
        "selectivity": float(is_correct[is_shared].mean()) - accuracy,
        "control_tokens": int(is_shared.sum()),
    }
