"""Sentences on the resolution of p-values."""

import re

import numpy as np
import pytest

from interp_hellinger.method_text import resolution_text


@pytest.mark.parametrize(
    ("null_size", "quantities", "sentence"),
    [
        (0, "hhhh", "no p-value can be computed"),
        (9_999, "hhhh", "a single test can reach q < 0.01"),
        (999, "h" * 40, "4 of 40 tests must reach it together for q < 0.01"),
        (499, "h" * 36 + "c" * 4, r"too coarse .* 8 of 40 tests .*raise n_permutations="),
    ],
)
def test_resolution_says_what_p_can_show(null_size, quantities, sentence):
    shape = (len(quantities), 1)
    text = resolution_text(np.ones(shape), np.full(shape, null_size), np.array(list(quantities)), 0.01)
    assert re.search(sentence, text)
