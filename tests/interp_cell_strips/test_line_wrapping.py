"""Which characters are shown and where lines break."""

import numpy as np
import pytest

from interp_cell_strips.windows import by_source, limited, occurrences, runs, windows, wrapped


def test_runs_end_where_the_sample_changes_or_a_step_is_missing():
    sample, step = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 3, 0, 1, 2])
    assert [run.tolist() for run in runs(sample, step)] == [[0, 1], [2], [3, 4, 5]]
    assert runs(sample[:0], step[:0]) == []


def test_runs_sort_tokens():
    assert [run.tolist() for run in runs(np.array([1, 0, 1, 0]), np.array([1, 0, 0, 1]))] == [[1, 3], [2, 0]]


@pytest.mark.parametrize(
    ("letters", "text", "found"),
    [
        (list("tyun, tyun"), "tyun", [(0, 4), (6, 10)]),
        (list("aaaa"), "aa", [(0, 2), (2, 4)]),
        (["t", "yu", "n"], "u", [(1, 2)]),  # inside a label of two letters
        (["t", "yu", "n"], "tyu", [(0, 2)]),
        (list("abc"), "x", []),
        (list("abc"), "", []),
        ([], "a", []),
    ],
)
def test_occurrences(letters, text, found):
    assert occurrences(letters, text) == found


def test_windows_go_on_to_the_ends_of_words_and_join():
    text = "one three tyun five six tyun eight"
    spaces = np.array([letter == " " for letter in text])
    found = occurrences(list(text), "tyun")
    assert [text[low:high] for low, high in windows(found, spaces, 0)] == ["tyun", "tyun"]
    assert [text[low:high] for low, high in windows(found, spaces, 2)] == ["three tyun five", "six tyun eight"]
    assert [text[low:high] for low, high in windows(found, spaces, 7)] == [text]


def test_a_word_without_end_is_cut():
    spaces = np.zeros(1000, bool)
    ((low, high),) = windows([(500, 504)], spaces, 10)
    assert (low, high) == (490, 514)


def test_one_of_each_source_first():
    pieces = [np.array([at]) for at in range(5)]
    source = np.array([7, 7, 8, 7, 9])
    assert [int(piece[0]) for piece in by_source(pieces, source)] == [0, 2, 4, 1, 3]


def test_limited():
    pieces = [np.arange(3), np.arange(3, 9), np.arange(9, 12)]
    assert [piece.tolist() for piece in limited(pieces, 5)] == [[0, 1, 2], [3, 4]]
    assert limited(pieces, 0) == []


def test_wrapping_keeps_every_character_in_order():
    draw = np.random.default_rng(0)
    for _ in range(50):
        spaces = draw.random(300) < 0.15
        cuts = np.sort(draw.integers(1, 300, draw.integers(0, 12)))
        pieces = [piece for piece in np.split(np.arange(300), cuts) if piece.size]
        lines = wrapped(pieces, spaces, 20)
        assert max(map(len, lines)) <= 20
        assert [at for line in lines for at in line if at >= 0] == list(range(300))


def test_a_line_breaks_after_a_space():
    text = "aaaa bbbb cccc dddd"
    lines = wrapped([np.arange(len(text))], np.array([letter == " " for letter in text]), 12)
    assert ["".join(text[at] for at in line) for line in lines] == ["aaaa bbbb ", "cccc dddd"]


def test_pieces_share_a_line_with_a_gap_between():
    lines = wrapped([np.arange(4), np.arange(4, 7), np.arange(7, 14)], np.zeros(14, bool), 10)
    assert lines == [[0, 1, 2, 3, -1, 4, 5, 6], [7, 8, 9, 10, 11, 12, 13]]
