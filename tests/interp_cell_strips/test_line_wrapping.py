"""Selection of tokens, and line breaks."""

import numpy as np
import pytest

from interp_cell_strips.line_wrapping import (
    context_windows,
    find_occurrences,
    interleave_sources,
    limit_tokens,
    text_runs,
    wrap_lines,
)


def test_runs_end_where_the_sample_changes_or_a_step_is_missing():
    sample, step = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 3, 0, 1, 2])
    assert [run.tolist() for run in text_runs(sample, step)] == [[0, 1], [2], [3, 4, 5]]
    assert text_runs(sample[:0], step[:0]) == []


def test_runs_sort_tokens():
    assert [run.tolist() for run in text_runs(np.array([1, 0, 1, 0]), np.array([1, 0, 0, 1]))] == [[1, 3], [2, 0]]


@pytest.mark.parametrize(
    ("letters", "text", "ranges"),
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
def test_occurrences(letters, text, ranges):
    assert find_occurrences(letters, text) == ranges


def test_windows_extend_to_the_ends_of_words_and_join():
    text = "one three tyun five six tyun eight"
    spaces = np.array([letter == " " for letter in text])
    ranges = find_occurrences(list(text), "tyun")
    assert [text[low:high] for low, high in context_windows(ranges, spaces, 0)] == ["tyun", "tyun"]
    assert [text[low:high] for low, high in context_windows(ranges, spaces, 2)] == ["three tyun five", "six tyun eight"]
    assert [text[low:high] for low, high in context_windows(ranges, spaces, 7)] == [text]


def test_the_length_of_a_word_is_limited():
    spaces = np.zeros(1000, bool)
    ((low, high),) = context_windows([(500, 504)], spaces, 10)
    assert (low, high) == (490, 514)


def test_one_piece_of_each_source_comes_first():
    pieces = [np.array([at]) for at in range(5)]
    source = np.array([7, 7, 8, 7, 9])
    assert [int(piece[0]) for piece in interleave_sources(pieces, source)] == [0, 2, 4, 1, 3]


def test_tokens_are_limited():
    pieces = [np.arange(3), np.arange(3, 9), np.arange(9, 12)]
    assert [piece.tolist() for piece in limit_tokens(pieces, 5)] == [[0, 1, 2], [3, 4]]
    assert limit_tokens(pieces, 0) == []


def test_wrapping_keeps_every_character_in_order():
    generator = np.random.default_rng(0)
    for _ in range(50):
        spaces = generator.random(300) < 0.15
        cuts = np.sort(generator.integers(1, 300, generator.integers(0, 12)))
        pieces = [piece for piece in np.split(np.arange(300), cuts) if piece.size]
        lines = wrap_lines(pieces, spaces, 20)
        assert max(map(len, lines)) <= 20
        assert [at for line in lines for at in line if at >= 0] == list(range(300))


def test_a_line_breaks_after_a_space():
    text = "aaaa bbbb cccc dddd"
    lines = wrap_lines([np.arange(len(text))], np.array([letter == " " for letter in text]), 12)
    assert ["".join(text[at] for at in line) for line in lines] == ["aaaa bbbb ", "cccc dddd"]


def test_pieces_share_a_line_with_a_gap_between():
    lines = wrap_lines([np.arange(4), np.arange(4, 7), np.arange(7, 14)], np.zeros(14, bool), 10)
    assert lines == [[0, 1, 2, 3, -1, 4, 5, 6], [7, 8, 9, 10, 11, 12, 13]]
