"""The bar chart of the pairs that one unit separates best."""

import pytest

import interp
from interp import OptionError, SchemaError, UnknownNameError
from interp_hellinger.top_pairs_viewer import top_pairs

UNIT = "lstm.0.backward.h.11"


@pytest.fixture(scope="module")
def view(drawn_dist):
    return interp.draw(top_pairs, drawn_dist, unit=UNIT)


def test_pairs_are_ranked(view, drawn_dist):
    frame, one = view.data["pairs"], interp.plotting.select_unit(drawn_dist, UNIT)
    assert frame["distance"].tolist() == sorted(one.distance.values.tolist(), reverse=True)
    for row in frame.itertuples():
        assert row.distance == float(interp.plotting.select_pair(one, row.pair).distance)
        assert row.n_target == int(interp.plotting.select_pair(one, row.pair).n_target)


def test_pairs_with_few_tokens_are_grey(view):
    colors = {shape.key: shape.color for shape in view.compose().shapes if getattr(shape, "key", "")}
    assert colors["t=>ծ"] == "missing"
    assert colors["t=>տ"].startswith("s")


def test_max_pairs(drawn_dist):
    view = interp.draw(top_pairs, drawn_dist, unit=UNIT, max_pairs=2)
    assert len(view.data["pairs"]) == 2
    assert "2 of 5 pairs" in view.caption


@pytest.mark.parametrize("suffix", [".html", ".png", ".svg"])
def test_saved_files_are_reproducible(view, tmp_path, suffix):
    first = view.save(tmp_path / f"a{suffix}").read_bytes()
    assert view.save(tmp_path / f"b{suffix}").read_bytes() == first


def test_holoviews(view):
    assert view.holoviews() is not None


def test_errors_say_what_to_type(drawn_dist):
    with pytest.raises(UnknownNameError, match="No unit named 'a'"):
        interp.draw(top_pairs, drawn_dist, unit="a")
    with pytest.raises(OptionError, match="at least 1; got 0"):
        interp.draw(top_pairs, drawn_dist, unit=UNIT, max_pairs=0)
    with pytest.raises(SchemaError, match=r"interp\.measure\('hellinger', acts\); got distance"):
        interp.draw(top_pairs, drawn_dist[["distance"]], unit=UNIT)
