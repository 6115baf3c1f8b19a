"""The viewer ``top-pairs``: a bar chart of the pairs that one unit separates best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from interp import OptionError, SceneView, SchemaError, viewer
from interp.plotting import (
    GREY_NOTE,
    colors,
    format_caption,
    format_counts,
    has_enough_data,
    scene,
    select_unit,
    show_invisible,
    truncate_middle,
)

if TYPE_CHECKING:
    import xarray as xr

SIDES = ("target", "rest")
PAIR_COORDS = ("pair", "pair_input", "pair_output")
SIDE_COUNTS = ("n_target", "sources_target", "n_rest", "sources_rest")
SUMMARY_PAIRS = 4  # pairs that the summary names


@dataclass(frozen=True, kw_only=True)
class TopPairs(SceneView):
    """Distances of the pairs that a unit separates best, as bars from 0 to 1."""

    def compose(self) -> scene.Scene:
        """Return one row per pair: a bar, its value and the sample sizes."""
        pairs: Any = self.data["pairs"]
        shapes: list[scene.Shape] = [
            scene.Text(0, 12, "pair", 13, color="muted"),
            scene.Text(122, 12, "distance, 0 to 1", 13, color="muted"),
            scene.Text(590, 12, "n target", 13, "end", "muted"),
            scene.Text(760, 12, "n rest", 13, "end", "muted"),
        ]
        for index, row in enumerate(pairs.to_dict("records")):
            shapes += _bar(row, 44 + index * 34.0)
        return scene.Scene(770, 44 + max(len(pairs), 1) * 34, tuple(shapes))

    def holoviews(self) -> Any:
        """Return the distances as HoloViews ``Bars``."""
        import holoviews as hv

        return hv.Bars(self.data["pairs"], "pair", "distance", label=self.title)


def _bar(row: Mapping[Any, Any], y: float) -> list[scene.Shape]:
    sides = [(row[f"n_{side}"], row[f"sources_{side}"]) for side in SIDES]
    sufficient = all(has_enough_data(*side) for side in sides)
    color, ink = (colors.sequential(row["distance"]), "ink") if sufficient else ("missing", "muted")
    name = " ⇒ ".join(truncate_middle(show_invisible(row[f"pair_{end}"]), 5) for end in ("input", "output"))
    counts = [format_counts(*side) for side in sides]
    note = f"{truncate_middle(row['pair'])}\ndistance {row['distance']:.4f}\nn = {counts[0]} against {counts[1]}"
    length = 280 * min(max(row["distance"], 0.0), 1.0)
    return [
        scene.Text(0, y, name, 17, color=ink, mono=True),
        scene.Box(122, y - 11, 280, 22, "panel"),
        scene.Box(122, y - 11, length, 22, color, key=row["pair"], note=note),
        scene.Text(412, y, f"{row['distance']:.4f}", 14, color=ink, mono=True),
        scene.Text(590, y, counts[0], 13, "end", ink, mono=True),
        scene.Text(760, y, counts[1], 13, "end", ink, mono=True),
    ]


@viewer(name="top-pairs")
def top_pairs(dist: xr.Dataset, *, unit: str, max_pairs: int = 15) -> TopPairs:
    """Draw the pairs that one unit separates best.

    Parameters
    ----------
    dist : Dataset
        Result of ``interp.measure('hellinger', acts)``: ``distance (unit, pair)``.
    unit : str
        Name of the unit, such as ``lstm.0.forward.h.70``.
    max_pairs : int
        Maximum number of pairs, at least 1.

    Raises
    ------
    UnknownNameError
        If there is no such unit.
    OptionError
        If ``max_pairs`` is below 1.
    SchemaError
        If ``dist`` is not a result of ``hellinger``.
    """
    if max_pairs < 1:
        raise OptionError(f"max_pairs= is at least 1; got {max_pairs}.")
    if not {"distance", *SIDE_COUNTS} <= set(dist):
        got = ", ".join(map(str, dist.data_vars)) or "no variables"
        raise SchemaError(
            f"Expected distance (unit, pair) and sample sizes: interp.measure('hellinger', acts); got {got}."
        )
    own = select_unit(dist, unit)
    columns = ["distance", *SIDE_COUNTS]
    frame = own[columns].to_dataframe().reset_index()[[*PAIR_COORDS, *columns]]
    frame = frame.sort_values("distance", ascending=False, kind="stable").head(max_pairs).reset_index(drop=True)
    best = ", ".join(f"{row.pair} {row.distance:.2f}" for row in frame.head(SUMMARY_PAIRS).itertuples())
    method = f"{len(frame)} of {own.sizes['pair']} pairs, n in tokens / sources, {GREY_NOTE} on a side"
    return TopPairs(
        title=truncate_middle(unit),
        caption=format_caption(dist, method, max_pairs=max_pairs),
        summary=f"The pairs that {truncate_middle(unit)} separates best: {best or 'none'}.",
        data={"pairs": frame},
    )
