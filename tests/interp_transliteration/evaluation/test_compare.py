"""The table of systems and tracks: reference systems with known scores, and Latin words counted by hand."""

import numpy as np

from interp_transliteration.evaluation.compare import SystemScores, compare, line_by_line, to_markdown
from interp_transliteration.evaluation.tracks import Sample, iter_samples
from interp_transliteration.task import TransliterationTask

TASK = TransliterationTask()


def test_latin_words_and_the_words_next_to_them_are_counted():
    scores = SystemScores(())
    plain = Sample(0, ("a", "b", "c"), ("ա", "բ", "գ"), (False,) * 3)
    after = Sample(0, ("a", "x", "b", "y", "c"), ("ա", "x", "բ", "y", "գ"), (False, True, False, True, False))
    scores.add_mixed(plain, "ա բ կ", after, "ա x պ z գ")
    assert (dict(scores.latin), dict(scores.retention)) == ({True: 1, False: 1}, {True: 1, False: 1})
    scores.add_mixed(plain, "ա բ գ", after, "ա x բ")
    assert (scores.latin[False], scores.retention[False]) == (3, 4), "if words are lost, none counts as correct"


def test_reference_systems_have_known_scores():
    tasks = {"article": TASK, "chat": TransliterationTask(rules="chat"), "code-mix": TASK}
    texts = {sample.line: " ".join(sample.expected) for task in tasks.values() for seed in range(2)
             for sample in iter_samples(task, "demo", limit=30, seed=seed)}  # fmt: skip

    def truth(task):
        return lambda lines: [texts.get(line, line) for line in lines]

    table = compare({"truth": truth, "silent": line_by_line(lambda line: "")}, tasks, "demo", limit=30, seeds=(0, 1))
    assert list(table.index) == [(track, name) for track in tasks for name in ("truth", "silent")]
    right = table.loc[("chat", "truth")]
    assert tuple(right[["cer", "ci_low", "ci_high", "words", "sentences", "samples"]]) == (0, 0, 0, 1, 30, 60)
    assert np.isnan(right["latin"])
    silent = table.loc[("article", "silent")]
    assert tuple(silent[["cer", "words"]]) == (1, 0)
    assert 0 < table.loc[("code-mix", "truth"), "retention"] < 0.5, "it copies lines that it does not know"
    assert table.loc[("code-mix", "truth"), "latin"] > 0.8
    assert len(list(to_markdown(table))) == 4


def test_confusions_come_from_the_edits():
    scores = SystemScores(("րռ", "ոօ"))
    scores.add(Sample(0, ("ror",), ("րոռ",), (False,)), "ռօռ")
    assert scores.row()["confusion ր>ռ"] == 1
    assert scores.row()["confusion ո>օ"] == 1
    assert "confusion ռ>ր" not in scores.row()
