"""The viewer ``context-reach``: how far from a letter lies what decides its output."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, SceneView, SchemaError, UnknownNameError, captions, lettering, scene, viewer
from interp_causal.numbers import interval, source_weights
from interp_causal.panel import Panel, limits, number

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from numpy.typing import NDArray

KINDS = {"pair": "pairs", "input": "letters"}
MOST = 6
SHARE = 0.9
LEAST = 10  # sources of a pair or letter that is shown without being asked for
LEFT, TOP, BETWEEN, TALL = 62.0, 22.0, 36.0, 190.0
WHOLE = 930.0  # pixels for the panels of a row


@dataclass(frozen=True, kw_only=True)
class ContextReach(SceneView):
    """A panel for each pair or letter: mean |attribution| at each offset, with its interval."""

    @property
    def _reach(self) -> pd.DataFrame:
        frame: Any = self.data["reach"]
        return frame  # type: ignore[no-any-return]

    def compose(self) -> scene.Scene:
        """Return the panels on one scale, three in a row at most."""
        groups: Any = self.data["groups"]
        across = min(len(groups), 3) if len(groups) != 4 else 2
        width = (WHOLE - (across - 1) * BETWEEN) / across
        up = limits(self._reach["mean"], self._reach["high"])
        reach = int(self._reach["offset"].max()) + 0.6
        shapes: list[scene.Shape] = [scene.Text(0, 10, "mean |attribution|", 13, color="muted")]
        for place, group in enumerate(groups.to_dict("records")):
            row, column = divmod(place, across)
            corner = (LEFT + column * (width + BETWEEN), TOP + 30 + row * (TALL + 96))
            panel = Panel(*corner, width, TALL, (-reach, reach), up)
            shapes += _panel(panel, self._reach[self._reach["group"] == group["group"]], group, column == 0)
        return scene.Scene(LEFT + WHOLE + 8, TOP + math.ceil(len(groups) / across) * (TALL + 96), tuple(shapes))

    def holoviews(self) -> Any:
        """Return one HoloViews ``Curve`` with ``ErrorBars`` for each group, as a layout."""
        import holoviews as hv

        drawn = []
        for name, frame in self._reach.groupby("group", sort=False):
            bars = (frame["offset"], frame["mean"], frame["mean"] - frame["low"], frame["high"] - frame["mean"])
            curve = hv.Curve((frame["offset"], frame["mean"]), "offset", "mean |attribution|", label=str(name))
            drawn.append(curve * hv.ErrorBars(bars, "offset", ["mean |attribution|", "below", "above"]))
        return hv.Layout(drawn)


def _panel(panel: Panel, frame: pd.DataFrame, group: Mapping[Any, Any], first: bool) -> list[scene.Shape]:
    known = captions.enough(group["tokens"], group["sources"])
    ink, color = ("ink", "s20") if known else ("muted", "missing")
    name = _shown(group["group"], 6)
    n = captions.counts(group["tokens"], group["sources"])
    shapes: list[scene.Shape] = [
        scene.Text(panel.left, panel.top - 16, name, 17, color=ink, mono=True),
        scene.Text(panel.left + panel.width, panel.top - 16, f"n = {n}", 13, "end", ink),
    ]
    reach = int(frame["offset"].max())
    marks = [at for at in range(-reach, reach + 1) if at % _apart(reach, panel.width) == 0]
    shapes += panel.axes(marks, [f"{at:+d}".replace("-", "−") if at else "0" for at in marks], 5, first)
    words = "letters before (−) and after (+)"
    shapes.append(scene.Text(panel.left + panel.width / 2, panel.top + panel.height + 38, words, 12, "middle", "muted"))
    for row in frame.to_dict("records"):
        shapes += _bar(panel, row, color)
    return shapes


def _apart(reach: int, width: float) -> int:
    """Return how many offsets lie between two labels."""
    return next((step for step in (1, 2, 5, 10, 20) if width / (2 * reach + 1) * step >= 30), 50)


def _bar(panel: Panel, row: Mapping[Any, Any], color: str) -> list[scene.Shape]:
    if not np.isfinite(row["mean"]):
        return []
    wide = 0.78 * (panel.x(1) - panel.x(0))
    x, y, foot = panel.x(row["offset"]), panel.y(row["mean"]), panel.y(0)
    n = captions.counts(int(row["tokens"]), int(row["sources"]))
    note = f"{place(int(row['offset']))}\nmean |attribution| {number(row['mean'])}\n"
    note += f"95 % interval {number(row['low'])} to {number(row['high'])}\nn = {n}"
    key = f"{row['group']} {int(row['offset'])}"
    shapes: list[scene.Shape] = [scene.Box(x - wide / 2, y, wide, foot - y, color, key=key, note=note)]
    if np.isfinite([row["low"], row["high"]]).all():
        ends = [panel.y(max(row[end], 0.0)) for end in ("low", "high")]
        shapes.append(scene.Edge(x, ends[0], x, ends[1], "ink", 1.6))
        shapes += [scene.Edge(x - 3, end, x + 3, end, "ink", 1.6) for end in ends]
    return shapes


def place(offset: int) -> str:
    """Return an offset in words.

    Examples
    --------
    >>> place(0), place(-1), place(2)
    ('the letter itself', '1 letter before', '2 letters after')
    """
    if not offset:
        return "the letter itself"
    return f"{abs(offset)} letter{'s' * (abs(offset) > 1)} {'after' if offset > 0 else 'before'}"


def means(
    values: NDArray[Any], step: NDArray[Any], source: NDArray[Any], source_step: NDArray[Any], offsets: Sequence[int]
) -> pd.DataFrame:
    """Return the mean of |values| at offsets from each token's own step.

    Parameters
    ----------
    values : array (token, source step)
        Attributions; NaN where a sample has no such step.
    step, source : array (token,)
        The step that is explained, and where it comes from.
    source_step : array (source step,)
        The steps of the input.
    offsets : sequence of int
        Source step minus step.

    Returns
    -------
    DataFrame
        ``offset``, ``mean`` over sources of the mean over tokens, ``low`` and ``high``, the 95 % interval of the
        jackknife over groups of sources, ``tokens`` and ``sources`` that have such a step.
    """
    import pandas as pd

    away, rows = source_step[None] - step[:, None], []
    size = np.where(np.isnan(values), -1.0, np.abs(values))
    for offset in offsets:
        here = np.where(away == offset, size, -1.0).max(1, initial=-1.0)
        there = here >= 0
        ends = interval(here[there], source[there])
        rows.append((offset, *ends, int(there.sum()), np.unique(source[there]).size))
    return pd.DataFrame(rows, columns=["offset", "mean", "low", "high", "tokens", "sources"])


def width_of(values: NDArray[Any], step: NDArray[Any], source: NDArray[Any], source_step: NDArray[Any]) -> int:
    """Return the smallest distance within which 90 % of the mean sum of |values| lies."""
    away = np.abs(source_step[None] - step[:, None])
    weights = source_weights(source)[:, None] * np.nan_to_num(np.abs(values))
    total = np.bincount(away.ravel(), weights.ravel())
    return int(np.searchsorted(np.cumsum(total), SHARE * total.sum()))


HOW = "interp.measure('attribution', acts, model=…, batches=…)"


@viewer(name="context-reach")
def context_reach(
    attribution: xr.Dataset, *, by: str = "pair", which: Sequence[str] | None = None, reach: int = 8
) -> ContextReach:
    """Draw the mean of |attribution| against the offset: the step of the input minus the step that is explained.

    Parameters
    ----------
    attribution : Dataset
        ``attribution (token, source_step)`` with coords ``step``, ``source``, ``input``, ``output`` of ``token``; NaN
        where the sample has no such step.
    by : str
        ``"pair"`` or ``"input"``: a panel for each.
    which : sequence of str, optional
        These only, such as ``["t=>ծ"]`` or ``["t"]``; by default the six with the most tokens, of 10 sources at least.
    reach : int
        The largest offset on both sides, 1 at least.

    Raises
    ------
    UnknownNameError
        No token of such a pair or letter.
    OptionError
        An option out of range.
    SchemaError
        Another kind of result.
    """
    if by not in KINDS or reach < 1 or isinstance(which, str):
        given = f"{by!r}, {reach} and {which!r}"
        raise OptionError(f"Expected by= 'pair' or 'input', reach= at least 1 and which= a list; got {given}.")
    names = labelled(attribution, by)
    shown = chosen(names, attribution["source"].values, which, by)
    frame, table = measured(attribution, names, shown, reach)
    made = json.loads(str(attribution.attrs.get("options") or "{}"))
    asked = [f"{name} {made[name]!r}" for name in ("method", "target", "against", "baseline") if made.get(name)]
    how = f"attribution: {', '.join(asked) or 'method not named'}"
    words = f"{len(shown)} of {np.unique(names).size} {KINDS[by]}, mean over sources of the mean over tokens"
    few = [captions.GREY] * (not all(map(captions.enough, table["tokens"], table["sources"])))
    lines = "lines: 95 % interval, by jackknife"
    return ContextReach(
        title="Context reach" + (f" · {_shown(shown[0])}" if len(shown) == 1 else ""),
        caption=captions.caption(attribution, how, words, lines, *few, by=by, reach=reach),
        summary=summary(frame, table),
        data={"reach": frame, "groups": table},
    )


def measured(
    attribution: xr.Dataset, names: NDArray[Any], shown: Sequence[str], reach: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what `means` says of each group, and a row for each with its n and the width that holds 90 %."""
    import pandas as pd

    values = attribution["attribution"].values
    step, source, source_step = (attribution[name].values for name in ("step", "source", "source_step"))
    frames, groups = [], []
    for name in shown:
        here = names == name
        part = (values[here], step[here], source[here], source_step)
        frames.append(means(*part, range(-reach, reach + 1)))
        frames[-1].insert(0, "group", name)
        groups.append((name, int(here.sum()), np.unique(source[here]).size, width_of(*part)))
    columns = ["group", "tokens", "sources", "within_90_percent"]
    return pd.concat(frames, ignore_index=True), pd.DataFrame(groups, columns=columns)


