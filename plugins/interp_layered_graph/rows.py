"""Which units stand in which row, and what each gives to the row above: plain arrays, no drawing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

# What a gate row says beside its letter, from the top; rows that belong together stand together.
GATES = (
    (("o", "output gate"), ("c", "cell")),
    (("i", "input gate"), ("g", "cell input")),
    (("f", "forget gate"), ("c_prev", "previous cell")),
    (("r", "reset gate"), ("z", "update gate"), ("n", "new state")),
)


def best(distance: np.ndarray, n: int) -> np.ndarray:
    """Return the positions of the ``n`` largest values, in ascending order of position; NaN is never chosen.

    Examples
    --------
    >>> best(np.array([0.1, 0.9, np.nan, 0.5, 0.9]), 3).tolist()
    [1, 3, 4]
    """
    order = np.argsort(-np.nan_to_num(distance, nan=-1.0), kind="stable")
    return np.sort(order[: min(n, int(np.isfinite(distance).sum()))])


def becomes(inputs: Sequence[str], outputs: Sequence[str], letter: str, n: int, keep: str = "") -> list[str]:
    """Return the ``n`` commonest outputs of an input letter, commonest first; ``keep`` is always among them.

    Examples
    --------
    >>> becomes(list("tttttt"), list("ծծծթթտ"), "t", 2, keep="տ")
    ['ծ', 'տ']
    """
    seen = Counter(output for given, output in zip(inputs, outputs, strict=True) if given == letter)
    ranked = sorted(seen, key=lambda output: (-seen[output], output))
    if keep in ranked[n:]:
        return [*ranked[: n - 1], keep]
    return ranked[:n]


def contributions(weight: np.ndarray, activation: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Return what each lower unit adds to each upper one: the mean over tokens of weight x activation.

    Parameters
    ----------
    weight : array (lower, upper)
        NaN where nothing joins the two; so is the result there.
    activation : array (token, lower)
        Of the lower units.
    here : boolean array (token,)
        The tokens to average over.

    Returns
    -------
    array (lower, upper)
        float64; NaN everywhere without a token.
    """
    if not here.any():
        return np.full(weight.shape, np.nan)
    return np.asarray(weight.astype(float) * activation[here].mean(axis=0, dtype=float)[:, None])


def contrasts(
    weight: np.ndarray, activation: np.ndarray, here: np.ndarray, among: np.ndarray, *, shared: bool = False
) -> np.ndarray:
    """Return contributions over the tokens ``here`` minus those over the other tokens ``among``.

    Parameters
    ----------
    weight, activation, here
        As for `contributions`.
    among : boolean array (token,)
        The tokens to compare within; those of ``here`` are left out of the other side.
    shared : bool
        Take the mean over the upper units off the weights first: a softmax over them ignores what they share.

    Returns
    -------
    array (lower, upper)
        float64.
    """
    own = weight - np.nanmean(weight, axis=1, keepdims=True) if shared else weight
    return np.asarray(contributions(own, activation, here) - contributions(own, activation, among & ~here))
