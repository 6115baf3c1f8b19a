"""What the confirmation says: paired differences, their intervals, and the verdict that the plan fixed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from interp_reproduction.numbers import holm
from interp_reproduction.study.protocol import LEVEL, TOLERANCE

if TYPE_CHECKING:
    import pandas as pd

POWER = 0.8


@dataclass(frozen=True)
class Paired:
    """A mean of paired differences.

    Attributes
    ----------
    mean, low, high : float
        With the 95 % interval of Student's t.
    p : float
        Two-sided.
    """

    mean: float
    low: float
    high: float
    p: float


def paired(values: np.ndarray, base: np.ndarray) -> Paired:
    """Return the mean of ``values - base`` over seeds, with its interval and p.

    Parameters
    ----------
    values, base : array (seed,)
        At least two; the same seeds.
    """
    from scipy.stats import t

    difference = np.asarray(values, float) - np.asarray(base, float)
    n, mean = difference.size, float(difference.mean())
    error = float(difference.std(ddof=1) / n**0.5)
    half = float(t.ppf(0.975, n - 1)) * error
    p = 2 * float(t.sf(abs(mean) / error, n - 1)) if error else float(mean == 0)
    return Paired(mean, mean - half, mean + half, p)


def detectable(differences: np.ndarray, level: float, power: float = POWER) -> float:
    """Return the smallest mean difference that a two-sided paired t test would find with this power.

    From the noncentral t distribution (Cohen, "Statistical power analysis", 1988, ch. 2), with the standard deviation
    of the differences that were seen.

    Parameters
    ----------
    differences : array (seed,)
    level : float
        Of the test.
    power : float
    """
    from scipy.optimize import brentq
    from scipy.stats import nct, t

    n = len(differences)
    bound = float(t.ppf(1 - level / 2, n - 1))

    def missed(effect: float) -> float:
        shift = effect * n**0.5
        tails = nct.sf(bound, n - 1, shift), np.nan_to_num(nct.cdf(-bound, n - 1, shift))  # NaN where it is nothing
        return float(sum(tails)) - power

    return float(brentq(missed, 1e-6, 100.0)) * float(np.std(differences, ddof=1))


def verdicts(rows: pd.DataFrame, outcome: str = "log_k80") -> pd.DataFrame:
    """Return a row for each arm: what the plan asks for, and whether it was met.

    Parameters
    ----------
    rows : DataFrame
        Columns ``arm``, ``seed``, ``role`` (``arm``, ``matched``), ``oracle``, ``cer`` and the outcome; the arm
        ``baseline`` among them. ``matched`` rows are the baseline's snapshots, by the arm that they are matched with.

    Returns
    -------
    DataFrame
        By arm: ``difference`` of the outcome to the baseline with ``low``, ``high``, ``p``, ``p_holm`` (not for the
        oracle), the same for ``matched_`` and ``cer_``; ``detectable``; ``yes``.
    """
    import pandas as pd

    table = pd.DataFrame([_row(rows, arm, outcome) for arm in dict.fromkeys(rows["arm"]) if arm != "baseline"])
    judged = ~table["oracle"]
    table["p_holm"] = np.nan
    table.loc[judged, "p_holm"] = holm(table.loc[judged, "p"])
    table["yes"] = (
        judged
        & (table["difference"] < 0)
        & (table["p_holm"] < LEVEL)
        & (table["cer_high"] <= TOLERANCE)
        & (table["matched_high"] < 0)
    )
    return table.set_index("arm")


def column(rows: pd.DataFrame, name: str, arm: str, role: str = "arm") -> np.ndarray:
    """Return a figure of the networks of an arm, ``(seed,)``.

    Parameters
    ----------
    rows : DataFrame
        As of `verdicts`.
    name, arm : str
    role : {"arm", "matched"}
    """
    mine = rows[(rows["arm"] == arm) & (rows["role"] == role)]
    return mine.set_index("seed")[name].sort_index().to_numpy(dtype=float)


def _row(rows: pd.DataFrame, arm: str, outcome: str) -> dict[str, object]:
    oracle = bool(rows.loc[rows["arm"] == arm, "oracle"].iloc[0])
    mine, base = column(rows, outcome, arm), column(rows, outcome, "baseline")
    families = int(rows.loc[~rows["oracle"] & (rows["arm"] != "baseline"), "arm"].nunique())
    told: dict[str, object] = {"arm": arm, "oracle": oracle, "detectable": detectable(mine - base, LEVEL / families)}
    compared = {
        "": paired(mine, base),
        "matched_": paired(mine, column(rows, outcome, arm, "matched")),
        "cer_": paired(column(rows, "cer", arm), column(rows, "cer", "baseline")),
    }
    for name, found in compared.items():
        told |= {f"{name}{key or 'difference'}": value for key, value in
                 (("", found.mean), ("low", found.low), ("high", found.high), ("p", found.p))}  # fmt: skip
    return told
