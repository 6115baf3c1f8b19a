"""Selections: state in a notebook, a URL and a file."""

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
    selection, by_url, by_file = Selection(**state), Selection(), Selection()
    by_url.restore(Selection.parse("?" + selection.query()))
    by_file.from_json(selection.to_json())
    assert by_url.state() == by_file.state() == selection.state()
    assert all(getattr(by_url, name) == value for name, value in state.items())


def test_watchers_are_called_once_for_all_changes():
    selection, changes = Selection(), []
    selection.param.watch(lambda *events: changes.append({event.name for event in events}), Selection.names())
    selection.restore({"pair": "t=>ծ", "unit": "a.out.0"})
    assert changes == [{"pair", "unit"}]
    selection.restore({"pair": "t=>ծ", "unit": "a.out.0"})
    assert len(changes) == 1


@pytest.mark.parametrize(
    "state",
    [{"window": -1}, {"window": "x"}, {"span": [1]}, {"units": [3]}, {"units": "ab"}, {"pair": 3}, {"edits": ["a"]}],
)
def test_a_wrong_state_changes_nothing(state):
    selection = Selection(pair="t=>ծ")
    with pytest.raises(OptionError):
        selection.restore({"pair": "other", **state})
    assert selection.state() == {"pair": "t=>ծ"}


def test_an_unknown_name_is_an_error_in_a_file_and_ignored_in_a_url():
    with pytest.raises(UnknownNameError, match="units"):
        Selection().restore({"unitz": []})
    assert Selection.parse("unit=a&utm_source=b") == {"unit": "a"}


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"schema": "interp.selection", "version": 2}'])
def test_another_file_is_refused(text):
    with pytest.raises(OptionError, match="Expected a JSON file"):
        Selection().from_json(text)


def test_a_file_contains_the_changed_values_only():
    assert json.loads(Selection(unit="a").to_json()) == {"schema": "interp.selection", "version": 1, "unit": "a"}


def test_two_selections_share_nothing():
    first = Selection()
    first.edits.append({"unit": "a"})
    assert Selection().edits == []
    assert interp.Selection is Selection
