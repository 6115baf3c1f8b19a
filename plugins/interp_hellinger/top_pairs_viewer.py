"""The viewer ``top-pairs``: the pairs that one unit tells apart best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from interp import OptionError, SceneView, SchemaError, captions, lettering, one_unit, palette, scene, viewer

if TYPE_CHECKING:
    import xarray as xr

SIDES = ("with", "without")
PAIR = ("pair", "pair_input", "pair_output")
COUNTS = ("n_with", "sources_with", "n_without", "sources_without")


@dataclass(frozen=True, kw_only=True)
class TopPairs(SceneView):
    """The pairs that a unit tells apart best, as bars from 0 to 1."""

    def compose(self) -> scene.Scene:
        """Return a bar, its value and its n for each pair."""
        pairs: Any = self.data["pairs"]
        shapes: list[scene.Shape] = [
            scene.Text(0, 12, "pair", 13, color="muted"),
            scene.Text(122, 12, "distance, 0 to 1", 13, color="muted"),
            scene.Text(590, 12, "n with", 13, "end", "muted"),
            scene.Text(760, 12, "n without", 13, "end", "muted"),
        ]
        for place, row in enumerate(pairs.to_dict("records")):
            shapes += _bar(row, 44 + place * 34.0)
        return scene.Scene(770, 44 + max(len(pairs), 1) * 34, tuple(shapes))

    def holoviews(self) -> Any:
        """Return the distances as HoloViews ``Bars``."""
        import holoviews as hv

        return hv.Bars(self.data["pairs"], "pair", "distance", label=self.title)


def _bar(row: Mapping[Any, Any], y: float) -> list[scene.Shape]:
    sides = [(row[f"n_{side}"], row[f"sources_{side}"]) for side in SIDES]
    known = all(captions.enough(*side) for side in sides)
    color, ink = (palette.sequential(row["distance"]), "ink") if known else ("missing", "muted")
    name = " ⇒ ".join(lettering.short(lettering.visible(row[f"pair_{end}"]), 5) for end in ("input", "output"))
    shares = [captions.counts(*side) for side in sides]
    note = f"{lettering.short(row['pair'])}\ndistance {row['distance']:.4f}\nn = {shares[0]} against {shares[1]}"
    length = 280 * min(max(row["distance"], 0.0), 1.0)
    return [
        scene.Text(0, y, name, 17, color=ink, mono=True),
        scene.Box(122, y - 11, 280, 22, "panel"),
        scene.Box(122, y - 11, length, 22, color, key=row["pair"], note=note),
        scene.Text(412, y, f"{row['distance']:.4f}", 14, color=ink, mono=True),
        scene.Text(590, y, shares[0], 13, "end", ink, mono=True),
        scene.Text(760, y, shares[1], 13, "end", ink, mono=True),
    ]


@viewer(name="top-pairs")
def top_pairs(dist: xr.Dataset, *, unit: str, n: int = 15) -> TopPairs:
    """Draw the pairs that one unit tells apart best.

    Parameters
    ----------
    dist : Dataset
        What ``interp.measure('hellinger', acts)`` returned: ``distance (unit, pair)``.
    unit : str
        ``lstm.0.forward.h.70``.
    n : int
        How many pairs, 1 at least.

    Raises
    ------
    UnknownNameError
        No such unit.
    OptionError
        ``n`` below 1.
    SchemaError
        Another kind of result.
    """
    if n < 1:
        raise OptionError(f"n= is at least 1; got {n}.")
    if not {"distance", *COUNTS} <= set(dist):
        got = ", ".join(map(str, dist.data_vars)) or "no variables"
        raise SchemaError(f"Expected distance (unit, pair) and n: interp.measure('hellinger', acts); got {got}.")
    one = one_unit(dist, unit)
    frame = one[["distance", *COUNTS]].to_dataframe().reset_index()[[*PAIR, "distance", *COUNTS]]
    frame = frame.sort_values("distance", ascending=False, kind="stable").head(n).reset_index(drop=True)
    best = ", ".join(f"{row.pair} {row.distance:.2f}" for row in frame.head(4).itertuples())
    method = f"{len(frame)} of {one.sizes['pair']} pairs, n in tokens / sources, {captions.GREY} on a side"
    return TopPairs(
        title=lettering.short(unit),
        caption=captions.caption(dist, method, n=n),
        summary=f"The pairs that {lettering.short(unit)} tells apart best: {best or 'none'}.",
        data={"pairs": frame},
    )
