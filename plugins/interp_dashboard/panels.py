"""Which views a dashboard shows, and what each is drawn from: found by name, filled in by the names of parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import Parameter, signature
from typing import Any

import interp


class Missing(Exception):  # noqa: N818 (nothing went wrong: something is not there yet)
    """What is missing for a view, and how to get it."""


@dataclass(frozen=True)
class Panel:
    """A place for a view.

    Parameters
    ----------
    name : str
        Of the panel.
    title : str
        Its heading.
    pane : {"overview", "pair", "unit"}
        Where it stands.
    viewers : tuple of str
        The first that is registered is shown.
    options : mapping
        For the viewer, beside what the selection gives.
    """

    name: str
    title: str
    pane: str
    viewers: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def viewer(self) -> str:
        """The name of the viewer, or the empty string where none is registered."""
        return next((name for name in self.viewers if name in interp.viewers()), "")


PANELS = (
    Panel("overview", "Overview", "overview", ("overview",)),
    Panel("graph", "Layered graph", "pair", ("layered-graph",)),
    Panel("strips", "Text", "pair", ("cell-strips",), {"limit": 200}),
    Panel("histogram", "Histogram pair", "unit", ("histogram-pair",)),
    Panel("edit", "What if", "pair", ("before-after",), {"among": "all"}),
    Panel("card", "Unit", "unit", ("unit-card", "top-pairs")),
    Panel("saturation", "Gate saturation", "unit", ("saturation-map",)),
    Panel("hypothesis", "Hypothesis", "pair", ("hypothesis",)),
    Panel("compare", "Two models", "pair", ("compare",)),
    Panel("curve", "Ablation curves", "pair", ("ablation-curves",)),
    Panel("reach", "Context reach", "unit", ("context-reach",)),
)  # in the order in which they are drawn: the quick ones first

PROBES = {  # parameters that have another name than their probe
    "dist": "hellinger",
    "other_dist": "other-hellinger",
    "edges": "contributions",
    "contexts": "top-contexts",
    "curve": "ablation-curve",
}
HOW = {
    "unit": "Choose a unit: click one, or type its name.",
    "units": "Choose a unit, which is then a row of the text: click one, or type its name.",
    "pair": "Choose a pair: click one, or take it from the list.",
    "found": "Choose a span of text: press the pointer on a letter and let it go on another.",
    "edited": "Change something: hold the unit at zero, at its mean or at a value, and see what the model says then.",
    "other": "Give a second store of activations: interp serve ACTS.zarr … OTHER.zarr.",
    "model": "Give the network: interp serve … --model NAME.",
    "curve": "What is lost without the first k units. In Python: curve = interp.measure('ablation-curve', acts, "
    "model=model, ranking=units, pair=pair); interp.save(curve, 'curve.zarr'). "
    "Then: interp serve ACTS.zarr curve.zarr.",
    "attribution": "How far from a letter lies what decides its output. In Python: found = "
    "interp.measure('attribution', acts, model=model, batches=batches); interp.save(found, 'found.zarr'). "
    "Then: interp serve ACTS.zarr found.zarr.",
}


def probe_of(name: str) -> str:
    """Return the probe whose result a parameter of a viewer takes: its own name, but for a few."""
    return PROBES.get(name, name.replace("_", "-"))


def how(name: str) -> str:
    """Return what to do so that a parameter of a viewer can be filled."""
    if name in HOW:
        return HOW[name]
    probe = probe_of(name)
    return (
        f"This is drawn from a result of the probe {probe!r}, which is not here. Type: "
        f"interp measure {probe} ACTS.zarr --output {name}.zarr, then interp serve ACTS.zarr {name}.zarr."
    )


def filled(viewer: str, have: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the datasets and the options for a viewer, by the names of its parameters.

    Parameters
    ----------
    viewer : str
        A registered one.
    have : mapping
        What there is by name; what is None or empty is not there.
    options : mapping
        More options; those that the viewer lacks are dropped.

    Raises
    ------
    Missing
        For a parameter without default that there is nothing for.
    """
    datasets: list[Any] = []
    keywords: dict[str, Any] = {}
    for name, one in signature(interp.find("viewer", viewer)).parameters.items():
        value = have.get(name, have.get(probe_of(name), options.get(name)))
        if isinstance(value, Missing) and one.default is Parameter.empty:
            raise value
        given = (
            value is not None
            and not isinstance(value, Missing)
            and not (isinstance(value, str | list | tuple) and not value)
        )
        if not given and one.default is Parameter.empty:
            raise Missing(how(name))
        if one.kind is Parameter.KEYWORD_ONLY:
            keywords |= {name: value} if given else {}
        else:
            datasets.append(value if given else None)
    while datasets and datasets[-1] is None:
        datasets.pop()
    return datasets, keywords
