"""Disentanglement, completeness and informativeness of units, from the weights of sparse classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, probe, source_hash
from interp_information.estimators import few_sources
from interp_information.factors import coords, counts, described, found_factors
from interp_information.token_groups import Group
from interp_information.unit_blocks import check_finite

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FITTED = 1e-3  # to what share of the largest a weight is known: regressions stop before the very minimum


@dataclass(frozen=True)
class Learned:
    """What a sparse classifier of one factor learned.

    Attributes
    ----------
    importance : array (unit,)
        ``|w|`` of the standardised unit, summed over classes; not negative.
    informativeness : float
        On tokens that it was not fitted on: 1 - error / error of the majority. 1 is without error, 0 no better than
        the majority.
    converged : bool
    """

    importance: Floats
    informativeness: float
    converged: bool


def disentanglement(importance: Any) -> tuple[Floats, float]:
    """Return whether each unit matters to one factor only, and the mean weighted by how much it matters at all.

    ``D_u = 1 - H_A(P_u)``, where P_u is the importance of the unit to each of A factors, scaled to sum 1, and the
    entropy H_A has base A; Eastwood and Williams, "A framework for the quantitative evaluation of disentangled
    representations" (2018).

    Parameters
    ----------
    importance : array (factor, unit)
        Not negative; two factors at least.

    Returns
    -------
    array (unit,) of float64
        0 to 1; NaN for a unit that matters to no factor.
    float
        0 to 1; NaN where no unit matters.
    """
    importance = np.asarray(importance, np.float64)
    if importance.ndim != 2 or importance.shape[0] < 2 or (importance < 0).any():
        raise OptionError(
            f"Expected an importance (factor, unit), not negative, of two at least; got {importance.shape}."
        )
    total = importance.sum(axis=0)
    shares = importance / np.where(total > 0, total, 1)
    inside = np.where(shares > 0, shares * np.log(np.where(shares > 0, shares, 1)), 0)
    each = np.where(total > 0, 1 + inside.sum(axis=0) / np.log(len(shares)), np.nan)
    known = total > 0
    return each, float(each[known] @ total[known] / total.sum()) if known.any() else float("nan")


def completeness(importance: Any) -> tuple[Floats, float]:
    """Return whether each factor is told by one unit only, and the weighted mean: `disentanglement` the other way.

    ``C_a = 1 - H_U(P_a)``, where P_a is the importance to the factor of each of U units.

    Parameters
    ----------
    importance : array (factor, unit)
        Not negative; two units at least.

    Returns
    -------
    array (factor,) of float64
    float
    """
    return disentanglement(np.asarray(importance).T)


def learn(values: Any, codes: Any, test: Any, *, penalty: float = 0.01) -> Learned:
    """Return what a multinomial regression with an L1 penalty learned of one factor from standardised units.

    Parameters
    ----------
    values : array (token, unit)
        Finite.
    codes : array (token,) of int
        The factor: 0 to the number of classes - 1.
    test : array (token,) of bool
        Which tokens are held out from scaling and fitting.
    penalty : float
        Above 0: of `sparse_regression`, so that it means the same for factors of many and of few tokens.
    """
    values, codes, test = np.asarray(values, np.float32), np.asarray(codes, np.int64), np.asarray(test)
    mean, spread = values[~test].mean(axis=0, dtype=np.float64), values[~test].std(axis=0, dtype=np.float64)
    scaled = ((values - mean) * np.where(spread > 1e-12, 1 / np.maximum(spread, 1e-12), 0)).astype(np.float32)
    weights, intercepts, converged = sparse_regression(scaled[~test], codes[~test], penalty=penalty)
    importance = np.abs(weights).sum(axis=1, dtype=np.float64)
    wrong = np.mean(np.argmax(scaled[test] @ weights + intercepts, axis=1) != codes[test])
    guess = np.mean(np.argmax(np.bincount(codes[~test])) != codes[test])
    return Learned(importance, float(1 - wrong / guess) if guess else float("nan"), converged)


def learned(acts: xr.Dataset, found: Sequence[Group], penalty: float, tokens: int) -> list[Learned]:
    """Return what was learned of each factor on one half of the sources, of at most so many tokens in all."""
    known = []
    for one in found:
        kept = few_sources(acts["source"].values[one.rows], tokens)
        rows, codes = one.rows[kept], one.columns[kept, 0]
        values = acts.activation.isel(token=rows).values
        check_finite(values.T, acts["unit"].values)
        test = held_out(acts["source"].values[rows])
        if min(np.unique(codes[side]).size for side in (test, ~test)) < 2:
            raise OptionError(
                f"The factor {one.name!r} has one class only in a half of the sources, of {rows.size} tokens: pass "
                f"more tokens= than {tokens}, or a larger minimum=."
            )
        known.append(learn(values, codes, test, penalty=penalty))
    return known


def held_out(sources: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which tokens are of every other source, by a bit of its hash that `interp.halves` does not use."""
    known, inverse = np.unique(sources, return_inverse=True)
    return np.asarray(((source_hash(known) >> np.uint64(48)) % np.uint64(2) == 1)[inverse])


