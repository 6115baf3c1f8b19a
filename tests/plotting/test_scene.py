"""Scenes: layout of text, ticks and moved shapes."""

from itertools import pairwise

import pytest

from interp.plotting import scene


def test_shapes_scale_with_the_page_and_lines_do_not_run_into_each_other():
    long = " ".join(["word"] * 300)
    titled = scene.with_title(scene.Scene(400, 100, ()), "T", long, long)
    lines = sorted(shape.y for shape in titled.shapes)
    assert min(b - a for a, b in pairwise(lines)) >= 18
    assert lines[-1] < titled.height
    assert all(shape.x + scene.text_width(shape.text, shape.size * 0.9) <= titled.width for shape in titled.shapes)


@pytest.mark.parametrize(
    ("low", "high", "n_ticks", "expected"),
    [
        (0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (-0.9, 0.9, 4, [-0.5, 0, 0.5]),
        (3, 3, 5, [3]),
        (0, 12000, 4, [0, 5000, 10000]),
    ],
)
def test_ticks_are_round(low, high, n_ticks, expected):
    assert scene.nice_ticks(low, high, n_ticks) == expected


def test_all_shapes_move_with_a_scene():
    shapes = (
        scene.Edge(0, 1, 2, 3),
        scene.Box(0, 1, 4, 4, "ink"),
        scene.Area(((0, 1), (2, 3)), "ink"),
        scene.Text(0, 1, "a"),
    )
    edge, box, area, text = scene.Scene(10, 10, shapes).shifted(10, 20)
    assert (edge.x1, edge.y1, edge.x2, edge.y2) == (10, 21, 12, 23)
    assert area.points == ((10, 21), (12, 23))
    assert (box.x, box.y) == (text.x, text.y) == (10, 21)


def test_long_text_is_wrapped_into_lines():
    lines = scene.wrap_text("word " * 40, 5, 10, 300)
    assert len(lines) > 1
    assert {line.x for line in lines} == {5}
    assert all(b.y - a.y == 1.5 * 13 for a, b in pairwise(lines))
    assert [line.text for line in scene.wrap_text("", 0, 0, 100)] == [""]
