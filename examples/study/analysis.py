"""Analysis of the confirmation: paired differences, their intervals, and the verdict of the plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from interp.statistics import holm
from study.protocol import ALPHA, TOLERANCE

if TYPE_CHECKING:
    import pandas as pd

POWER = 0.8


@dataclass(frozen=True)
class PairedDifference:
    """Mean of paired differences.

    Attributes
    ----------
    mean, ci_low, ci_high : float
        Mean with the 95 % interval of Student's t.
    p : float
        Two-sided p-value.
    """

    mean: float
    ci_low: float
    ci_high: float
    p: float


def paired_difference(values: np.ndarray, base: np.ndarray) -> PairedDifference:
    """Return the mean of ``values - base`` over seeds, with its interval and p-value.

    Parameters
    ----------
    values, base : array (seed,)
        Values of the same seeds, at least two.
    """
    from scipy.stats import t

    difference = np.asarray(values, float) - np.asarray(base, float)
    n, mean = difference.size, float(difference.mean())
    error = float(difference.std(ddof=1) / n**0.5)
    half = float(t.ppf(0.975, n - 1)) * error
    p = 2 * float(t.sf(abs(mean) / error, n - 1)) if error else float(mean == 0)
    return PairedDifference(mean, mean - half, mean + half, p)


def detectable_difference(differences: np.ndarray, alpha: float, power: float = POWER) -> float:
    """Return the smallest mean difference that a two-sided paired t test detects with a power.

    Computed from the noncentral t distribution (Cohen, "Statistical power analysis", 1988, ch. 2), with the observed
    standard deviation of the differences.

    Parameters
    ----------
    differences : array (seed,)
        Observed differences.
    alpha : float
        Significance level of the test.
    power : float
        Power, .8 by default.
    """
    from scipy.optimize import brentq
    from scipy.stats import nct, t

    n = len(differences)
    bound = float(t.ppf(1 - alpha / 2, n - 1))

    def excess_power(effect: float) -> float:
        shift = effect * n**0.5
        tails = nct.sf(bound, n - 1, shift), np.nan_to_num(nct.cdf(-bound, n - 1, shift))  # NaN if it is negligible
        return float(sum(tails)) - power

    return float(brentq(excess_power, 1e-6, 100.0)) * float(np.std(differences, ddof=1))


def verdicts(rows: pd.DataFrame, outcome: str = "log_k80") -> pd.DataFrame:
    """Return one row per arm: the quantities that the plan requires, and whether all conditions are met.

    Parameters
    ----------
    rows : DataFrame
        Columns ``arm``, ``seed``, ``role`` (``arm``, ``matched``), ``oracle``, ``cer`` and the outcome, with the arm
        ``baseline``. Rows with role ``matched`` are snapshots of the baseline, by the arm that they are matched with.
    outcome : str
        Column of the outcome; lower is better.

    Returns
    -------
    DataFrame
        By arm: ``difference`` of the outcome to the baseline with ``ci_low``, ``ci_high``, ``p``, ``p_holm`` (NaN for
        the oracle), the same with ``matched_`` and ``cer_``; ``detectable``; ``yes``.
    """
    import pandas as pd

    table = pd.DataFrame([_verdict_row(rows, arm, outcome) for arm in dict.fromkeys(rows["arm"]) if arm != "baseline"])
    is_tested = ~table["oracle"]
    table["p_holm"] = np.nan
    table.loc[is_tested, "p_holm"] = holm(table.loc[is_tested, "p"])
    table["yes"] = (
        is_tested
        & (table["difference"] < 0)
        & (table["p_holm"] < ALPHA)
        & (table["cer_ci_high"] <= TOLERANCE)
        & (table["matched_ci_high"] < 0)
    )
    return table.set_index("arm")


def column(rows: pd.DataFrame, name: str, arm: str, role: str = "arm") -> np.ndarray:
    """Return a column (seed,) of the networks of an arm.

    Parameters
    ----------
    rows : DataFrame
        Table as in `verdicts`.
    name : str
        Name of the column.
    arm : str
        Name of the arm.
    role : {"arm", "matched"}
        Networks of the arm, or matched snapshots of the baseline.
    """
    mask = (rows["arm"] == arm) & (rows["role"] == role)
    return rows[mask].set_index("seed")[name].sort_index().to_numpy(dtype=float)


def _verdict_row(rows: pd.DataFrame, arm: str, outcome: str) -> dict[str, object]:
    oracle = bool(rows.loc[rows["arm"] == arm, "oracle"].iloc[0])
    values, base = column(rows, outcome, arm), column(rows, outcome, "baseline")
    n_tests = int(rows.loc[~rows["oracle"] & (rows["arm"] != "baseline"), "arm"].nunique())
    detectable = detectable_difference(values - base, ALPHA / n_tests)
    row: dict[str, object] = {"arm": arm, "oracle": oracle, "detectable": detectable}
    comparisons = {
        "": paired_difference(values, base),
        "matched_": paired_difference(values, column(rows, outcome, arm, "matched")),
        "cer_": paired_difference(column(rows, "cer", arm), column(rows, "cer", "baseline")),
    }
    for prefix, difference in comparisons.items():
        row |= {f"{prefix}difference": difference.mean, f"{prefix}p": difference.p}
        row |= {f"{prefix}ci_low": difference.ci_low, f"{prefix}ci_high": difference.ci_high}
    return row
