"""The n-gram against its definition with dictionaries, and its search against an exhaustive one."""

from collections import Counter, defaultdict
from functools import cache
from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interp import OptionError, WeightsError
from interp_transliteration.baselines.baselines import CharacterNGram
from interp_transliteration.baselines.ngram import NGram, kneser_ney_discounts


def discounted(numbers):
    """Return D1, D2, D3+ of Chen and Goodman from n1..n4."""
    n = dict(enumerate(numbers, 1))
    y = n[1] / (n[1] + 2 * n[2])
    return [k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3)]


def test_discounts_are_those_of_chen_and_goodman():
    counts = np.repeat([1, 2, 3, 4, 9], [100, 40, 20, 12, 5])
    assert kneser_ney_discounts(counts) == pytest.approx([0, *discounted([100, 40, 20, 12])])


@pytest.mark.parametrize("counts", [[5, 6], [1, 1], [1], [1, 2, 2, 2, 3, 4], [1, 2, 3, 3, 3, 3, 4]])
def test_discounts_stay_between_zero_and_the_count(counts):
    discounts = kneser_ney_discounts(np.array(counts))
    assert discounts[0] == 0
    assert all(0 < discount < count for count, discount in enumerate(discounts[1:], 1))


class Naive:
    """The same distribution by its definition, with dictionaries of tuples."""

    def __init__(self, sequences, size, order):
        self.size, self.order = size, order
        self.p = cache(self.p)
        windows = [((0,) * (order - 1) + (*s, 0))[i : i + order] for s in sequences for i in range(len(s) + 1)]
        self.counts = {}
        for length in range(order, 0, -1):
            plain = Counter(window[-length:] for window in windows)
            front = defaultdict(set)
            for window in windows:
                if length < order:
                    front[window[-length:]].add(window[-length - 1])
            used = {g: n if length == order or g[0] == 0 else len(front[g]) for g, n in plain.items()}
            self.counts[length] = used

    def p(self, context, code):
        if context is None:
            return 1 / self.size
        grams = self.counts[len(context) + 1]
        discount = kneser_ney_discounts(np.array(list(grams.values())))
        same = {gram: n for gram, n in grams.items() if gram[:-1] == context}
        shorter = self.p(context[1:] if context else None, code)
        if not same:
            return shorter
        total = sum(same.values())
        weight = sum(discount[min(n, 3)] for n in same.values()) / total
        own = same.get((*context, code), 0)
        return (own - discount[min(own, 3)]) / total + weight * shorter


SEQUENCES = st.lists(st.lists(st.integers(1, 4), max_size=12), max_size=5)


@given(SEQUENCES, st.integers(2, 4), st.lists(st.integers(1, 5), max_size=4))
@settings(deadline=None, max_examples=60)
def test_probabilities_are_the_definition_and_sum_to_one(sequences, order, history):
    language, naive = NGram(6, order), Naive(sequences or [[]], 6, order)
    language.fit(np.array(sequence, dtype=np.int64) for sequence in sequences or [[]])
    context, padded = 0, (0,) * (order - 1)
    for code in history:
        context, padded = language.extend_context(context, code), (*padded, code)[1:]
    probabilities = [exp(language.log_prob(context, code)) for code in range(6)]
    assert probabilities == pytest.approx([naive.p(padded, code) for code in range(6)])
    assert sum(probabilities) == pytest.approx(1)


def test_a_bigram_by_hand():
    """Context 1 is followed by 2 twice and by the end once; no count is 3, so discounts are 1/2 or from n1, n2."""
    language = NGram(3, 2)
    language.fit([np.array([1, 2, 1, 2, 1])])
    discount = kneser_ney_discounts(np.array([1, 2, 2, 1]))  # (edge 1), (1 2), (2 1), (1 edge)
    unigrams = np.array([1, 2, 1])  # the edge once; 1 after two codes, 2 after one
    base = kneser_ney_discounts(unigrams)
    below = [(n - base[min(n, 3)]) / 4 + base[np.minimum(unigrams, 3)].sum() / 4 / 3 for n in unigrams]
    weight = (discount[2] + discount[1]) / 3
    after_one = language.extend_context(0, 1)
    assert exp(language.log_prob(after_one, 2)) == pytest.approx((2 - discount[2]) / 3 + weight * below[2])
    assert exp(language.log_prob(after_one, 1)) == pytest.approx(weight * below[1])


@pytest.mark.parametrize(("size", "order"), [(6, 1), (6, 0), (6, 22), (190, 8)])
def test_invalid_orders(size, order):
    with pytest.raises(OptionError, match=rf"order must be 2\.\.\d+ with {size} symbols, got {order}"):
        NGram(size, order)


