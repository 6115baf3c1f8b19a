"""Collectors of an activation stream."""

import threading

import numpy as np
import pytest

import interp
from interp_reproduction.stream_collectors import (
    CollectingStream,
    PredictionCollector,
    SentenceCollector,
    TokenCollector,
    WindowCollector,
    prefetch,
    window_starts,
)

UNITS = {"unit": ["lstm.0.forward.c.0", "lstm.0.forward.h.0"], "module": ["lstm"] * 2, "layer": [0, 0]}
UNITS |= {"direction": ["forward"] * 2, "quantity": ["c", "h"], "index": [0, 0]}


def chunk(*texts, first=0):
    """Return samples of some texts: the values of a token count up through the chunk."""
    letters = [letter for text in texts for letter in text]
    sample = np.repeat(np.arange(len(texts)) + first, [len(text) for text in texts])
    step = np.concatenate([np.arange(len(text)) for text in texts])
    tokens = {"sample": sample, "step": step, "source": sample // 2, "input": letters, "output": letters}
    values = np.arange(2 * len(letters), dtype=np.float32).reshape(-1, 2)
    return interp.make_dataset(values, UNITS, tokens | {"predicted": letters})


def all_units(acts):
    return np.ones(acts.sizes["unit"], bool)


def test_windows_start_with_the_letter_and_have_only_letters_of_one_sample():
    letters = np.array(list("tyun t1un tatyun" + "tyu" + "n"))
    samples = np.array([0] * 16 + [1] * 3 + [2])
    assert window_starts(letters, samples, 4, "t").tolist() == [0, 10, 12]


def test_windows_of_a_text_that_is_too_short():
    assert window_starts(np.array(["t", "y"]), np.array([0, 0]), 4, "t").tolist() == []


def test_a_window_has_the_mean_and_a_label_for_the_suffix():
    collector = WindowCollector("tyun", all_units)
    collector.add(chunk("a tyun", "taty"))
    collector.add(chunk("none", first=2))
    acts = collector.finish()
    assert acts["suffix"].values.tolist() == [True, False]
    assert acts["sample"].values.tolist() == [0, 1]
    assert acts["activation"].values[:, 0].tolist() == [np.mean([4, 6, 8, 10]), np.mean([12, 14, 16, 18])]


def test_selected_tokens_and_units_are_collected():
    collector = TokenCollector(lambda acts: acts["input"].values == "t", lambda acts: acts["quantity"].values == "h")
    for part in (chunk("tat"), chunk("at", first=1)):
        collector.add(part)
    acts = collector.finish()
    assert acts["unit"].values.tolist() == ["lstm.0.forward.h.0"]
    assert acts["activation"].values.ravel().tolist() == [1, 5, 3]
    assert acts["step"].values.tolist() == [0, 2, 1]


def test_one_sentence_per_source_up_to_a_maximum():
    collector = SentenceCollector("tyun", all_units, max_sentences=2)
    collector.add(chunk("tyun", "tyuntyun", "a", "atyun"))
    collector.add(chunk("tyun", first=6))
    assert np.unique(collector.finish()["sample"].values).tolist() == [0, 3]


def test_predictions_are_grouped_by_sample():
    collector = PredictionCollector()
    collector.add(chunk("ab", "c"))
    collector.add(chunk("def", first=2))
    assert collector.samples == [["a", "b"], ["c"], ["d", "e", "f"]]
    assert (collector.tokens, len(collector.sources)) == (6, 2)


def test_collectors_get_the_first_pass_only_and_progress_every_pass():
    collector, advances = PredictionCollector(), []
    stream = CollectingStream([chunk("ab", "c"), chunk("d", first=2)], [collector], advances.append)
    for _ in range(2):
        assert len(list(stream)) == 2
    assert advances == [2, 1, 2, 1]
    assert collector.tokens == 4


def test_a_collector_without_chunks_has_no_dataset():
    with pytest.raises(TypeError):
        TokenCollector(all_units, all_units).finish()


def test_the_next_item_is_computed_while_one_is_in_use():
    started = threading.Event()

    def generate():
        yield 1
        started.set()
        yield 2

    items = prefetch(generate())
    assert next(items) == 1
    assert started.wait(5)
    assert list(items) == [2]


def test_an_error_while_computing_an_item_is_raised():
    def generate():
        yield 1
        raise ValueError("no more")

    items = prefetch(generate())
    assert next(items) == 1
    with pytest.raises(ValueError, match="no more"):
        next(items)
