"""Arguments of every registered viewer, made from one capture with any labels and unit names."""

from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser

import numpy as np
import xarray as xr

import interp
from helpers.causes import attributed, curves

NASTY = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "'\"><svg onload=alert(1)>",
    "\u202e",
    "a\u0301",
    "\ue000",
    "x" * 10_000,
    "&lt;",
    "=>",
]


@dataclass(frozen=True)
class World:
    """A capture, results of probes on it, and the pair to draw.

    Results are measured on ``whole`` (by default the capture) and restricted to the units of the capture; with
    ``empty`` they are empty.
    """

    acts: xr.Dataset
    letter: str
    output: str
    connectivity: xr.Dataset | None = None
    whole: xr.Dataset | None = None
    empty: bool = False

    @property
    def unit(self):
        return str(self.acts.unit.values[0]) if self.acts.sizes["unit"] else "lstm.0.forward.h.0"

    @property
    def dist(self):
        pairs = [f"{self.letter}=>{self.output}"]
        return self._of(self._measured("hellinger", estimator="raw", min_tokens=1, pairs=pairs), "pair")

    @property
    def matches(self):
        return self._of(self._measured("hypothesis", span=(0, 0, 0), quantile=0.45, n_units=4), "place")

    @property
    def saturation(self):
        return self._of(self._measured("saturation"), "unit")

    @property
    def attribution(self):
        result = attributed(self.acts if self.whole is None else self.whole, self.letter)
        return result.isel(token=[] if self.empty else slice(None))

    @property
    def curve(self):
        return curves(n=12).assign_attrs(model=self.acts.attrs.get("model", ""))

    @property
    def edited(self):
        predicted = self.acts["predicted"].values.copy()
        predicted[::9] = "_"
        edits = {"edits": f'["Clamp({len(self.letter)})"]'}
        return self.acts.assign_coords(predicted=("token", predicted)).assign_attrs(edits)

    def _measured(self, name, **options):
        return interp.measure(name, self.acts if self.whole is None else self.whole, **options)

    def _of(self, result, dim):
        captured = np.isin(result.unit.values, self.acts.unit.values)
        return result.isel(unit=captured).isel({dim: []} if self.empty else {})


DRAWN: dict[str, Callable[[World], interp.View]] = {
    "ablation-curves": lambda w: interp.draw("ablation-curves", w.curve),
    "attribution-strip": lambda w: interp.draw("attribution-strip", w.acts, w.attribution, unit=w.unit),
    "before-after": lambda w: interp.draw("before-after", w.acts, w.edited),
    "cell-strips": lambda w: interp.draw(
        "cell-strips", w.acts, units=w.acts.unit.values[:2].tolist(), max_characters=60
    ),
    "compare": lambda w: interp.draw("compare", w.acts, w.acts, w.dist, w.dist, n_units=6),
    "context-reach": lambda w: interp.draw("context-reach", w.attribution),
    "histogram-pair": lambda w: interp.draw("histogram-pair", w.acts, w.dist, unit=w.unit, pair=(w.letter, w.output)),
    "hypothesis": lambda w: interp.draw("hypothesis", w.matches, max_places=5),
    "layered-graph": lambda w: interp.draw(
        "layered-graph", w.acts, w.dist, connectivity=w.connectivity, pair=(w.letter, w.output), n_hidden=4, n_units=3
    ),
    "overview": lambda w: interp.draw("overview", w.dist, n_units=6),
    "saturation-map": lambda w: interp.draw("saturation-map", w.saturation),
    "top-pairs": lambda w: interp.draw("top-pairs", w.dist, unit=w.unit),
    "unit-card": lambda w: interp.draw("unit-card", w.acts, w.dist, unit=w.unit, connectivity=w.connectivity),
}


def small(acts, connectivity, tokens=240, index=2):
    """Return a world of the first tokens and of a few units of each kind, including all output units."""
    selected = (acts["index"].values < index) | (acts["module"].values == "output")
    part = acts.isel(token=slice(tokens), unit=np.flatnonzero(selected))
    names = part.unit.values.tolist()
    sides = {side: [name for name in connectivity[side].values.tolist() if name in names] for side in connectivity.dims}
    return World(part, "t", "ծ", connectivity.sel(sides))


def called(world, text):
    """Return the world with ``text`` in its labels, unit names, symbols, modules, model and task."""
    acts, connectivity = world.acts, world.connectivity
    names = {name: f"{text}{number}" for number, name in enumerate(acts.unit.values.tolist())}
    coords = {"unit": list(names.values())}
    for name in ("input", "output", "predicted", "symbol"):
        values = acts[name].values.astype(object)
        values[np.isin(values, [world.letter, world.output])] = text
        coords[name] = (acts[name].dims, values.astype(str))
    attrs = dict.fromkeys(("model", "task", "corpus"), text)
    acts = acts.drop_vars("unit").assign_coords(coords).assign_attrs(attrs)
    sides = {side: [names[name] for name in connectivity[side].values.tolist()] for side in connectivity.dims}
    letter = text.rstrip("\0")
    return World(acts, letter, letter, connectivity.assign_coords(sides))


class Tags(HTMLParser):
    """Parser that collects the elements of a page, the names of their attributes, and the text."""

    def __init__(self, html):
        super().__init__()
        self.seen, self.names, self.text = {}, [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.seen.setdefault(tag, set()).update(name for name, _ in attrs)

    def handle_data(self, data):
        self.text.append(data)
