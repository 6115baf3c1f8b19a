"""Statistics for probes: resampling by source, p-values, matching, histograms per unit, compiled loops over units."""

from interp.numba_utils import jit, parallel_over_units
from interp.selection import hash_sources, hash_tokens
from interp.statistics.histograms import bin_edges, histogram_per_unit
from interp.statistics.matching import match_donors
from interp.statistics.participation import participation_ratio
from interp.statistics.resampling import (
    jackknife,
    jackknife_groups,
    jackknife_interval,
    permute_sources,
    permute_sources_within,
)
from interp.statistics.rotation import haar_rotation
from interp.statistics.significance import fdr, holm, permutation_pvalue

__all__ = [
    "bin_edges",
    "fdr",
    "haar_rotation",
    "hash_sources",
    "hash_tokens",
    "histogram_per_unit",
    "holm",
    "jackknife",
    "jackknife_groups",
    "jackknife_interval",
    "jit",
    "match_donors",
    "parallel_over_units",
    "participation_ratio",
    "permutation_pvalue",
    "permute_sources",
    "permute_sources_within",
]
