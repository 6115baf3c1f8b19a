"""A selection: what a notebook reads and writes, a URL and a file carry."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import interp
from interp import OptionError, Selection, UnknownNameError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
STATES = st.fixed_dictionaries(
    {},
    optional={
        "pair": TEXTS,
        "unit": TEXTS,
        "units": st.lists(TEXTS, max_size=3),
        "window": st.integers(0, 10**6),
        "sample": st.integers(-1, 10**6),
        "span": st.tuples(st.integers(0, 99), st.integers(0, 99)),
        "text": TEXTS,
        "edits": st.lists(st.fixed_dictionaries({"unit": TEXTS, "to": st.sampled_from(["zero", "mean"])}), max_size=2),
    },
)


@given(STATES)
def test_a_state_survives_a_url_and_a_file(state):
    chosen, by_url, by_file = Selection(**state), Selection(), Selection()
    by_url.restore(Selection.parse("?" + chosen.query()))
    by_file.from_json(chosen.to_json())
    assert by_url.state() == by_file.state() == chosen.state()
    assert all(getattr(by_url, name) == value for name, value in state.items())


def test_those_who_watch_are_told_once_for_all_that_changes():
    chosen, seen = Selection(), []
    chosen.param.watch(lambda *events: seen.append({event.name for event in events}), Selection.names())
    chosen.restore({"pair": "t=>ծ", "unit": "a.out.0"})
    assert seen == [{"pair", "unit"}]
    chosen.restore({"pair": "t=>ծ", "unit": "a.out.0"})
    assert len(seen) == 1


@pytest.mark.parametrize(
    "state",
    [{"window": -1}, {"window": "x"}, {"span": [1]}, {"units": [3]}, {"units": "ab"}, {"pair": 3}, {"edits": ["a"]}],
)
def test_a_wrong_state_changes_nothing(state):
    chosen = Selection(pair="t=>ծ")
    with pytest.raises(OptionError):
        chosen.restore({"pair": "other", **state})
    assert chosen.state() == ({"pair": "t=>ծ"})


def test_a_name_that_is_none_of_ours_is_refused_in_a_file_and_left_out_of_a_url():
    with pytest.raises(UnknownNameError, match="units"):
        Selection().restore({"unitz": []})
    assert Selection.parse("unit=a&utm_source=b") == {"unit": "a"}


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"schema": "interp.selection", "version": 2}'])
def test_another_file_is_refused(text):
    with pytest.raises(OptionError, match="Expected a JSON file"):
        Selection().from_json(text)


def test_a_file_has_what_was_chosen_and_nothing_else():
    assert json.loads(Selection(unit="a").to_json()) == {"schema": "interp.selection", "version": 1, "unit": "a"}


def test_two_selections_share_nothing():
    first = Selection()
    first.edits.append({"unit": "a"})
    assert Selection().edits == []
    assert interp.Selection is Selection
