"""The viewer ``saturation-map``: how often each gate is nearly open, against how often nearly shut."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, SceneView, SchemaError, captions, lettering, pick, scene, viewer

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

GATES = {"i": "input gate", "f": "forget gate", "o": "output gate", "r": "reset gate", "z": "update gate"}
SIZE, BETWEEN, LEFT, TOP = 240.0, 60.0, 58.0, 76.0
PITCH = SIZE + 84.0  # from one row of squares to the next
MOST = 1500  # a page of 5,000 elements gets slow
OFTEN = 0.5  # of the tokens
ROW = ("module", "layer", "direction")
ARROWS = {"forward": " →", "backward": " ←"}


@dataclass(frozen=True, kw_only=True)
class SaturationMap(SceneView):
    """A square for each gate: a point is a unit, across its share of tokens nearly shut, up that nearly open."""

    low: float
    high: float

    @property
    def _frame(self) -> pd.DataFrame:
        frame: Any = self.data["units"]
        return frame  # type: ignore[no-any-return]

    def compose(self) -> scene.Scene:
        """Return the squares, a row for each module, layer and direction, and a column for each gate."""
        frame, drawn = self._frame, _drawn(self._frame)
        gates = list(dict.fromkeys(frame["quantity"]))
        rows = list(frame.groupby(list(ROW), sort=False))
        words = "on the dashed line: always nearly open or nearly shut"
        shapes: list[scene.Shape] = [
            scene.Edge(LEFT, 12, LEFT + 34, 12, "muted", 1.2, (4, 3)),
            scene.Text(LEFT + 44, 12, words, 13),
            scene.Text(0, 42, f"up: share of tokens above {self.high:g}", 13, color="muted"),
        ]
        for down, (_, among) in enumerate(rows):
            for gate, part in among.groupby("quantity", sort=False):
                x, y = LEFT + gates.index(gate) * (SIZE + BETWEEN), TOP + down * PITCH
                shapes += _axes(x, y, f"below {self.low:g}", _name(part.iloc[0]))
                shapes += [_point(row, x, y) for row in part[drawn[part.index]].to_dict("records")]
        wide = LEFT + len(gates) * (SIZE + BETWEEN)
        return scene.Scene(max(wide, 440.0), TOP + len(rows) * PITCH - 22, tuple(shapes))

    def holoviews(self) -> Any:
        """Return the points of each gate as a layout of HoloViews ``Points``."""
        import holoviews as hv

        panels = self._frame.groupby([*ROW, "quantity"], sort=False)
        drawn = [hv.Points(part, ["below", "above"], "unit", label=_name(part.iloc[0])) for _, part in panels]
        return hv.Layout(drawn)


def _drawn(frame: pd.DataFrame) -> np.ndarray:
    """Return which units are drawn: the `MOST` that are saturated most often."""
    order = np.argsort(-(frame["above"] + frame["below"]).to_numpy(), kind="stable")
    shown = np.zeros(len(frame), bool)
    shown[order[:MOST]] = True
    return shown


def _name(row: Any) -> str:
    gate = GATES.get(row["quantity"], lettering.short(row["quantity"], 12))
    return f"{gate} of {lettering.short(row['module'], 12)}.{row['layer']}{ARROWS.get(row['direction'], '')}"


def _axes(x: float, y: float, across: str, name: str) -> list[scene.Shape]:
    shapes: list[scene.Shape] = [scene.Text(x, y - 14, name, 13.5), scene.Box(x, y, SIZE, SIZE, "panel", alpha=0.45)]
    shapes.append(scene.Edge(x, y, x + SIZE, y + SIZE, "muted", 1.2, (4, 3)))
    for share in (0.0, 0.5, 1.0):
        shapes.append(scene.Text(x + share * SIZE, y + SIZE + 16, f"{share:g}", 12, "middle", "muted"))
        shapes.append(scene.Text(x - 9, y + (1 - share) * SIZE, f"{share:g}", 12, "end", "muted"))
    return [*shapes, scene.Text(x + SIZE / 2, y + SIZE + 35, f"share of tokens {across}", 13, "middle", "muted")]


def _point(row: Mapping[Any, Any], x: float, y: float) -> scene.Box:
    note = f"{lettering.short(row['unit'])}\nnearly open {row['above']:.1%}\nnearly shut {row['below']:.1%}"
    left, top = x + row["below"] * SIZE - 4, y + (1 - row["above"]) * SIZE - 4
    return scene.Box(left, top, 8, 8, "s22", 4, alpha=0.5, key=row["unit"], note=note.replace("%", " %"))


@viewer(name="saturation-map")
def saturation_map(saturation: xr.Dataset, *, quantity: str | Sequence[str] | None = None) -> SaturationMap:
    """Draw how often each gate is nearly open against how often nearly shut, a point a unit.

    As figure 4 of Karpathy, Johnson and Fei-Fei, "Visualizing and understanding recurrent networks" (2015): a unit at
    the top left carries on or lets through nearly always, one at the bottom right hardly ever, one in the bottom left
    corner uses the middle of its range.

    Parameters
    ----------
    saturation : Dataset
        Of the probe ``saturation``: ``above`` and ``below (unit,)``, 0..1.
    quantity : str or sequence of str, optional
        Show these gates only: ``"f"``.

    Raises
    ------
    SchemaError
        Another kind of result, or several models.
    OptionError
        No such gate, or none without NaN.
    """
    if "model" in saturation.dims or not {"above", "below"} <= set(saturation.data_vars):
        got = ", ".join(map(str, saturation.data_vars)) or "no variables"
        raise SchemaError(
            f"Expected above and below (unit,) of one model: interp.measure('saturation', acts); got {got}."
        )
    wanted = {} if quantity is None else {"quantity": [quantity] if isinstance(quantity, str) else list(quantity)}
    frame = pick(saturation, **wanted)[["above", "below"]].to_dataframe().reset_index()
    frame = frame[frame["above"].notna() & frame["below"].notna()].reset_index(drop=True)
    if not len(frame):
        there = ", ".join(dict.fromkeys(saturation["quantity"].values.astype(str).tolist())) or "none"
        raise OptionError(
            f"There is no saturated share of {quantity or 'any gate'}; quantities: {there}. Gates are "
            f"{', '.join(GATES)}: capture them with quantities=, or name yours in measure('saturation', …)."
        )
    options = json.loads(str(saturation.attrs.get("options") or "{}"))
    low, high = (float(options.get(name, usual)) for name, usual in (("low", 0.1), ("high", 0.9)))
    columns = ["unit", "module", "layer", "direction", "quantity", "index", "above", "below"]
    return SaturationMap(
        title="Gate saturation",
        caption=captions.caption(saturation, *_method(saturation, frame, low, high), **wanted),
        summary=_summary(frame, low, high),
        data={"units": frame[columns]},
        low=low,
        high=high,
    )


def _method(saturation: xr.Dataset, frame: pd.DataFrame, low: float, high: float) -> list[str]:
    tokens, sources = (saturation.attrs.get(name) for name in ("n_tokens", "n_sources"))
    said = [f"n = {captions.counts(int(tokens), int(sources))} tokens / sources"] if tokens and sources else []
    said.append(f"nearly shut: below {low:g}; open: above {high:g}")
    return [*said, *[f"the {MOST:,} most saturated of {len(frame):,} units drawn"] * (len(frame) > MOST)]


def _summary(frame: pd.DataFrame, low: float, high: float) -> str:
    said = []
    for gate, part in frame.groupby("quantity", sort=False):
        open_, shut = ((part[side] > OFTEN).sum() for side in ("above", "below"))
        said.append(f"{GATES.get(str(gate), str(gate))} {open_:,} and {shut:,} of {len(part):,}")
    return f"Units that are above {high:g}, and below {low:g}, at more than half of the tokens: {'; '.join(said)}."
