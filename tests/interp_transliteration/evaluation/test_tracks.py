"""The table of writers and tracks: known writers have known figures, Latin words are counted by hand."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from interp import OptionError
from interp_transliteration.comparison import Sums, compare, each, markdown
from interp_transliteration.rivals import RIVALS, installed
from interp_transliteration.task import TransliterationTask
from interp_transliteration.tracks import Sample, mixed, samples, tracks_of

TASK = TransliterationTask()


def test_samples_are_sentences_with_their_spelling():
    found = list(samples(TASK, "demo", limit=20, seed=1))
    assert [" ".join(sample.expected) for sample in found] == [TASK.sentences("demo")[one.source] for one in found]
    again = list(samples(TASK, "demo", limit=20, seed=2))
    assert [one.source for one in found] == [one.source for one in again], "the same sentences for every seed"
    assert sum(one.line != other.line for one, other in zip(found, again, strict=True)) > 10
    with pytest.raises(OptionError, match="limit must be at least 1, got 0"):
        list(samples(TASK, "demo", limit=0))


def test_latin_stands_between_words_that_stay_the_same():
    plain = list(samples(TASK, "demo", limit=50))
    for before, after in zip(plain, mixed(TASK, plain, seed=3), strict=True):
        own = [word for word, added in zip(after.typed, after.added, strict=True) if not added]
        assert own == list(before.typed)
        assert 0 < sum(after.added) <= 12
        added = [(t, e) for t, e, new in zip(after.typed, after.expected, after.added, strict=True) if new]
        assert all(e == t or "-" in t or "’" in t for t, e in added), "Latin, or Latin with an ending in script"


def test_what_becomes_of_latin_and_of_the_words_beside_it_is_counted():
    sums = Sums(())
    plain = Sample(0, ("a", "b", "c"), ("ա", "բ", "գ"), (False,) * 3)
    after = Sample(0, ("a", "x", "b", "y", "c"), ("ա", "x", "բ", "y", "գ"), (False, True, False, True, False))
    sums.add_mixed(plain, "ա բ կ", after, "ա x պ z գ")
    assert (dict(sums.latin), dict(sums.kept)) == ({True: 1, False: 1}, {True: 1, False: 1})
    sums.add_mixed(plain, "ա բ գ", after, "ա x բ")
    assert (sums.latin[False], sums.kept[False]) == (3, 4), "with words lost none counts as right"


def test_known_writers_have_known_figures():
    tasks = {"article": TASK, "chat": TransliterationTask(rules="chat"), "code-mix": TASK}
    texts = {sample.line: " ".join(sample.expected) for task in tasks.values() for seed in range(2)
             for sample in samples(task, "demo", limit=30, seed=seed)}  # fmt: skip

    def truth(task):
        return lambda lines: [texts.get(line, line) for line in lines]

    table = compare({"truth": truth, "silent": each(lambda line: "")}, tasks, "demo", limit=30, seeds=(0, 1))
    assert list(table.index) == [(track, name) for track in tasks for name in ("truth", "silent")]
    right = table.loc[("chat", "truth")]
    assert tuple(right[["cer", "low", "high", "words", "sentences", "samples"]]) == (0, 0, 0, 1, 30, 60)
    assert np.isnan(right["latin"])
    silent = table.loc[("article", "silent")]
    assert tuple(silent[["cer", "words"]]) == (1, 0)
    assert 0 < table.loc[("code-mix", "truth"), "kept"] < 0.5, "it copies what it does not know"
    assert table.loc[("code-mix", "truth"), "latin"] > 0.8
    assert len(list(markdown(table))) == 4


def test_confusions_come_from_the_edits():
    sums = Sums(("րռ", "ոօ"))
    sums.add(Sample(0, ("ror",), ("րոռ",), (False,)), "ռօռ")
    assert sums.row()["confusion ր>ռ"] == 1
    assert sums.row()["confusion ո>օ"] == 1
    assert "confusion ռ>ր" not in sums.row()


@pytest.mark.parametrize("name", RIVALS)
def test_rivals_write_armenian_where_they_are_installed(name):
    module, _ = RIVALS[name]
    pytest.importorskip(module)
    write = dict(installed("hy"))[name]
    assert write("ban").startswith("բ")
    assert len(write("es ban em R").split(" ")) == 4


def test_tracks_are_the_rule_sets_and_code_mix_and_the_command_writes_the_table(tmp_path):
    assert tracks_of(TASK) == ["article", "chat", "noise", "bgn", "ala-lc", "iso", "code-mix"]
    words = ["evaluate", "transliteration", "--track", "bgn", "--track", "code-mix", "--limit", "20", "--seeds", "1"]
    command = [sys.executable, "-c", "from interp.cli import main; main()", *words, "--output", str(tmp_path / "a.csv")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "a.csv", index_col=["track", "writer"])
    assert {"armenian-bilstm", "greedy rules"} <= set(table.index.get_level_values("writer"))
    assert table["cer"].between(0, 1).all()
    for (track, writer), row in table.iterrows():
        assert track in done.stdout
        assert f"**{100 * row['cer']:.2f}**" in done.stdout, writer