def readings(pack, rules, typed, small):
    """Yield each reading of a text with log P(letters | units), directly from the rules."""
    if not typed:
        yield (), 0.0

    def extend(units, start, chance):
        if start == len(typed):
            yield tuple(units), chance
            return
        text = "".join(units)
        starts = not text or not text[-1].isalpha()
        for unit in [*pack.units, *pack.kept]:
            for latin, share in rules.spellings(unit, starts_word=starts).items():
                form = latin.lower() if small and unit in pack.units else latin
                if typed.startswith(form, start):
                    yield from extend([*units, unit], start + len(form), chance + log(share))

    if typed:
        yield from extend([], 0, 0.0)


@pytest.mark.parametrize("names", [["mixed"], ["mixed-small"], ["mixed", "mixed-small"]])
@pytest.mark.parametrize("typed", ["tsas", "st sa", "Sats s", "sSt", "atst.", "bcs", "ssss", "ts"])
def test_a_wide_beam_agrees_with_an_exhaustive_search(toy, names, typed):
    texts = ["βαδα βεγ. Βγ", "γεα δββα δε", "βα βαδ β", "ΒΑΔ s tα"]
    ngram = CharacterNGram(toy, [*map(toy.rule_set, names)], order=3, beam_width=10_000).fit(texts)
    naive = Naive([[toy.outputs.index(unit) for unit in toy.split(text)] for text in texts], len(toy.outputs), 3)
    best = {}
    for rules in map(toy.rule_set, names):
        for small in (False, True):
            share = (rules.lower_case if small else 1 - rules.lower_case) / len(names)
            for units, chance in readings(toy, rules, typed, small) if share else ():
                codes = [0, 0, *(toy.outputs.index(unit) for unit in units), 0]
                chance += log(share) + sum(
                    log(naive.p((a, b), c)) for a, b, c in zip(codes, codes[1:], codes[2:], strict=False)
                )
                best[units, rules.name, small] = chance
    winner = max(best, key=best.get)[0]
    assert tuple(symbol for symbol in ngram.predict(typed) if symbol != "_") == winner


@given(SEQUENCES, st.integers(2, 4), st.lists(st.integers(1, 5), max_size=4), st.lists(st.integers(1, 3), max_size=4))
@settings(deadline=None, max_examples=60)
def test_with_n_grams_dropped_probabilities_still_sum_to_one(sequences, order, history, cutoffs):
    language = NGram(6, order)
    language.fit([np.array(sequence, dtype=np.int64) for sequence in sequences or [[]]], cutoffs)
    context = 0
    for code in history:
        context = language.extend_context(context, code)
    probabilities = [exp(language.log_prob(context, code)) for code in range(6)]
    assert sum(probabilities) == pytest.approx(1, abs=1e-6)
    assert min(probabilities) > 0


def test_a_file_gives_the_same_probabilities_to_a_twelfth_of_a_nat(tmp_path):
    draw = np.random.default_rng(0)
    language = NGram(9, 4)
    language.fit([draw.integers(1, 7, 30) for _ in range(50)], (1, 1, 2))
    language.save(tmp_path / "a.npz")
    again = NGram.load(tmp_path / "a.npz")
    assert (again.size, again.order, again.is_fitted) == (9, 4, True)
    for _ in range(200):
        context = 0
        for code in draw.integers(1, 9, 5).tolist():
            # a probability sums at most one weight per shorter context and one n-gram, each rounded by 1/24 nat
            assert again.log_prob(context, code) == pytest.approx(language.log_prob(context, code), abs=4 / 24 + 1e-9)
            context = language.extend_context(context, code)
    again.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_files_that_are_not_n_grams_are_rejected(tmp_path):
    language, path = NGram(6, 3), tmp_path / "a.npz"
    language.fit([np.array([1, 2, 3, 1, 2])])
    language.save(path)
    data = path.read_bytes()
    for broken in (b"", b"no", data[:-30], data[:100] + bytes([data[100] ^ 255]) + data[101:]):
        path.write_bytes(broken)
        with pytest.raises(WeightsError, match=r"a\.npz is not an n-gram"):
            NGram.load(path)
    tables = dict(np.load(_written(path, data)))
    for change in ({"logs.2.keys": tables["logs.2.keys"] * 0 - 1}, {"logs.0.keys": tables["logs.0.keys"][:2]},
                   {"shape": np.array([6, 99])}, {"logs.1": tables["logs.1"][:1]}):  # fmt: skip
        np.savez_compressed(path, **{**tables, **change})
        with pytest.raises((WeightsError, OptionError)):
            NGram.load(path)
    np.savez_compressed(path, **tables, bomb=np.zeros(300_000_000, dtype=np.uint8))
    with pytest.raises(WeightsError, match="unpacked it has over"):
        NGram.load(path)


def _written(path, data):
    path.write_bytes(data)
    return path
