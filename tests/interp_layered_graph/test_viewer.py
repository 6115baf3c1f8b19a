"""Layered graph: tables, drawing and errors."""

import numpy as np
import pytest
from helpers.shapes import extent, overlapping

import interp
from interp import OptionError, UnknownNameError
from interp.plotting import scene
from interp_layered_graph.data import MAX_EDGES
from interp_layered_graph.viewer import layered_graph

GATES = ["o", "c", "i", "g", "f", "c_prev"]


@pytest.fixture(scope="module")
def graph(drawn_acts, drawn_dist, drawn_links):
    return interp.draw(layered_graph, drawn_acts, drawn_dist, connectivity=drawn_links, pair=("t", "ծ"))


def row(nodes, name, side=None):
    rows = nodes[nodes["row"] == name]
    return rows if side is None else rows[rows["side"] == side]


def test_rows_have_the_units_with_the_largest_distance(graph, drawn_acts, drawn_dist):
    nodes, one = graph.data["nodes"], interp.plotting.select_pair(drawn_dist, "t=>ծ")
    assert len(row(nodes, "hidden")) == 12
    for side in ("forward", "backward"):
        side_dist = one.isel(unit=np.flatnonzero((one.quantity == "h") & (one.direction == side)))
        expected = set(side_dist.unit.values[np.argsort(-side_dist.distance.values)[:10]])
        assert set(row(nodes, "h", side)["unit"]) == expected
        for gate in GATES:
            neurons = [unit.replace(".h.", f".{gate}.") for unit in row(nodes, "h", side)["unit"]]
            assert row(nodes, gate, side)["unit"].tolist() == neurons


def test_outputs_are_those_of_the_input(graph):
    assert sorted(row(graph.data["nodes"], "output")["label"]) == sorted("ծթտ")


def test_nodes_have_the_distance(graph, drawn_dist):
    one = interp.plotting.select_pair(drawn_dist, "t=>ծ").distance
    for unit, distance in graph.data["nodes"][["unit", "distance"]].itertuples(index=False):
        assert distance == float(one.sel(unit=unit))


def test_edges_are_mean_weight_times_activation(graph, drawn_acts, drawn_links):
    tokens = (drawn_acts.input.values == "t") & (drawn_acts.output.values == "ծ")
    for lower, upper, value in graph.data["edges"].sample(20, random_state=0).itertuples(index=False):
        weight = float(drawn_links.weight.sel(lower_unit=lower, upper_unit=upper))
        mean = drawn_acts.activation.sel(unit=lower).values[tokens].astype(float).mean()
        assert value == pytest.approx(weight * mean, rel=1e-9)


def test_contrast_changes_the_edges(graph, drawn_acts, drawn_dist, drawn_links):
    other = interp.draw(layered_graph, drawn_acts, drawn_dist, connectivity=drawn_links, pair="t=>ծ", contrast=True)
    joined = graph.data["edges"].merge(other.data["edges"], on=["lower_unit", "upper_unit"])
    assert not np.allclose(joined["contribution_x"], joined["contribution_y"])
    assert "contrast" in other.caption


def test_at_most_400_edges_the_strongest(drawn_acts, drawn_dist, drawn_links):
    options = {"connectivity": drawn_links, "pair": "t=>ծ", "n_hidden": 30, "n_units": 20}
    edges = interp.draw(layered_graph, drawn_acts, drawn_dist, **options).data["edges"]
    assert len(edges) == MAX_EDGES
    assert (np.diff(edges["contribution"].abs()) >= 0).all()


def test_edges_are_drawn_by_size_and_sign(graph):
    drawn_edges = [
        shape for shape in graph.compose().shapes if isinstance(shape, scene.Edge) and shape.value is not None
    ]
    assert len(drawn_edges) == len(graph.data["edges"])
    assert all(0.5 <= edge.width <= 6 for edge in drawn_edges)
    assert max(edge.width for edge in drawn_edges) == 6
    assert {(edge.color, bool(edge.dash)) for edge in drawn_edges if edge.value > 0} == {("positive", False)}
    assert {(edge.color, bool(edge.dash)) for edge in drawn_edges if edge.value < 0} == {("negative", True)}


