"""The results of the study as files, and what they say in a paragraph."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from interp_reproduction.study.analysis import verdicts
from interp_reproduction.study.protocol import LEVEL

if TYPE_CHECKING:
    import pandas as pd

NETWORKS, CLAIMS, TABLE, PICTURE = "networks.csv", "claims.csv", "RESULTS.md", "trade-off"


def networks(folder: Path | None = None) -> pd.DataFrame | None:
    """Return the study's networks, a row each, or None where it has not been done.

    Parameters
    ----------
    folder : Path, optional
        Of results; by default those that are shipped.

    Returns
    -------
    DataFrame
        ``arm``, ``strength``, ``seed``, ``role`` (``arm``, or ``matched``: the baseline's snapshot nearest in
        errors), ``oracle``, ``cer``, ``words``, ``log_k80``, ``k80 t=>ծ`` and so on, and the secondary outcomes.
    """
    import pandas as pd

    path = (files("interp_models") / "study" if folder is None else folder) / NETWORKS
    if not path.is_file():
        return None
    with path.open(encoding="utf-8") as file:
        return pd.read_csv(file)


def write_results(rows: pd.DataFrame, claims: pd.DataFrame, folder: Path) -> Path:
    """Write the dataset, the claims over the baselines, the picture and the text; return the text's path."""
    from interp_reproduction.study.telling import told
    from interp_reproduction.study.tradeoff import trade_off

    rows.to_csv(folder / NETWORKS, index=False)
    claims.to_csv(folder / CLAIMS, index=False)
    view = trade_off(rows)
    for suffix in (".png", ".svg"):
        view.save(folder / f"{PICTURE}{suffix}")
    page = folder / TABLE
    page.write_text(told(rows, claims), encoding="utf-8")
    return page


def answer(rows: pd.DataFrame) -> str:
    """Return the answer to the article's question, in a plain paragraph.

    Parameters
    ----------
    rows : DataFrame
        As of `networks`.
    """
    table = verdicts(rows)
    judged = table[~table["oracle"]]
    found = judged["p_holm"] < LEVEL
    yes, lower, higher = (
        list(judged.index[mask])
        for mask in (judged["yes"], found & (judged["difference"] < 0), found & (judged["difference"] > 0))
    )
    smallest = sorted(share(effect) for effect in (judged["detectable"].min(), judged["detectable"].max()))
    parts = [f"{'Yes, with ' + listed(yes) if yes else 'No evidence that it does'}."]
    parts += [f"Fewer units share a decision with {listed(lower)}."] if lower else []
    parts += [f"More units share a decision with {listed(higher)}."] if higher else []
    parts.append(
        f"{rows['seed'].nunique()} seeds, paired with the baseline, Holm over {len(judged)}. The smallest fall of k80 "
        f"that this design would have found with a power of 80 % was {' to '.join(smallest)}, by the penalty."
    )
    return " ".join(parts)


def share(effect: float) -> str:
    """Return by how much a fall of ln k80 makes k80 smaller: ``18 %``."""
    return f"{100 * (1 - np.exp(-effect)):.0f} %"


def listed(names: list[str]) -> str:
    """Return names as in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
