"""Systems: their names, and access of the baselines to the rules of the task."""

from interp_transliteration.evaluation.systems import baseline_systems, network_systems
from interp_transliteration.task import TransliterationTask


def test_baselines_use_the_rules_of_the_task():
    task = TransliterationTask(rules="bgn")
    systems = baseline_systems(task.pack, task.sentences("train"), fold_capitals=True)
    assert list(systems) == ["character 6-gram, beam 12", "character 6-gram, capitals folded", "greedy rules"]
    for system in systems.values():
        assert system(task)(["ch'an"]) == ["չան"]


def test_a_network_without_an_ngram_is_one_system():
    assert list(network_systems(["armenian-bilstm"], "hy", None, 12)) == ["armenian-bilstm"]


def test_a_network_with_an_ngram_is_three_systems():
    name = "armenian-bilstm-large"
    assert list(network_systems([name], "hy", None, 2)) == [
        name, f"{name} and n-gram, beam 2", f"{name} and n-gram, known rules",
    ]  # fmt: skip
