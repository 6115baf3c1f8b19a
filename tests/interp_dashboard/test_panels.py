"""Panels: order, viewers and arguments."""

import re
from importlib.resources import files

import pytest

import interp
from interp_dashboard import board
from interp_dashboard.panels import PANELS, Missing, drawable_panels, hint_for, list_panels, viewer_arguments


def test_the_page_gets_the_panels_of_python(drawn_acts):
    component = board(drawn_acts)
    assert component.panels == [[panel.name, panel.title, panel.pane] for panel in list_panels()]
    script = files("interp_dashboard").joinpath("component.js").read_text(encoding="utf-8")
    assert not [panel.title for panel in PANELS if f'"{panel.title}", "{panel.pane}"' in script]
    names = {panel.name for panel in PANELS}
    assert set(re.findall(r"\bpanels\.(\w+)\.element", script)) <= names


def test_panels_have_unique_names_and_a_pane():
    panels = list_panels()
    assert len({panel.name for panel in panels}) == len(panels)
    assert {panel.pane for panel in panels} == {"overview", "pair", "unit"}
    assert {panel.viewer for panel in drawable_panels()} <= set(interp.viewers())


def test_arguments_are_matched_by_name(drawn_acts, drawn_dist):
    available = {"acts": drawn_acts, "hellinger": drawn_dist, "unit": "lstm.0.forward.h.0", "pair": "t=>ծ"}
    datasets, keywords = viewer_arguments("layered-graph", available, {"n_units": 3, "unknown": 1})
    assert datasets[0] is drawn_acts
    assert datasets[1] is drawn_dist
    assert keywords == {"pair": "t=>ծ", "n_units": 3}
    with pytest.raises(Missing, match="Choose a pair"):
        viewer_arguments("layered-graph", {**available, "pair": ""}, {})
    with pytest.raises(Missing, match="the reason"):
        viewer_arguments("layered-graph", {**available, "pair": Missing("the reason")}, {})
    assert "interp measure context-map ACTS.zarr" in hint_for("context_map")
