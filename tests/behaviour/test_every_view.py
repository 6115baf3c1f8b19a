"""Every registered viewer: hostile text shows as text; what can't be drawn says what is missing and how to get it."""

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

MADE = r"interp\.(measure|run|capture)|measure\('"
TOLD = rf"{MADE}|\b[Tt]ype |\b[Pp]ass |[Cc]apture |[Mm]easure "
names = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=5)


@pytest.fixture(scope="module")
def world(drawn_acts, drawn_links):
    return small(drawn_acts, drawn_links)


@pytest.fixture(scope="module")
def plain(world):
    """The elements of each page without anything odd in it."""
    return {name: Tags(draw(world).html()) for name, draw in DRAWN.items()}


def test_every_viewer_is_here():
    assert set(DRAWN) == set(interp.viewers())


# Hostile text.


def nasty(test):
    """Try each text that has gone wrong somewhere, beside those that are made up."""
    return reduce(lambda given, text: example(text)(given), NASTY, test)


@pytest.mark.parametrize("name", DRAWN)
@nasty
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


# What is too little to draw.


def network(kind, linear=True):
    """Return a world of a small network with gates of its own, ``t`` becoming ``ծ`` at some tokens."""
    torch.manual_seed(0)
    module = getattr(torch.nn, kind)(3, 4, batch_first=True)
    lower = Tagged(module) if linear else module
    labels = {"input": ["tatatatat"] * 6, "output": ["ծա_ածատաթ"] * 6, "predicted": ["ծա_ածատաթ"] * 6}
    batch = interp.Batch(torch.randn(6, 9, 3), labels=labels)
    acts = interp.capture(lower.eval(), batch, progress=False)
    return World(acts, "t", "ծ", interp.connectivity(lower, batch) if linear else None)


class Tagged(torch.nn.Module):
    """A recurrent module and outputs with symbols."""

    def __init__(self, module):
        super().__init__()
        self.symbols = {"tag": ["ծ", "_", "ա", "տ", "թ"]}
        self.rnn, self.tag = module, torch.nn.Linear(4, 5)

    def forward(self, x):
        return self.tag(self.rnn(x)[0])


def less(**chosen):
    """Return a cut: the same results, fewer tokens or units in the capture."""
    return lambda world: replace(world, acts=world.acts.isel(chosen), whole=world.acts)


CASES = {
    "no token": less(token=[]),
    "one token": less(token=[0]),
    "one unit": less(unit=[0]),
    "no unit": less(unit=[]),
    "nothing found": lambda world: replace(world, empty=True),
    "only NaN": lambda world: replace(
        world, acts=world.acts.assign(activation=world.acts.activation * np.nan), whole=world.acts
    ),
    "a GRU": lambda world: network("GRU"),
    "no Linear": lambda world: network("LSTM", linear=False),
}


def tried(draw, world):
    """Return a view, or what the error says."""
    try:
        return draw(world), ""
    except InterpError as error:
        return None, str(error)


WHOLE = ("a GRU", "no Linear")  # of these everything can be drawn


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", DRAWN)
def test_too_little_is_drawn_or_it_is_said_what_to_do(world, name, case, tmp_path):
    view, said = tried(DRAWN[name], CASES[case](world))
    if view is None:
        assert re.search(TOLD, said), said
        assert case not in WHOLE, said
        return
    for suffix in ("html", "png", "svg"):
        assert view.save(tmp_path / f"a.{suffix}").stat().st_size
    assert view.holoviews() is not None
    assert view.summary


@pytest.mark.parametrize("name", sorted(set(DRAWN) - {"cell-strips", "unit-card"}))
def test_a_missing_result_says_how_it_is_made(world, name):
    wanted = signature(active_registry().get("viewer", name)).parameters
    options = {key: held for key, held in (("unit", world.unit), ("pair", "t=>ծ")) if key in wanted}
    with pytest.raises(InterpError, match=MADE):
        interp.draw(name, world.acts, **options)


@pytest.mark.parametrize("name", sorted(set(DRAWN) - {"cell-strips", "unit-card", "before-after", "compare"}))
def test_another_result_is_refused_with_what_is_expected(world, name):
    parameters = signature(active_registry().get("viewer", name)).parameters
    options = {key: held for key, held in (("unit", world.unit), ("pair", "t=>ծ")) if key in parameters}
    first = [world.acts] if "acts" in parameters else []
    with pytest.raises(InterpError, match=MADE):
        interp.draw(name, *first, interp.measure("moments", world.acts), **options)
