"""Text on the debiased estimator that a paper can quote: the method paragraph and the resolution of its p-values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from interp_hellinger.options import HellingerOptions

if TYPE_CHECKING:
    import xarray as xr

BIASED_BELOW = 200  # sources on a side; with fewer, estimates are biased: see the table of intervals in the README
CORRECTIONS = {"bh": "Benjamini-Hochberg", "by": "Benjamini-Yekutieli"}


def method_text(options: HellingerOptions, result: xr.Dataset, resolution: str) -> str:
    """Return the paragraph on how distances, intervals, p and q were computed.

    Parameters
    ----------
    options : HellingerOptions
    result : Dataset
        The result that the paragraph describes.
    resolution : str
        Sentence of `resolution_text`.
    """
    input_label, output_label = options.labels
    bins = " or ".join(str(number) for number in np.unique(result["bins"].values))
    strata = f", within tokens of one {' and '.join(options.strata)}" if options.strata else ""
    return (
        "Squared Hellinger distance D = 1 - sum_k sqrt(p_k q_k) between the distributions of a unit's activation over "
        f"tokens of one {input_label} with one {output_label} and over all other tokens of that {input_label}, in "
        f"{bins} bins of equal mass (equal values share a bin), for pairs with at least {options.min_tokens} tokens "
        f"and {options.min_sources} sources on each side. A jackknife that leaves out one of 20 groups of sources (by "
        "hash of the source) at a time corrects D for bias and gives its 95 % confidence interval; distance = sign(D) "
        "sqrt|D|, and likewise for the ends of the interval; the area under the ROC curve is computed from the same "
        f"counts. Null distribution: {options.n_permutations} permutations of the {output_label} among tokens of one "
        f"{input_label}{strata}, with whole sources as blocks, the same for all units (seed {options.seed}); each D "
        "was standardised by the permutations of its unit, each permutation by the others; p from the standardised "
        "permutations of all units of one quantity, pooled for each pair; "
        f"q by {CORRECTIONS[options.correction]} over {result['q'].size:,} tests, units x pairs. A unit is selective "
        f"for a pair if q < {options.alpha:g} and the lower end of the interval of the distance is at least "
        f"{options.min_distance:g}. {resolution}{_bias_note(result)}"
    )


def _bias_note(result: xr.Dataset) -> str:
    """Return a sentence on pairs with so few sources that their estimates are biased."""
    fewest = np.minimum(result["sources_target"].values, result["sources_rest"].values)
    n_biased = int((fewest < BIASED_BELOW).sum())
    if not n_biased:
        return ""
    return (
        f" In {n_biased} of {fewest.size} pairs a side has fewer than {BIASED_BELOW} sources (minimum: "
        f"{fewest.min()}): their distances are biased by up to a few hundredths."
    )


def resolution_text(p: np.ndarray, null_size: np.ndarray, quantities: np.ndarray, alpha: float) -> str:
    """Return the smallest possible p, and the number of tests that must reach it together for a small q.

    Parameters
    ----------
    p, null_size : array (unit, pair)
        Results of `significance.pooled_pvalues`.
    quantities : array (unit,)
        Quantity of each unit.
    alpha : float
        Threshold of q.
    """
    nonempty = null_size[null_size > 0]
    if not nonempty.size:
        return "All permutations gave the same value: no p-value can be computed."
    smallest = 1 / (1 + nonempty.min())
    required = max(int(np.ceil(p.size * smallest / alpha - 1e-9)), 1)
    start = f"The smallest possible p is {smallest:.2g}"
    rarest = min(int((quantities == quantity).sum()) for quantity in np.unique(quantities)) * p.shape[1]
    if required <= 1:
        return f"{start}: a single test can reach q < {alpha:g}."
    if required <= rarest:
        return f"{start}: {required:,} of {p.size:,} tests must reach it together for q < {alpha:g}."
    too_coarse = f"too coarse for q < {alpha:g}: {required:,} of {p.size:,} tests would have to reach it together"
    return f"{start}, {too_coarse}; raise n_permutations=."
