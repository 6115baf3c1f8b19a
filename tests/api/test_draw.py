"""The verb draw: errors in a call are raised before the viewer runs."""

import pytest
import xarray as xr

import interp
from interp import OptionError, PluginError, SceneView, SchemaError, UnknownNameError, viewer
from interp.plotting import scene


class Nothing(SceneView):
    def compose(self):
        return scene.Scene(10, 10, ())

    def holoviews(self):
        return None


def nothing():
    return Nothing(title="", caption="", summary="", data={})


@viewer(requires=("input",))
def example(acts, dist, other=None, *, pair, n_hidden=12):
    return nothing()


@viewer(name="of-results")
def of_results(dist, *, n=3):
    return nothing()


def test_a_viewer_draws(drawn_acts, drawn_dist):
    assert isinstance(interp.draw(example, drawn_acts, drawn_dist, pair="t=>ծ"), interp.View)
    assert isinstance(interp.draw(example, drawn_acts, drawn_dist, drawn_dist, pair="t=>ծ"), interp.View)
    assert isinstance(interp.draw(of_results, drawn_dist), interp.View)


def test_an_unknown_option_names_the_nearest(drawn_acts, drawn_dist):
    with pytest.raises(
        OptionError, match=r"'example' has no option 'n_hiden'. Did you mean 'n_hidden'\? Options: pair, n_hidden=12"
    ):
        interp.draw(example, drawn_acts, drawn_dist, pair="t=>ծ", n_hiden=3)


def test_a_missing_option_is_named(drawn_acts, drawn_dist):
    with pytest.raises(OptionError, match="'example' needs the option pair"):
        interp.draw(example, drawn_acts, drawn_dist)


@pytest.mark.parametrize("more", [0, 3])
def test_the_number_of_datasets_is_checked(drawn_acts, drawn_dist, more):
    with pytest.raises(OptionError, match=rf"draws from \(acts, dist, other\); got {more + 1} dataset"):
        interp.draw(example, drawn_acts, *[drawn_dist] * more, pair="t=>ծ")


def test_an_argument_of_another_type_is_named(drawn_acts):
    with pytest.raises(OptionError, match="dist is a list"):
        interp.draw(example, drawn_acts, [], pair="t=>ծ")


def test_datasets_in_the_wrong_order_break_the_schema(drawn_acts, drawn_dist):
    with pytest.raises(SchemaError, match=r"interp\.activations"):
        interp.draw(example, drawn_dist, drawn_acts, pair="t=>ծ")


def test_missing_labels_are_named(drawn_acts, drawn_dist):
    with pytest.raises(SchemaError, match="Viewer 'example' reads the label 'input'"):
        interp.draw(example, drawn_acts.drop_vars("input"), drawn_dist, pair="t=>ծ")


def test_an_unknown_viewer_is_named(drawn_acts):
    with pytest.raises(UnknownNameError, match="No viewer named 'layred-graph'"):
        interp.draw("layred-graph", drawn_acts)


def test_a_function_without_the_decorator_is_refused(drawn_acts):
    with pytest.raises(OptionError, match=r"decorated with @interp\.viewer"):
        interp.draw(lambda acts: None, drawn_acts)


def test_a_viewer_that_returns_no_view_is_its_authors_fault(drawn_dist):
    @viewer(name="wrong")
    def wrong(dist):
        return 3

    with pytest.raises(PluginError, match="'wrong' returned a int"):
        interp.draw(wrong, drawn_dist)


@pytest.mark.parametrize("pair", ["t=>ծ", ("t", "ծ"), ["t", "ծ"]])
def test_one_pair_by_either_name(drawn_dist, pair):
    assert str(interp.plotting.select_pair(drawn_dist, pair).pair_output.values) == "ծ"


def test_unknown_pairs_and_units_are_named(drawn_dist):
    with pytest.raises(UnknownNameError, match=r"No pair named 't=>ց'.*t=>ծ"):
        interp.plotting.select_pair(drawn_dist, ("t", "ց"))
    with pytest.raises(UnknownNameError, match=r"No unit named 'lstm.0.forward.h.999'. Did you mean"):
        interp.plotting.select_unit(drawn_dist, "lstm.0.forward.h.999")
    with pytest.raises(SchemaError, match="dim 'pair'"):
        interp.plotting.select_pair(drawn_dist.isel(pair=0), "t=>ծ")
    with pytest.raises(SchemaError, match="dim 'unit'"):
        interp.plotting.select_unit(drawn_dist.isel(unit=0), "a")
    several = xr.concat([drawn_dist, drawn_dist], xr.Variable("model", ["a", "b"]))
    with pytest.raises(SchemaError, match="Expected one model; got several: a, b"):
        interp.plotting.select_pair(several, "t=>ծ")


def test_a_missing_result_is_described(drawn_acts):
    with pytest.raises(OptionError, match=r'got 1 dataset. dist: Result of the probe hellinger: interp.measure\("hell'):
        interp.draw("layered-graph", drawn_acts, pair="t=>ծ")


def test_a_result_that_is_not_needed_can_be_none(drawn_acts):
    @viewer(name="none-is-fine")
    def fine(acts, dist=None):
        return nothing()

    assert interp.draw(fine, drawn_acts, None).title == ""