def labelled(attribution: xr.Dataset, by: str) -> NDArray[Any]:
    """Return the pair or the letter of each token; `SchemaError` where the result has none."""
    dims = attribution["attribution"].dims if "attribution" in attribution else ()
    needed = ("step", "source", "input", *["output"] * (by == "pair"))
    if dims != ("token", "source_step") or not set(needed) <= set(attribution.coords):
        raise SchemaError(
            f"Expected attribution (token, source_step) with the labels {', '.join(needed)}: {HOW}; got dims {dims} "
            f"and {', '.join(map(str, attribution.coords))}."
        )
    given = attribution["input"].values.astype(str)
    if by == "input":
        return np.asarray(given)
    becomes = attribution["output"].values.astype(str)
    return np.array([f"{a}=>{b}" for a, b in zip(given.tolist(), becomes.tolist(), strict=True)])


def chosen(names: NDArray[Any], sources: NDArray[Any], which: Sequence[str] | None, by: str) -> list[str]:
    """Return the groups to show: those asked for, or those with the most tokens."""
    if not names.size:
        raise OptionError("No token was explained. Give interp.measure('attribution', acts, …) some tokens.")
    known, counts = np.unique(names, return_counts=True)
    if which is None:
        ranked = known[np.argsort(-counts, kind="stable")]
        many = [name for name in ranked if np.unique(sources[names == name]).size >= LEAST]
        return [str(name) for name in (many or ranked)[:MOST]]
    for name in which:
        if name not in known:
            raise UnknownNameError(f"No {by} {name!r} was explained. There are: {', '.join(known[:40].tolist())}.")
    if not 1 <= len(which) <= MOST:
        raise OptionError(f"which= takes 1 to {MOST}; got {len(which)}.")
    return [str(name) for name in which]


def summary(frame: pd.DataFrame, groups: pd.DataFrame) -> str:
    """Return in a sentence where the attribution lies, for the first three groups."""
    said = []
    for row in groups.head(3).to_dict("records"):
        best = frame[frame["group"] == row["group"]].sort_values("mean", ascending=False, kind="stable").iloc[0]
        within = int(row["within_90_percent"])
        near = f"within {within} letter{'s' * (within > 1)}" if within else "in it"
        said.append(
            f"{_shown(row['group'])} most at {place(int(best['offset']))} ({number(best['mean'])}), 90 % {near}"
        )
    more = f"; and {len(groups) - 3} more" if len(groups) > 3 else ""
    return f"Mean |attribution|: {'; '.join(said)}{more}."


def _shown(name: str, limit: int = 8) -> str:
    return lettering.pair(name, limit) if "=>" in name else lettering.short(lettering.visible(name), limit)
