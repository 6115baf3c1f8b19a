"""The table of predictors with known scores, and the width of the interval against theory."""

import numpy as np
import pytest
import torch

from interp_transliteration.baselines.baselines import GreedyRules
from interp_transliteration.evaluation.evaluate import bootstrap_interval, evaluate, network_predictor
from interp_transliteration.task import TransliterationTask


@pytest.fixture(scope="module")
def task():
    return TransliterationTask(rules="article+chat")


def truth(batch):
    symbols, stop = [], 0
    for typed in batch.typed:
        start, stop = stop, stop + len(typed)
        symbols.append(batch.labels["output"][start:stop].tolist())
    return symbols


def first_letter_wrong(batch):
    return [["ֆ", *symbols[1:]] for symbols in truth(batch)]


def test_reference_predictors_have_known_scores(task):
    table = evaluate(task, {"right": truth, "wrong": first_letter_wrong}, "demo", limit=300, seed=2)
    assert list(table.index) == ["right", "wrong"]
    assert list(table.columns[:7]) == ["cer", "ci_low", "ci_high", "words", "sentences", "samples", "characters"]
    right, wrong = table.loc["right"], table.loc["wrong"]
    assert tuple(right[["cer", "ci_low", "ci_high", "words"]]) == (0, 0, 0, 1)
    assert right["sentences"] == right["samples"] == 300
    assert right["characters"] == sum(
        len(task.sentences("demo")[source])
        for batch in task.batches("demo", limit=300, seed=2)
        for source in {int(source) for source in batch.labels["source"]}
    )
    first = [symbols[0] for batch in task.batches("demo", limit=300, seed=2) for symbols in truth(batch)]
    assert wrong["cer"] == pytest.approx(sum(map(len, first)) / wrong["characters"]), "a unit of two costs two"
    assert wrong["ci_low"] < wrong["cer"] < wrong["ci_high"]


def test_the_table_agrees_with_the_score_of_the_task(task):
    greedy = GreedyRules(task.pack, task.romaniser.rules).fit(task.sentences("demo"))
    whole = TransliterationTask(rules="article+chat", batch_size=1000)
    (batch,) = whole.batches("demo")
    row = evaluate(task, {"greedy": greedy}, "demo").loc["greedy"]
    score = whole.score(greedy(batch), batch)
    assert {name: row[name] for name in score} == pytest.approx(score)
    assert any(name.startswith("confusion") for name in score)


def test_further_spellings_do_not_count_as_sentences(task):
    sentences = task.sentences("demo")
    n = len(sentences)
    row = evaluate(task, {"wrong": first_letter_wrong}, "demo", limit=n + 50).loc["wrong"]
    assert (row["sentences"], row["samples"]) == (n, n + 50)
    times = np.zeros(n, int)
    for batch in task.batches("demo", limit=n + 50):
        np.add.at(times, batch.labels["source"][np.cumsum([0, *batch.lengths[:-1]])], 1)
    errors = times * [len(task.pack.split(sentence)[0]) for sentence in sentences]
    expected = bootstrap_interval(errors, times * [len(sentence) for sentence in sentences], 0)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(expected), (
        "spellings of one sentence are resampled together"
    )


def test_the_same_seed_gives_the_same_table(task):
    tables = [evaluate(task, {"wrong": first_letter_wrong}, "demo", limit=50, seed=seed) for seed in (1, 1, 2)]
    assert tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])


def test_a_network_is_a_predictor(task):
    class Constant(torch.nn.Module):
        def forward(self, codes, lengths):
            assert not torch.is_grad_enabled()
            assert not self.training
            output = torch.zeros(*codes.shape, len(task.pack.outputs))
            output[..., 3] = 1
            return output

    batch = next(iter(task.batches("demo", limit=3)))
    predicted = network_predictor(task, Constant())(batch)
    assert [len(symbols) for symbols in predicted] == [len(typed) for typed in batch.typed]
    assert {symbol for symbols in predicted for symbol in symbols} == {task.pack.outputs[3]}
    assert (
        evaluate(task, {"constant": network_predictor(task, Constant())}, "demo", limit=3).loc["constant", "cer"] > 0.8
    )


def test_the_interval_has_the_width_of_the_normal_distribution():
    draw = np.random.default_rng(0)
    characters = draw.integers(20, 200, 3000)
    errors = draw.binomial(characters, draw.beta(1, 99, 3000))
    rate = errors.sum() / characters.sum()
    deviation = np.sqrt(((errors - rate * characters) ** 2).sum()) / characters.sum()  # of a ratio of sums
    low, high = bootstrap_interval(errors, characters)
    assert (high - low) / (2 * 1.96 * deviation) == pytest.approx(1, abs=0.08)
    assert (low + high) / 2 == pytest.approx(rate, rel=0.02)
    narrow = bootstrap_interval(errors, characters, confidence_level=0.5)
    assert low < narrow[0] < rate < narrow[1] < high


def test_the_interval_covers_as_often_as_it_says():
    draw, covered = np.random.default_rng(1), 0
    for _ in range(200):
        characters = draw.integers(50, 150, 120)
        errors = draw.binomial(characters, 0.05)
        low, high = bootstrap_interval(errors, characters, n_resamples=300)
        covered += low <= 0.05 <= high
    assert covered / 200 == pytest.approx(0.95, abs=0.06)


def test_intervals_at_the_edges():
    assert bootstrap_interval(np.array([2]), np.array([10])) == (0.2, 0.2)
    assert np.isnan(bootstrap_interval(np.array([], int), np.array([], int))).all()
    assert bootstrap_interval(np.zeros(5), np.ones(5)) == (0, 0)
