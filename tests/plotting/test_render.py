"""Scenes as SVG and on a matplotlib figure."""

from xml.dom.minidom import parseString

from matplotlib.figure import Figure

from interp.plotting import colors, escape, render, scene

NODE = scene.Box(10.0, 20.5, 40, 40, "s20", round=20, key="a<", note='b"', label="ծ")


def test_numbers_have_at_most_two_decimals():
    line = render.svg(scene.Scene(300, 80.123, (scene.Edge(0, 0.004, 1.5, 2.25, dash=(5, 2.5)),)))
    assert 'viewBox="0 0 300 80.12" style="max-width:300px"' in line
    assert '<line class="line-line" stroke-width="1" stroke-opacity="1" x1="0" y1="0" x2="1.5" y2="2.25"' in line
    assert 'stroke-dasharray="5 2.5"' in line


def test_a_node_has_its_key_note_and_label():
    markup = render.svg(scene.Scene(100, 100, (NODE,)), "a picture")
    parseString(markup.encode())
    assert 'aria-label="a picture"' in markup
    assert f'data-key="{escape(NODE.key)}" data-note="{escape(NODE.note)}"' in markup
    assert '<text class="on-s20 mono" x="30" y="40.5" font-size="12" text-anchor="middle"' in markup


def test_an_edge_with_a_value_names_its_nodes():
    edge = scene.Edge(0, 0, 1, 1, lower="a", upper="b<", value=0.12345)
    assert 'data-lower="a" data-upper="b&lt;" data-value="+0.123"' in render.svg(scene.Scene(1, 1, (edge,)))


def test_an_area_has_an_outline_only_with_a_colour():
    points = ((0, 0), (1, 1), (2, 0))
    plain, outlined = (scene.Area(points, "positive", outline=line, dash=(4, 2)) for line in ("", "ink"))
    assert "polyline" not in render.svg(scene.Scene(2, 2, (plain,)))
    assert '<polyline class="outline line-ink" stroke-dasharray="4 2"' in render.svg(scene.Scene(2, 2, (outlined,)))


def test_a_figure_has_the_size_and_the_shapes_of_the_scene():
    shapes = (
        NODE,
        scene.Box(0, 0, 10, 10, "missing", round=2, outline="ink"),
        scene.Edge(0, 0, 10, 10, "negative", 3, (6, 3)),
        scene.Area(((0, 0), (5, 5)), "positive", outline="positive"),
        scene.Text(50, 10, "$x$\x00", color="on-s20"),
    )
    figure = Figure()
    render.draw_on_figure(scene.Scene(300, 80, shapes), figure)
    (axes,) = figure.axes
    assert (figure.get_size_inches() * render.DPI).tolist() == [300, 80]
    assert [text.get_text() for text in axes.texts] == ["ծ", "$x$␀"]
    assert axes.texts[1].get_color() == colors.readable(colors.LIGHT["s20"])
    assert axes.texts[1].get_position()[1] == 10 + 0.35 * 14
    assert len(axes.patches) == 3
    assert len(axes.lines) == 2
