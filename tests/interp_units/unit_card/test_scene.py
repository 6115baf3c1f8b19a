"""Parts of the unit card as shapes: lengths of bars, and reasons for empty parts."""

import numpy as np
import pandas as pd
import pytest

from interp.plotting import scene
from interp_units.unit_card import scene as parts


def boxes(shapes):
    return [shape for shape in shapes if isinstance(shape, scene.Box)]


def test_an_empty_part_gives_its_reason():
    shapes, height = parts.with_heading("Pairs", ([], 0.0), "Not measured.")
    assert [shape.text for shape in shapes] == ["Pairs", "Not measured."]
    assert height == 56


def test_bars_of_gates_are_shares():
    row = {"unit": "a", "quantity": "f", "frac_saturated_low": 0.25, "frac_saturated_high": 0.5}
    _, closed, opened = boxes(parts.gates(pd.DataFrame([row]))[0])
    assert (closed.width, opened.width, opened.x) == (75, 150, 210)


def test_signed_bars_go_to_both_sides():
    table = pd.DataFrame({"unit": ["a", "b"], "r": [0.5, -1.0]})
    right, left = boxes(parts.signed_bars(table, "r", ["a", "b"])[0])
    assert (right.x, right.width) == (350, 45)
    assert (left.x, left.width) == (260, 90)


@pytest.mark.parametrize("sides", [(), ("target", "rest")])
def test_each_histogram_is_an_area(sides):
    table = pd.DataFrame({"low": [0.0, 1.0], "high": [1.0, 2.0], "all": [1, 3]} | {side: [1, 1] for side in sides})
    shapes, _ = parts.distribution(table, dict.fromkeys(sides, "x"))
    areas = [shape for shape in shapes if isinstance(shape, scene.Area)]
    assert len(areas) == 1 + len(sides)
    assert np.ptp([y for _, y in areas[0].points]) == pytest.approx(130)
