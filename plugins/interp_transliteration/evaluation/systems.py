"""Who writes: networks, baselines and rivals, each as a function from lines to lines for a task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from interp_transliteration.baselines import Baseline, CharacterNGram, GreedyRules
from interp_transliteration.comparison import Lines, Writer, each
from interp_transliteration.pack import Pack
from interp_transliteration.rivals import installed
from interp_transliteration.romanise import restore

if TYPE_CHECKING:
    from interp_transliteration.task import TransliterationTask


def networks(models: Sequence[str], language: str, weights: Path | None, beam: int) -> dict[str, Writer]:
    """Return a writer for each model; where it brings an n-gram two more, with a beam search.

    One of these knows the rules by which the samples of a task are spelled, as the baselines do.
    """
    from interp_transliteration.transliterator import Transliterator

    found: dict[str, Writer] = {}
    for model in models:
        alone = Transliterator(model=model, language=language, weights=weights)
        found[model] = _whatever_the_task(alone)
        if beam and getattr(alone.network, "ngram", None):
            search = partial(Transliterator, model=model, language=language, weights=weights, beam=beam)
            found[f"{model} and n-gram, beam {beam}"] = _whatever_the_task(search())
            found[f"{model} and n-gram, told the rules"] = _told_the_rules(search)
    return found


def _told_the_rules(search: Callable[..., Lines]) -> Writer:
    return lambda task: search(rules=task.rules)


def _whatever_the_task(lines: Lines) -> Writer:
    return lambda _: lines


def baselines(pack: Pack, texts: Sequence[str], *, folds: bool = False) -> dict[str, Writer]:
    """Return writers that are fitted on texts and know the rules by which the samples of a task are spelled.

    With ``folds`` there is a second n-gram, to which a capital behind a capital is its small letter.
    """
    ngram = CharacterNGram(pack, tuple(pack.rules.values())).fit(texts)

    def by_ngram(task: TransliterationTask, *, folds: bool = False) -> Lines:
        rules = task.romaniser.rules
        return _lines(CharacterNGram(pack, rules, beam=ngram.beam, language=ngram.language, folds=folds))

    def by_rules(task: TransliterationTask) -> Lines:
        return _lines(GreedyRules(pack, task.romaniser.rules).fit(texts))

    order = f"character {ngram.language.order}-gram"
    folded = {f"{order}, capitals folded": partial(by_ngram, folds=True)} if folds else {}
    return {f"{order}, beam {ngram.beam}": by_ngram, **folded, "greedy rules": by_rules}


def _lines(baseline: Baseline) -> Lines:
    return lambda lines: [restore(line, baseline.predict(line)) for line in lines]


def rivals(language: str) -> dict[str, Writer]:
    """Return the writers that happen to be installed."""
    return {name: each(function) for name, function in installed(language)}