@probe(requires=("source",))
def dci(
    acts: xr.Dataset,
    *,
    labels: Sequence[str] = ("input", "output"),
    factors: Sequence[str] = (),
    penalty: float = 0.01,
    tokens: int = 10_000,
    minimum: int = 300,
    minimum_sources: int = 50,
) -> xr.Dataset:
    """Disentanglement, completeness and informativeness: one factor a unit, one unit a factor, all that is to be told.

    A factor is the output given one input that becomes several outputs, or a label named in ``factors``. The importance
    of a unit to a factor is |w|, summed over classes, of a multinomial regression with an L1 penalty on standardised
    units (Eastwood and Williams 2018, with the penalty for classes), fitted on one half of the sources;
    informativeness is 1 - error / error of the majority on the other half.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``; two units at least.
    labels : sequence of two str
        Coords of ``token``: what is given, and what is told.
    factors : sequence of str
        Coords of ``token`` that are factors themselves, instead.
    penalty : float
        On sum |w|, beside the mean log loss in nats; above 0.
    tokens : int
        Of a factor, at most, of whole sources: both halves together.
    minimum, minimum_sources : int
        Of a class of a factor: tokens of classes with fewer are left out.

    Returns
    -------
    Dataset
        ``importance`` (factor, unit). ``unit_disentanglement`` (unit), NaN where a unit matters to no factor, and its
        mean ``disentanglement`` () weighted by the unit's share of importance; ``factor_completeness`` (factor) and
        ``completeness`` () likewise; 0 to 1. ``factor_informativeness`` (factor) and their mean ``informativeness``
        (), at most 1. ``converged`` (factor). ``n_tokens``, ``n_sources``, ``n_classes``, ``n_used`` (factor), the
        last one the tokens that were used. ``attrs["skipped"]`` (JSON) says which factors were left out.

    Raises
    ------
    OptionError
        For values that make no sense, one unit only, and fewer than two factors of two classes with enough tokens.
    SchemaError
        For labels that are missing, and activations that are not finite.
    """
    import xarray as xr

    if penalty <= 0 or tokens < 4:
        raise OptionError(f"penalty= is above 0 and tokens= 4 at least; got {penalty} and {tokens}.")
    found, skipped = found_factors(acts, labels=labels, factors=factors, minimum=minimum,
                                   minimum_sources=minimum_sources)  # fmt: skip
    if len(found) < 2:
        raise OptionError(f"Two factors at least are told apart; got {found[0].name!r} only. Left out: {skipped}.")
    known = learned(acts, found, penalty, tokens)
    used = [int(few_sources(acts["source"].values[one.rows], tokens).sum()) for one in found]
    data = scores(known) | {"n_used": ("factor", used)}
    for name in ("importance", "unit_disentanglement", "disentanglement", "factor_completeness", "completeness"):
        dims, values = data[name] if isinstance(data[name], tuple) else ((), data[name])
        across = {"across": "unit"} if "unit" in dims else {}  # units explain a factor together
        data[name] = (dims, values, {"precision": FITTED} | across)
    method = (
        "Disentanglement, completeness and informativeness (Eastwood and Williams 2018). Importance: |w| summed over "
        f"classes, of a multinomial regression on standardised units, with {penalty} sum |w| beside the mean log loss "
        "in nats, fitted on half of the sources. Informativeness: 1 - error / error of the majority on the others. "
        f"{described(found, labels, factors, (minimum, minimum_sources))} At most {tokens} of each are used."
    )
    return xr.Dataset(data | counts(found), coords(acts, found)).assign_attrs(skipped=skipped, method=method)


