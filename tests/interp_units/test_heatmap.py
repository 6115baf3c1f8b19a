"""The heatmap: positions of cells and names, and its legends."""

from interp.plotting import colors, scene
from interp_units import heatmap


def test_cells_and_names_have_their_positions():
    groups = [
        heatmap.ColumnGroup("lstm.0 h →", "2/9", ("3", "5")),
        heatmap.ColumnGroup("hidden out", "1 of 2", ("0",)),
    ]
    cells = [[heatmap.Cell("s1", dot=True), heatmap.Cell("s2"), heatmap.Cell("missing", "note")]]
    shapes = heatmap.heatmap([("t ⇒ ծ", "ink")], groups, cells, 10)
    boxes = {shape.key: shape for shape in shapes if isinstance(shape, scene.Box)}
    assert [box.color for box in boxes.values()] == ["s1", "s2", "missing"]
    assert boxes["0 0"].label == "•"
    assert boxes["0 2"].note == "note"
    assert boxes["0 1"].x - boxes["0 0"].x == heatmap.CELL
    assert boxes["0 2"].x - boxes["0 1"].x == heatmap.CELL + heatmap.GAP
    assert boxes["0 2"].x + heatmap.CELL - 0.5 == heatmap.width(groups)
    assert {"t ⇒ ծ", "2/9", "5"} <= {shape.text for shape in shapes if isinstance(shape, scene.Text)}


def test_legends_have_every_colour():
    for shapes, steps in (
        (heatmap.sequential_legend(0, 12, "distance"), colors.SEQUENTIAL_STEPS + 1),
        (heatmap.diverging_legend(0, 12, "r"), 2 * colors.DIVERGING_STEPS + 1),
    ):
        assert len({shape.color for shape in shapes if isinstance(shape, scene.Box)}) == steps
