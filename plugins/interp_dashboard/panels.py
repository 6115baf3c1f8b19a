"""Panels of the dashboard, and the arguments of their viewers, matched by parameter name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import Parameter, signature
from typing import Any

import interp


class Missing(Exception):  # noqa: N818 (not an error: an argument is not available yet)
    """Description of an argument that a view lacks, and of the way to get it."""


@dataclass(frozen=True)
class Panel:
    """A panel of the page, for one view.

    Parameters
    ----------
    name : str
        Name of the panel.
    title : str
        Heading of the panel.
    pane : {"overview", "pair", "unit"}
        Part of the page.
    viewers : tuple of str
        Names of viewers; the first one that is registered is used.
    options : mapping
        Options of the viewer in addition to those from the selection.
    """

    name: str
    title: str
    pane: str
    viewers: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def viewer(self) -> str:
        """Name of the viewer, or the empty string if none is registered."""
        return next((name for name in self.viewers if name in interp.viewers()), "")


PANELS = (
    Panel("overview", "Overview", "overview", ("overview",)),
    Panel("graph", "Layered graph", "pair", ("layered-graph",)),
    Panel("strips", "Text", "pair", ("cell-strips",), {"max_characters": 200}),
    Panel("histogram", "Histogram pair", "unit", ("histogram-pair",)),
    Panel("edit", "What if", "pair", ("before-after",), {"candidates": "all"}),
    Panel("card", "Unit", "unit", ("unit-card", "top-pairs")),
    Panel("hypothesis", "Hypothesis", "pair", ("hypothesis",)),
    Panel("ablation", "Ablation", "pair", ("ablation-curves",)),
    Panel("attribution", "Attribution", "pair", ("attribution-strip",)),
    Panel("reach", "Context reach", "pair", ("context-reach",)),
    Panel("compare", "Two models", "pair", ("compare",)),
    Panel("saturation", "Gate saturation", "pair", ("saturation-map",)),
)  # in drawing order, and within a pane in the order of the page


def list_panels() -> list[Panel]:
    """Return all panels: those of `PANELS`, then one for each registered viewer that has none."""
    names = {name for panel in PANELS for name in panel.viewers}
    titles = {name: name.replace("-", " ").capitalize() for name in interp.viewers() if name not in names}
    return [*PANELS, *(Panel(name, title, "pair", (name,)) for name, title in titles.items())]


def drawable_panels() -> list[Panel]:
    """Return the panels with a registered viewer."""
    return [panel for panel in list_panels() if panel.viewer]


PROBE_NAMES = {  # parameters that are not named like their probe
    "dist": "hellinger",
    "curve": "ablation-curve",
    "other_dist": "other-hellinger",
    "edges": "contributions",
    "contexts": "top-contexts",
}
HINTS = {
    "unit": "Choose a unit: click one or type its name.",
    "units": "Choose a unit to show as a row of the text: click one or type its name.",
    "pair": "Choose a pair: click one or select it in the list.",
    "hypothesis": "Choose a span of text: drag from its first letter to its last one.",
    "edited": "Edit a unit: set it to zero, to its mean or to a value, and compare the outputs of the model.",
    "other": "Pass a second store of activations: interp serve ACTS.zarr … OTHER.zarr.",
    "curve": "Pass a result of the probe 'ablation-curve', saved with interp.save: "
    'interp.measure("ablation-curve", acts, model=model, ranking=units, pair="t=>ծ"); '
    "then interp serve ACTS.zarr CURVE.zarr.",
    "attribution": "Pass a result of the probe 'attribution', saved with interp.save: "
    'interp.measure("attribution", acts, model=model, batches=batches); then interp serve ACTS.zarr ATTRIBUTION.zarr.',
    "model": "Pass the captured network: interp serve … --model NAME.",
}


def probe_of(name: str) -> str:
    """Return the probe whose result a viewer's parameter takes: the one of the same name, with a few exceptions."""
    return PROBE_NAMES.get(name, name.replace("_", "-"))


def hint_for(name: str) -> str:
    """Return instructions for filling a viewer's parameter."""
    if name in HINTS:
        return HINTS[name]
    probe = probe_of(name)
    return (
        f"This view needs a result of the probe {probe!r}. Type: "
        f"interp measure {probe} ACTS.zarr --output {name}.zarr, then interp serve ACTS.zarr {name}.zarr."
    )


def viewer_arguments(
    viewer: str, available: Mapping[str, Any], options: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Return the datasets and the keyword arguments of a viewer, matched by parameter name.

    Parameters
    ----------
    viewer : str
        Name of a registered viewer.
    available : mapping
        Available arguments by name; None and empty values count as not available.
    options : mapping
        Further options; those that the viewer doesn't have are ignored.

    Raises
    ------
    Missing
        If a parameter without default is not available.
    """
    datasets: list[Any] = []
    keywords: dict[str, Any] = {}
    for name, parameter in signature(interp.plotting.get_viewer(viewer)).parameters.items():
        value = available.get(name, available.get(probe_of(name), options.get(name)))
        required = parameter.default is Parameter.empty
        if isinstance(value, Missing) and required:
            raise value
        is_empty = isinstance(value, str | list | tuple) and not value
        is_available = value is not None and not isinstance(value, Missing) and not is_empty
        if not is_available and required:
            raise Missing(hint_for(name))
        if parameter.kind is Parameter.KEYWORD_ONLY:
            keywords |= {name: value} if is_available else {}
        else:
            datasets.append(value if is_available else None)
    while datasets and datasets[-1] is None:
        datasets.pop()
    return datasets, keywords