def scores(known: Sequence[Learned]) -> dict[str, Any]:
    """Return the variables of what was learned of each factor."""
    importance = np.stack([one.importance for one in known])
    by_unit, disentangled = disentanglement(importance)
    by_factor, complete = completeness(importance)
    informative = np.array([one.informativeness for one in known])
    return {
        "importance": (("factor", "unit"), importance),
        "unit_disentanglement": ("unit", by_unit),
        "disentanglement": disentangled,
        "factor_completeness": ("factor", by_factor),
        "completeness": complete,
        "factor_informativeness": ("factor", informative),
        "informativeness": informative.mean(),
        "converged": ("factor", [one.converged for one in known]),
    }


def sparse_regression(
    values: Any, codes: Any, *, penalty: float, steps: int = 1000, tolerance: float = 0.03
) -> tuple[Floats, Floats, bool]:
    """Return weights and intercepts that minimise the mean log loss in nats plus ``penalty * sum |w|``.

    Proximal gradient steps with momentum, which starts anew where it points uphill: Beck and Teboulle, "A fast
    iterative shrinkage-thresholding algorithm" (2009); O'Donoghue and Candès, "Adaptive restart" (2015). The minimum
    is that of scikit-learn's LogisticRegression (``solver="saga"``, ``C = 1 / (penalty * tokens)``).

    Parameters
    ----------
    values : array (token, unit)
        Standardised. In float32 it takes half the time.
    codes : array (token,) of int
        0 to the number of classes - 1.
    penalty : float
        Above 0; intercepts are free.
    steps : int
        At most.
    tolerance : float
        Of the slope that is left in the steepest direction, as a share of the penalty.

    Returns
    -------
    weights : array (unit, class)
    intercepts : array (class,)
    converged : bool
    """
    values = _with_ones(values)
    wanted = np.eye(int(np.max(codes)) + 1, dtype=values.dtype)[codes]
    size = 2 * len(values) / (1.001 * float(np.linalg.eigvalsh(values.T @ values)[-1]))
    shrink = np.full((values.shape[1], 1), size * penalty, values.dtype)
    shrink[-1] = 0
    held, pace = np.zeros((values.shape[1], wanted.shape[1]), values.dtype), 1.0
    ahead = held
    for _ in range(steps):
        moved = ahead - size / len(values) * (values.T @ (softmax(values @ ahead) - wanted))
        moved = np.sign(moved) * np.maximum(np.abs(moved) - shrink, 0)
        slope, change = np.abs(moved - ahead).max() / size, moved - held
        if np.sum((ahead - moved) * change) > 0:
            pace = 1.0
        following = (1 + sqrt(1 + 4 * pace**2)) / 2
        ahead, held, pace = moved + (pace - 1) / following * change, moved, following
        if slope <= tolerance * penalty:
            return held[:-1], held[-1], True
    return held[:-1], held[-1], False


def softmax(scores: Floats) -> Floats:
    """Return the probabilities of scores (token, class)."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _with_ones(values: Any) -> Floats:
    return np.concatenate([values, np.ones((len(values), 1), values.dtype)], axis=1)
