"""What is kept of a stream."""

import threading

import numpy as np
import pytest

import interp
from interp_reproduction.keepers import Predictions, Rows, Sentences, Watched, Windows, ahead, windows

UNITS = {"unit": ["lstm.0.forward.c.0", "lstm.0.forward.h.0"], "module": ["lstm"] * 2, "layer": [0, 0]}
UNITS |= {"direction": ["forward"] * 2, "quantity": ["c", "h"], "index": [0, 0]}


def chunk(*texts, first=0):
    """Return samples of some texts: the value of a token is its place in the chunk."""
    letters = [letter for text in texts for letter in text]
    sample = np.repeat(np.arange(len(texts)) + first, [len(text) for text in texts])
    step = np.concatenate([np.arange(len(text)) for text in texts])
    tokens = {"sample": sample, "step": step, "source": sample // 2, "input": letters, "output": letters}
    values = np.arange(2 * len(letters), dtype=np.float32).reshape(-1, 2)
    return interp.dataset(values, UNITS, tokens | {"predicted": letters})


def everything(acts):
    return np.ones(acts.sizes["unit"], bool)


def test_windows_start_with_the_letter_and_hold_only_letters_of_one_sample():
    letters = np.array(list("tyun t1un tatyun" + "tyu" + "n"))
    samples = np.array([0] * 16 + [1] * 3 + [2])
    assert windows(letters, samples, 4, "t").tolist() == [0, 10, 12]


def test_windows_of_a_text_that_is_too_short():
    assert windows(np.array(["t", "y"]), np.array([0, 0]), 4, "t").tolist() == []


def test_a_window_keeps_the_mean_and_says_whether_it_is_the_suffix():
    keeper = Windows("tyun", everything)
    keeper.add(chunk("a tyun", "taty"))
    keeper.add(chunk("none", first=2))
    kept = keeper.finish()
    assert kept["suffix"].values.tolist() == [True, False]
    assert kept["sample"].values.tolist() == [0, 1]
    assert kept["activation"].values[:, 0].tolist() == [np.mean([4, 6, 8, 10]), np.mean([12, 14, 16, 18])]


def test_rows_keep_tokens_and_units():
    keeper = Rows(lambda acts: acts["input"].values == "t", lambda acts: acts["quantity"].values == "h")
    for part in (chunk("tat"), chunk("at", first=1)):
        keeper.add(part)
    kept = keeper.finish()
    assert kept["unit"].values.tolist() == ["lstm.0.forward.h.0"]
    assert kept["activation"].values.ravel().tolist() == [1, 5, 3]
    assert kept["step"].values.tolist() == [0, 2, 1]


def test_one_sentence_of_each_source_up_to_a_number():
    keeper = Sentences("tyun", everything, most=2)
    keeper.add(chunk("tyun", "tyuntyun", "a", "atyun"))
    keeper.add(chunk("tyun", first=6))
    assert np.unique(keeper.finish()["sample"].values).tolist() == [0, 3]


def test_predictions_come_by_sample():
    keeper = Predictions()
    keeper.add(chunk("ab", "c"))
    keeper.add(chunk("def", first=2))
    assert keeper.samples == [["a", "b"], ["c"], ["d", "e", "f"]]
    assert (keeper.tokens, len(keeper.sources)) == (6, 2)


def test_keepers_see_the_first_pass_only_and_the_bar_every_pass():
    keeper, told = Predictions(), []
    stream = Watched([chunk("ab", "c"), chunk("d", first=2)], [keeper], told.append)
    for _ in range(2):
        assert len(list(stream)) == 2
    assert told == [2, 1, 2, 1]
    assert keeper.tokens == 4


def test_a_keeper_that_was_shown_nothing_has_no_dataset():
    with pytest.raises(TypeError):
        Rows(everything, everything).finish()


def test_the_next_item_is_made_while_one_is_in_use():
    started = threading.Event()

    def make():
        yield 1
        started.set()
        yield 2

    items = ahead(make())
    assert next(items) == 1
    assert started.wait(5)
    assert list(items) == [2]


def test_an_error_while_making_an_item_is_raised():
    def make():
        yield 1
        raise ValueError("no more")

    items = ahead(make())
    assert next(items) == 1
    with pytest.raises(ValueError, match="no more"):
        next(items)
