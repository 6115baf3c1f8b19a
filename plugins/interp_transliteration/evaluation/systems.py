"""Systems to compare: networks, baselines and other packages, each a function from a task to a lines function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from interp_transliteration.baselines.baselines import Baseline, CharacterNGram, GreedyRules
from interp_transliteration.baselines.other_packages import installed_packages
from interp_transliteration.evaluation.compare import LinesFunction, System, line_by_line
from interp_transliteration.languages.pack import Pack
from interp_transliteration.languages.romaniser import restore

if TYPE_CHECKING:
    from interp_transliteration.task import TransliterationTask


def network_systems(models: Sequence[str], language: str, weights: Path | None, beam_width: int) -> dict[str, System]:
    """Return one system per model; for a model with an n-gram two more, with a beam search.

    One of the two has access to the rules by which the samples of a task are spelled, as the baselines do.
    """
    from interp_transliteration.decoding.transliterator import Transliterator

    systems: dict[str, System] = {}
    for model in models:
        network = Transliterator(model=model, language=language, weights=weights)
        systems[model] = _any_task(network)
        if beam_width and getattr(network.network, "ngram", None):
            search = partial(Transliterator, model=model, language=language, weights=weights, beam_width=beam_width)
            systems[f"{model} and n-gram, beam {beam_width}"] = _any_task(search())
            systems[f"{model} and n-gram, known rules"] = _with_rules_of_task(search)
    return systems


def _with_rules_of_task(search: Callable[..., LinesFunction]) -> System:
    return lambda task: search(rules=task.rules)


def _any_task(lines: LinesFunction) -> System:
    return lambda _: lines


def baseline_systems(pack: Pack, texts: Sequence[str], *, fold_capitals: bool = False) -> dict[str, System]:
    """Return systems that are fitted to texts and have access to the rules of the task.

    With ``fold_capitals`` there is a second n-gram, which counts a capital after a capital as a lower-case letter.
    """
    fitted = CharacterNGram(pack, tuple(pack.rules.values())).fit(texts)

    def ngram_system(task: TransliterationTask, *, fold_capitals: bool = False) -> LinesFunction:
        rules, width = task.romaniser.rules, fitted.beam_width
        return _lines(CharacterNGram(pack, rules, beam_width=width, ngram=fitted.ngram, fold_capitals=fold_capitals))

    def greedy_system(task: TransliterationTask) -> LinesFunction:
        return _lines(GreedyRules(pack, task.romaniser.rules).fit(texts))

    name = f"character {fitted.ngram.order}-gram"
    folded = {f"{name}, capitals folded": partial(ngram_system, fold_capitals=True)} if fold_capitals else {}
    return {f"{name}, beam {fitted.beam_width}": ngram_system, **folded, "greedy rules": greedy_system}


def _lines(baseline: Baseline) -> LinesFunction:
    return lambda lines: [restore(line, baseline.predict(line)) for line in lines]


def package_systems(language: str) -> dict[str, System]:
    """Return the systems of the other packages that are installed."""
    return {name: line_by_line(function) for name, function in installed_packages(language)}
