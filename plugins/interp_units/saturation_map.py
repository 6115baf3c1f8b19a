"""The viewer ``saturation-map``: share of tokens at which each gate is nearly open, against nearly closed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, SceneView, SchemaError, select, viewer
from interp.plotting import Axes, format_caption, format_counts, scene, truncate_middle

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

GATES = {"i": "input gate", "f": "forget gate", "o": "output gate", "r": "reset gate", "z": "update gate"}
SIZE, BETWEEN, LEFT, TOP = 240.0, 60.0, 58.0, 76.0  # pixels
PITCH = SIZE + 84.0  # from one row of squares to the next
MAX_POINTS = 1500  # pages with 5,000 elements get slow
OFTEN = 0.5  # share of tokens that the summary counts units by
ROW = ("module", "layer", "direction")
ARROWS = {"forward": " →", "backward": " ←"}
HIGH, LOW = "frac_saturated_high", "frac_saturated_low"


@dataclass(frozen=True, kw_only=True)
class SaturationMap(SceneView):
    """A square for each gate and a point for each unit: x, the share of tokens nearly closed; y, nearly open."""

    low: float
    high: float

    @property
    def _frame(self) -> pd.DataFrame:
        frame: Any = self.data["units"]
        return frame  # type: ignore[no-any-return]

    def compose(self) -> scene.Scene:
        """Return the squares: one row per module, layer and direction, one column per gate."""
        frame, drawn = self._frame, _drawn(self._frame)
        gates = list(dict.fromkeys(frame["quantity"]))
        rows = list(frame.groupby(list(ROW), sort=False))
        text = "on the dashed line: always nearly open or nearly closed"
        shapes: list[scene.Shape] = [
            scene.Edge(LEFT, 12, LEFT + 34, 12, "muted", 1.2, (4, 3)),
            scene.Text(LEFT + 44, 12, text, 13),
            scene.Text(0, 42, f"up: share of tokens above {self.high:g}", 13, color="muted"),
        ]
        for row, (_, units) in enumerate(rows):
            for gate, part in units.groupby("quantity", sort=False):
                corner = (LEFT + gates.index(gate) * (SIZE + BETWEEN), TOP + row * PITCH)
                axes = Axes(*corner, SIZE, SIZE, (0, 1), (0, 1))
                shapes += _square(axes, f"below {self.low:g}", _gate_name(part.iloc[0]))
                shapes += [_point(record, axes) for record in part[drawn[part.index]].to_dict("records")]
        width = LEFT + len(gates) * (SIZE + BETWEEN)
        return scene.Scene(max(width, 440.0), TOP + len(rows) * PITCH - 22, tuple(shapes))

    def holoviews(self) -> Any:
        """Return the points of each gate as a layout of HoloViews ``Points``."""
        import holoviews as hv

        panels = self._frame.groupby([*ROW, "quantity"], sort=False)
        drawn = [hv.Points(part, [LOW, HIGH], "unit", label=_gate_name(part.iloc[0])) for _, part in panels]
        return hv.Layout(drawn)


def _drawn(frame: pd.DataFrame) -> np.ndarray:
    """Return a mask of the units that are drawn: the `MAX_POINTS` with the largest share of saturated tokens."""
    order = np.argsort(-(frame[HIGH] + frame[LOW]).to_numpy(), kind="stable")
    mask = np.zeros(len(frame), bool)
    mask[order[:MAX_POINTS]] = True
    return mask


def _gate_name(row: Any) -> str:
    gate = GATES.get(row["quantity"], truncate_middle(row["quantity"], 12))
    return f"{gate} of {truncate_middle(row['module'], 12)}.{row['layer']}{ARROWS.get(row['direction'], '')}"


def _square(axes: Axes, threshold: str, name: str) -> list[scene.Shape]:
    """Return the square of a gate with its name, its diagonal and the labels of both axes."""
    shapes: list[scene.Shape] = [
        scene.Text(axes.left, axes.top - 14, name, 13.5),
        scene.Box(axes.left, axes.top, SIZE, SIZE, "panel", alpha=0.45),
        scene.Edge(axes.left, axes.top, axes.right, axes.bottom, "muted", 1.2, (4, 3)),
    ]
    for share in (0.0, 0.5, 1.0):
        shapes.append(scene.Text(axes.x(share), axes.bottom + 16, f"{share:g}", 12, "middle", "muted"))
        shapes.append(scene.Text(axes.left - 9, axes.y(share), f"{share:g}", 12, "end", "muted"))
    label = f"share of tokens {threshold}"
    return [*shapes, scene.Text(axes.center, axes.bottom + 35, label, 13, "middle", "muted")]


def _point(row: Mapping[Any, Any], axes: Axes) -> scene.Box:
    note = f"{truncate_middle(row['unit'])}\nnearly open {row[HIGH]:.1%}\nnearly closed {row[LOW]:.1%}"
    x, y = axes.x(row[LOW]) - 4, axes.y(row[HIGH]) - 4
    return scene.Box(x, y, 8, 8, "s22", 4, alpha=0.5, key=row["unit"], note=note.replace("%", " %"))


@viewer(name="saturation-map")
def saturation_map(saturation: xr.Dataset, *, quantity: str | Sequence[str] | None = None) -> SaturationMap:
    """Draw the share of tokens at which each gate is nearly open against nearly closed, one point per unit.

    As figure 4 of Karpathy, Johnson and Fei-Fei, "Visualizing and understanding recurrent networks" (2015): a unit in
    the top left corner is nearly always open, one in the bottom right corner nearly always closed, and one in the
    bottom left corner uses the middle of its range.

    Parameters
    ----------
    saturation : Dataset
        Result of the probe ``saturation``: ``frac_saturated_high`` and ``frac_saturated_low (unit,)``, 0..1.
    quantity : str or sequence of str, optional
        Gates to show, such as ``"f"``; by default all.

    Raises
    ------
    SchemaError
        Another kind of result, or several models.
    OptionError
        No such gate, or no gate without NaN.
    """
    if "model" in saturation.dims or not {HIGH, LOW} <= set(saturation.data_vars):
        names = ", ".join(map(str, saturation.data_vars)) or "no variables"
        raise SchemaError(
            f"Expected {HIGH} and {LOW} (unit,) of one model: pass a result of interp.measure('saturation', acts); "
            f"got {names}."
        )
    options = {} if quantity is None else {"quantity": [quantity] if isinstance(quantity, str) else list(quantity)}
    frame = select(saturation, **options)[[HIGH, LOW]].to_dataframe().reset_index()
    frame = frame[frame[HIGH].notna() & frame[LOW].notna()].reset_index(drop=True)
    if not len(frame):
        names = ", ".join(dict.fromkeys(saturation["quantity"].values.astype(str).tolist())) or "none"
        raise OptionError(
            f"There is no saturation of {quantity or 'any gate'}; quantities: {names}. Gates are {', '.join(GATES)}: "
            "capture them with quantities=, or name yours in interp.measure('saturation', …, quantities=[…])."
        )
    low, high = _thresholds(saturation)
    columns = ["unit", "module", "layer", "direction", "quantity", "index", HIGH, LOW]
    return SaturationMap(
        title="Gate saturation",
        caption=format_caption(saturation, *_method(saturation, frame, low, high), **options),
        summary=_summary(frame, low, high),
        data={"units": frame[columns]},
        low=low,
        high=high,
    )


def _thresholds(saturation: xr.Dataset) -> tuple[float, float]:
    """Return ``low`` and ``high`` that the saturation was measured with."""
    options = json.loads(str(saturation.attrs.get("options") or "{}"))
    return float(options.get("low", 0.1)), float(options.get("high", 0.9))


def _method(saturation: xr.Dataset, frame: pd.DataFrame, low: float, high: float) -> list[str]:
    tokens, sources = (saturation.attrs.get(name) for name in ("n_tokens", "n_sources"))
    sentences = [f"n = {format_counts(int(tokens), int(sources))} tokens / sources"] if tokens and sources else []
    sentences.append(f"nearly closed: below {low:g}; nearly open: above {high:g}")
    if len(frame) > MAX_POINTS:
        sentences.append(f"the {MAX_POINTS:,} most saturated of {len(frame):,} units are drawn")
    return sentences


def _summary(frame: pd.DataFrame, low: float, high: float) -> str:
    counts = []
    for gate, part in frame.groupby("quantity", sort=False):
        n_open, n_closed = ((part[name] > OFTEN).sum() for name in (HIGH, LOW))
        counts.append(f"{GATES.get(str(gate), str(gate))} {n_open:,} and {n_closed:,} of {len(part):,}")
    return f"Units that are above {high:g}, and below {low:g}, at more than half of the tokens: {'; '.join(counts)}."