@pytest.mark.parametrize(("n_hidden", "n_units"), [(12, 10), (1, 1), (30, 24), (2, 3)])
def test_no_text_and_no_node_overlaps(drawn_acts, drawn_dist, drawn_links, n_hidden, n_units):
    view = interp.draw(
        layered_graph, drawn_acts, drawn_dist, connectivity=drawn_links, pair="t=>ծ", n_hidden=n_hidden, n_units=n_units
    )
    composed = view.compose()
    boxes = [extent(shape) for shape in composed.shapes if isinstance(shape, scene.Text) or getattr(shape, "key", "")]
    assert not overlapping(boxes)
    assert all(x1 >= 0 and y1 >= 0 and x2 <= composed.width and y2 <= composed.height for x1, y1, x2, y2 in boxes)


def test_the_legend_shows_the_counts(graph):
    texts = [shape.text for shape in graph.compose().shapes if isinstance(shape, scene.Text)]
    assert "10 + 10 of 48" in texts
    assert "12 of 30" in texts
    assert "n = 209 / 90 against 986 / 100" in texts
    counts = next(
        shape for shape in graph.compose().shapes if isinstance(shape, scene.Text) and shape.text.startswith("n =")
    )
    assert counts.color == "muted"  # fewer than 300 tokens


def test_texts(graph):
    assert graph.title == "t ⇒ ծ"
    for part in ("made-up-bilstm", "transliteration", "209 / 90 against 986 / 100", "n_hidden=12", "contrast=False"):
        assert part in graph.caption
    assert graph.summary.count(".") >= 2


@pytest.mark.parametrize("suffix", [".html", ".png", ".svg"])
def test_saved_files_are_reproducible(graph, tmp_path, suffix):
    first = graph.save(tmp_path / f"a{suffix}").read_bytes()
    assert graph.save(tmp_path / f"b{suffix}").read_bytes() == first


def test_holoviews(graph):
    overlay = graph.holoviews()
    assert len(overlay.Segments.values()[0]) == len(graph.data["edges"])
    assert len(overlay.Points.values()[0]) == len(graph.data["nodes"])


def test_without_connectivity_there_are_no_edges(drawn_acts, drawn_dist, tmp_path):
    view = interp.draw(layered_graph, drawn_acts, drawn_dist, pair="t=>ծ")
    assert len(view.data["edges"]) == 0
    assert len(row(view.data["nodes"], "h")) == 20
    assert not len(row(view.data["nodes"], "hidden"))
    view.save(tmp_path / "a.png")
    view.save(tmp_path / "a.html")
    view.holoviews()


def test_one_direction_without_gates(drawn_acts, drawn_dist, drawn_links, tmp_path):
    units = [unit for unit in drawn_acts.unit.values if "lstm" not in unit or "forward.h" in unit]
    view = interp.draw(
        layered_graph, drawn_acts.sel(unit=units), drawn_dist.sel(unit=units), connectivity=drawn_links, pair="t=>ծ"
    )
    assert set(view.data["nodes"]["row"]) == {"output", "hidden", "h"}
    assert set(row(view.data["nodes"], "h")["side"]) == {"forward"}
    view.save(tmp_path / "a.svg")


def test_an_unknown_pair_is_named(drawn_acts, drawn_dist):
    with pytest.raises(UnknownNameError, match="No pair named 't=>q'"):
        interp.draw(layered_graph, drawn_acts, drawn_dist, pair=("t", "q"))


def test_a_graph_needs_units(drawn_acts, drawn_dist):
    with pytest.raises(OptionError, match="at least 1; got 0 and 10"):
        interp.draw(layered_graph, drawn_acts, drawn_dist, pair="t=>ծ", n_hidden=0)
