"""The reducer ``hellinger``, which runs one of two estimators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from interp import Reducer
from interp_hellinger import debiased_estimator, raw_estimator
from interp_hellinger.options import HellingerOptions

if TYPE_CHECKING:
    import xarray as xr

State = dict[str, np.ndarray]
PASSES = {"raw": ("range", "labels"), "debiased": ("hellinger-tokens", "hellinger-edges")}


class Hellinger(Reducer):
    """Hellinger distance between a unit's activations where an input has one output and where it has any other.

    For a pair ``a=>b`` the *target* side is the tokens with input a and output b. The *rest* is **all other tokens with
    input a**, including those whose output is too rare to form a pair. A pair is measured if each side has at least
    ``min_tokens`` tokens (and, for the debiased estimator, ``min_sources`` sources), so inputs with a single output
    drop out. ``attrs["skipped"]`` (JSON) gives the reason for each requested pair that was left out; the debiased
    estimator lists every pair that was left out.

    **The debiased estimator** counts in bins of equal mass over the tokens with input a. A jackknife over 20 groups of
    sources corrects ``D = 1 - Σ_k √(p_k q_k)`` for bias and gives its confidence interval. The null distribution comes
    from permuting outputs among whole sources. The result has (unit, pair): ``distance`` = sign(D) √|D|, at most 1,
    negative where D is below its expectation under independence; ``ci_low``, ``ci_high``, the ends of the 95 %
    confidence interval; ``auc``, the probability that an activation of the target side exceeds one of the rest, 0 to 1;
    ``p``, ``q``, ``selective``. And (pair): ``n_target``, ``n_rest`` (tokens); ``sources_target``, ``sources_rest``;
    ``detectable_distance``, the smallest distance that this sample size could detect: it exceeds 999 of 1,000
    permutations in the median unit; ``p_maxstat``, the p-value of the pair's largest z over all units; ``bins``;
    ``groups``, the number of source groups that have tokens: with fewer than 10 there is no interval.

    **The raw estimator** counts both sides in ``bins`` equal-width bins from the unit's minimum to its maximum over all
    tokens of the source, and returns

        H = sqrt(½ Σ_k (√p_k − √q_k)²),  0 to 1, float64,

    as in Galstyan and Khachatrian, "Interpreting neurons in an LSTM network" (2017). With many bins and few tokens H
    is biased upwards: two samples of one distribution give .6 at 300 against 3,000 tokens, so take the sample sizes
    into account when you compare pairs.

    Parameters
    ----------
    estimator : {"debiased", "raw"}
        The raw estimator takes only ``bins``, ``min_tokens``, ``labels`` and ``pairs``.
    bins : int, optional
        Number of bins. By default 16, and 32 for pairs with 3,000 tokens and 300 sources on each side; 1000 for the raw
        estimator. The debiased estimator takes at most 256.
    min_tokens, min_sources : int
        Minimum number of tokens and sources on each side, at least 1. Viewers draw pairs with fewer than the default in
        grey.
    labels : sequence of two str
        Coords of ``token``: the input and its output.
    pairs : sequence of str, optional
        Pairs to measure, such as ``["t=>ծ"]``; by default all pairs with enough tokens and sources.
    where : mapping, optional
        Tokens to include, by label, as in `interp.select`.
    strata : sequence of str
        Labels within which outputs are permuted, such as the position in the word.
    n_permutations : int
        Number of permutations, at least 10.
    seed : int
        Seed of the permutations and of the sample of tokens that the bin edges are computed from.
    alpha, min_distance : float
        A unit is *selective* for a pair if q < ``alpha`` and ``ci_low`` >= ``min_distance``.
    correction : {"bh", "by"}
        Correction for multiple tests, as in `interp.statistics.fdr`.
    return_jackknife : bool
        Whether to add ``estimate_full`` (unit, pair) and ``estimate_leave_out`` (group, unit, pair): the uncorrected D
        of all tokens, and without each group of sources. `difference` and `learned_units` need them.

    Raises
    ------
    OptionError
        For invalid option values, and if no pair has enough tokens and sources.
    UnknownNameError
        For pairs that do not occur.
    SchemaError
        For NaN or infinite activations.
    """

    name: ClassVar[str] = "hellinger"
    version: ClassVar[str] = "2"
    per_unit: ClassVar[bool] = True

    def __init__(
        self,
        *,
        estimator: str = "debiased",
        bins: int | None = None,
        min_tokens: int = 300,
        min_sources: int = 50,
        labels: Sequence[str] = ("input", "output"),
        pairs: Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
        strata: Sequence[str] = (),
        n_permutations: int = 100,
        seed: int = 0,
        alpha: float = 0.01,
        min_distance: float = 0.2,
        correction: Literal["bh", "by"] = "bh",
        return_jackknife: bool = False,
    ) -> None:
        self.settings = HellingerOptions(
            estimator=estimator,
            bins=bins,
            min_tokens=min_tokens,
            min_sources=min_sources,
            labels=labels,
            pairs=pairs,
            where=where,
            strata=strata,
            n_permutations=n_permutations,
            seed=seed,
            alpha=alpha,
            min_distance=min_distance,
            correction=correction,
            return_jackknife=return_jackknife,
        )
        vars(self).update(vars(self.settings))  # a reducer has each option as an attribute
        self.depends_on = PASSES[estimator]  # type: ignore[misc]  # the two estimators need different passes
        names = (*self.settings.labels, *self.settings.strata, *(where or {}), "source")
        self.requires = tuple(dict.fromkeys(names))

    def init_state(self, units: xr.Dataset, **needed: xr.Dataset) -> State:
        """Return empty counts for these units."""
        if self.settings.estimator == "raw":
            return raw_estimator.init_counts(self.settings, units, needed["range"], needed["labels"])
        token_layout, edges = needed["hellinger_tokens"], needed["hellinger_edges"]
        return debiased_estimator.init_counts(self.settings, units, token_layout, edges)

    def update(self, state: State, chunk: xr.Dataset) -> State:
        """Count the tokens of the chunk."""
        if self.settings.estimator == "raw":
            return raw_estimator.count_chunk(self.settings, state, chunk)
        return debiased_estimator.count_chunk(self.settings, state, chunk)

    def merge(self, a: State, b: State) -> State:
        """Return the sum of the counts."""
        if self.settings.estimator == "raw":
            return raw_estimator.merge_counts(a, b)
        return debiased_estimator.merge_counts(a, b)

    def finalize(self, state: State) -> xr.Dataset:
        """Return the results that depend on each unit alone."""
        if self.settings.estimator == "raw":
            return raw_estimator.distances_from_counts(self.settings, state)
        return debiased_estimator.estimates_from_counts(self.settings, state)

    def postprocess(self, result: xr.Dataset) -> xr.Dataset:
        """Return the result; the debiased estimator adds p, q and ``selective`` over all units."""
        if self.settings.estimator == "raw":
            return result
        return debiased_estimator.add_significance(self.settings, result)
