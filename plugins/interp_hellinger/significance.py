"""What a distance is worth: standardised against shuffles, pooled p, q, on plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp import pooled_p

FLAT = 1e-12  # a standard deviation that is rounding


def standardised(found: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return z, z of each draw, and the standard deviation of the draws.

    ``z = (found - mean) / sd`` of the draws. A draw is standardised by the *other* draws, so that z and z* have one law
    where the null holds: by all, itself among them, z* would be too narrow and p too small.

    Parameters
    ----------
    found : array (...)
        The statistic.
    drawn : array (..., draw)
        The same under the null, 4 draws at least.

    Returns
    -------
    z, drawn_z, spread : array (...), array (..., draw), array (...)
        z is -inf and z* NaN where all draws are equal.
    """
    n = drawn.shape[-1]
    mean, spread = drawn.mean(axis=-1), drawn.std(axis=-1, ddof=1)
    flat = spread <= FLAT
    safe = np.where(flat, 1.0, spread)
    gap = drawn - mean[..., None]
    others = ((n - 1) * safe[..., None] ** 2 - n / (n - 1) * gap**2) / (n - 2)  # the variance of the other draws
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn_z = gap * n / (n - 1) / np.sqrt(np.maximum(others, 0.0))
    drawn_z = np.where(flat[..., None], np.nan, drawn_z)
    return np.where(flat, -np.inf, (found - mean) / safe), drawn_z, np.where(flat, 0.0, spread)


def pooled(z: np.ndarray, drawn_z: np.ndarray, kinds: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return p of each unit and pair, and how many draws it rests on.

    Parameters
    ----------
    z : array (unit, pair)
    drawn_z : array (unit, pair, draw)
    kinds : array (unit,)
        Units of one kind (their quantity) share a null law, for each pair one.

    Returns
    -------
    p, size : array (unit, pair) of float64, of int64
        ``(1 + #{z* >= z}) / (1 + #z*)``; 1 where the draws are all equal.
    """
    p, size = np.ones(z.shape), np.zeros(z.shape, np.int64)
    for kind in np.unique(kinds):
        mine = np.flatnonzero(kinds == kind)
        for pair in range(z.shape[1]):
            law = drawn_z[mine, pair]
            p[mine, pair] = pooled_p(z[mine, pair], law)
            size[mine, pair] = np.isfinite(law).sum()
    return p, size


def largest(z: np.ndarray, drawn_z: np.ndarray) -> np.ndarray:
    """Return for each pair the p of its largest z over all units, against the largest z* of each draw.

    Parameters
    ----------
    z : array (unit, pair)
    drawn_z : array (unit, pair, draw)
        One shuffle serves all units, so that draws can be compared as wholes.

    Returns
    -------
    array (pair,) of float64
    """
    most = np.where(np.isnan(drawn_z), -np.inf, drawn_z).max(axis=0, initial=-np.inf)
    found = z.max(axis=0, initial=-np.inf)
    return np.asarray((1 + (most >= found[:, None]).sum(axis=1)) / (1 + most.shape[1]))


def hellinger(with_counts: Any, without_counts: Any) -> np.ndarray:
    """Return the Hellinger distance of two histograms, ``sqrt(½ Σ_k (√p_k − √q_k)²)``.

    Parameters
    ----------
    with_counts, without_counts : array (…, bin)
        Counts, at least one on each side; ``p`` and ``q`` are their shares.

    Returns
    -------
    array (…) of float64
        0 for equal shares to 1 for no bin in common.

    Examples
    --------
    >>> float(hellinger([3, 0], [0, 5]))
    1.0
    """
    p, q = (_shares(np.asarray(counts, dtype=np.float64)) for counts in (with_counts, without_counts))
    distance = np.sqrt(0.5 * np.sum((np.sqrt(p) - np.sqrt(q)) ** 2, axis=-1))
    return np.asarray(np.minimum(distance, 1.0))  # rounding may pass it by an ulp or two


def _shares(counts: np.ndarray) -> np.ndarray:
    return np.asarray(counts / counts.sum(axis=-1, keepdims=True))


def signed_root(squared: Any) -> np.ndarray:
    """Return ``sign(D) sqrt|D|``: a distance of which the square was estimated, and may come out negative.

    Parameters
    ----------
    squared : array (…)

    Examples
    --------
    >>> signed_root([0.25, -0.01]).tolist()
    [0.5, -0.1]
    """
    squared = np.asarray(squared, dtype=np.float64)
    return np.asarray(np.sign(squared) * np.sqrt(np.abs(squared)))
