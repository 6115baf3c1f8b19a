"""All registered viewers: text is escaped, and errors about missing data name the call that produces it."""

import re
from dataclasses import replace
from functools import reduce
from inspect import signature

import numpy as np
import pytest
import torch
from helpers.every import DRAWN, NASTY, Tags, World, called, small
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import interp
from interp import InterpError, SceneView
from interp.plotting import scene
from interp.registry import active_registry

CALL = r"interp\.(measure|capture)|measure\('"
REMEDY = rf"{CALL}|\b[Tt]ype |\b[Pp]ass |[Cc]apture |[Mm]easure "
names = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=5)


@pytest.fixture(scope="module")
def world(drawn_acts, drawn_links):
    return small(drawn_acts, drawn_links)


@pytest.fixture(scope="module")
def plain(world):
    """Elements of each page with ordinary labels."""
    return {name: Tags(draw(world).html()) for name, draw in DRAWN.items()}


def test_every_viewer_is_here():
    assert set(DRAWN) == set(interp.viewers())


# Hostile text.


def with_nasty_examples(test):
    """Add each text of `NASTY` to the examples of a test."""
    return reduce(lambda function, text: example(text)(function), NASTY, test)


@pytest.mark.parametrize("name", DRAWN)
@with_nasty_examples
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(names)
def test_any_text_shows_as_text(world, plain, name, text):
    view = DRAWN[name](called(world, text))
    page = Tags(view.html())
    assert page.names.count("script") == plain[name].names.count("script")
    assert set(page.names) <= set(plain[name].names)
    for tag, attributes in page.seen.items():
        assert attributes <= plain[name].seen[tag]
    shapes = view.compose().shapes if isinstance(view, SceneView) else ()
    assert all(len(shape.text) < 250 for shape in shapes if isinstance(shape, scene.Text))


@pytest.mark.parametrize("name", DRAWN)
def test_hostile_text_can_be_painted(world, name, tmp_path):
    view = DRAWN[name](called(world, "".join(text for text in NASTY if len(text) < 100)))
    for suffix in ("png", "svg"):
        assert view.save(tmp_path / f"a.{suffix}").stat().st_size


# Too little data to draw.


def network(kind, linear=True):
    """Return a world of a small recurrent network in which ``t`` becomes ``ծ`` at some tokens."""
    torch.manual_seed(0)
    module = getattr(torch.nn, kind)(3, 4, batch_first=True)
    model = Tagged(module) if linear else module
    labels = {"input": ["tatatatat"] * 6, "output": ["ծա_ածատաթ"] * 6, "predicted": ["ծա_ածատաթ"] * 6}
    batch = interp.Batch(torch.randn(6, 9, 3), labels=labels)
    acts = interp.capture(model.eval(), batch, progress=False)
    return World(acts, "t", "ծ", interp.connectivity(model, batch) if linear else None)


class Tagged(torch.nn.Module):
    """A recurrent module and a linear layer whose units have symbols."""

    def __init__(self, module):
        super().__init__()
        self.symbols = {"tag": ["ծ", "_", "ա", "տ", "թ"]}
        self.rnn, self.tag = module, torch.nn.Linear(4, 5)

    def forward(self, x):
        return self.tag(self.rnn(x)[0])


def subset(**indexers):
    """Return a function that selects tokens or units of the capture of a world; results stay those of all."""
    return lambda world: replace(world, acts=world.acts.isel(indexers), whole=world.acts)


CASES = {
    "no token": subset(token=[]),
    "one token": subset(token=[0]),
    "one unit": subset(unit=[0]),
    "no unit": subset(unit=[]),
    "nothing found": lambda world: replace(world, empty=True),
    "only NaN": lambda world: replace(
        world, acts=world.acts.assign(activation=world.acts.activation * np.nan), whole=world.acts
    ),
    "a GRU": lambda world: network("GRU"),
    "no Linear": lambda world: network("LSTM", linear=False),
}


def try_draw(draw, world):
    """Return the view or None, and the message of the error."""
    try:
        return draw(world), ""
    except InterpError as error:
        return None, str(error)


SUFFICIENT = ("a GRU", "no Linear")  # cases in which every viewer can draw


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", DRAWN)
def test_too_little_data_is_drawn_or_the_error_has_a_remedy(world, name, case, tmp_path):
    view, message = try_draw(DRAWN[name], CASES[case](world))
    if view is None:
        assert re.search(REMEDY, message), message
        assert case not in SUFFICIENT, message
        return
    for suffix in ("html", "png", "svg"):
        assert view.save(tmp_path / f"a.{suffix}").stat().st_size
    assert view.holoviews() is not None
    assert view.summary


@pytest.mark.parametrize("name", sorted(set(DRAWN) - {"cell-strips", "unit-card"}))
def test_a_missing_result_names_the_call_that_makes_it(world, name):
    parameters = signature(active_registry().get("viewer", name)).parameters
    options = {key: value for key, value in (("unit", world.unit), ("pair", "t=>ծ")) if key in parameters}
    with pytest.raises(InterpError, match=CALL):
        interp.draw(name, world.acts, **options)


@pytest.mark.parametrize("name", sorted(set(DRAWN) - {"cell-strips", "unit-card", "before-after", "compare"}))
def test_an_unsuitable_result_names_the_expected_one(world, name):
    parameters = signature(active_registry().get("viewer", name)).parameters
    options = {key: value for key, value in (("unit", world.unit), ("pair", "t=>ծ")) if key in parameters}
    first = [world.acts] if "acts" in parameters else []
    with pytest.raises(InterpError, match=CALL):
        interp.draw(name, *first, interp.measure("moments", world.acts), **options)
