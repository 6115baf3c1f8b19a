"""Baselines for a network: greedy rules with unit frequencies, and a character n-gram behind a noisy channel."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from heapq import nlargest
from math import inf, log
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from interp import OptionError
from interp_transliteration.baselines.ngram import BOUNDARY, NGram
from interp_transliteration.languages.noisy_channel import NoisyChannel, SpellingOption
from interp_transliteration.languages.pack import Pack, Rules

if TYPE_CHECKING:
    from interp_transliteration.batches import TextBatch


FOLDING_COST = 2.0  # nats; for counting the capitals of a word as lower-case letters


class Baseline(ABC):
    """Restores the script from Latin letters without a network; called with a batch it is a predictor.

    Parameters
    ----------
    pack : Pack
    rules : sequence of Rules
        Rule sets as for `Romaniser`, for example ``task.romaniser.rules``.
    """

    def __init__(self, pack: Pack, rules: Sequence[Rules]) -> None:
        self.pack = pack
        self.channel = NoisyChannel(pack, rules)

    def __call__(self, batch: TextBatch) -> list[tuple[str, ...]]:
        """Return the symbols of each sample of a batch."""
        return [self.predict(typed) for typed in batch.typed]

    @abstractmethod
    def fit(self, texts: Iterable[str]) -> Self:
        """Fit to texts in the script, discarding any earlier fit. Return self."""

    @abstractmethod
    def predict(self, typed: str) -> tuple[str, ...]:
        """Return one symbol per letter: a unit, ``_``, or ``#`` for a letter outside the alphabet."""


class GreedyRules(Baseline):
    """From left to right the longest spelling, and its unit with the largest P(unit) P(spelling | unit).

    Unit counts have add-one smoothing. Ties go to the unit that is first in ``pack.outputs``.

    Parameters
    ----------
    pack : Pack
    rules : sequence of Rules

    Raises
    ------
    OptionError
        If `predict` is called before `fit`.
    """

    def __init__(self, pack: Pack, rules: Sequence[Rules]) -> None:
        super().__init__(pack, rules)
        self._log_prior: np.ndarray | None = None  # log P(unit)

    def fit(self, texts: Iterable[str]) -> Self:
        """Count the units of texts in the script, discarding earlier counts. Return self."""
        counts = np.ones(len(self.pack.plain))
        for text in texts:
            counts += np.bincount(self.channel.unit_codes(text), minlength=counts.size)
        self._log_prior = np.log(counts / counts.sum())
        return self

    def predict(self, typed: str) -> tuple[str, ...]:
        """Return one symbol per letter of a typed text."""
        if self._log_prior is None:
            raise OptionError("GreedyRules has no counts yet; call fit(texts) first.")
        log_prior = self._log_prior.tolist()
        choices: list[tuple[int, int]] = []
        start, column = 0, -2
        while start < len(typed):
            options = [option for option in self.channel.options(typed, start) if option.log_probs[column] > -inf]
            longest = [option for option in options if option.length == options[0].length]
            best = max(longest, key=lambda option: log_prior[option.code] + option.log_probs[column])
            choices.append((best.length, best.code))
            start, column = start + best.length, -1 if best.continues_word else -2
        return self.channel.symbols(choices)


class SearchStep(NamedTuple):
    """A possible extension of a path.

    Attributes
    ----------
    option : SpellingOption
    units : tuple of int
        Its units, as positions in ``pack.plain``; empty for a letter that stands for nothing.
    evidence : float
        Logarithm of further evidence for it.
    """

    option: SpellingOption
    units: tuple[int, ...]
    evidence: float = 0.0


class CharacterNGram(Baseline):
    """Beam search for the units and the style with the largest P(style) P(units) P(letters | units, style).

    The noisy channel of Knight and Graehl (1998), "Machine transliteration": an n-gram over the units of the script,
    including Latin ones, and the rules. A style is a rule set with or without capitals, for the whole text.

    Parameters
    ----------
    pack : Pack
    rules : sequence of Rules
    order : int
        Length of the longest n-gram in units, at least 2.
    beam_width : int
        Number of paths kept at each letter, at least 1. Paths that agree in ``order - 1`` units and style are merged.
    ngram : NGram, optional
        A fitted n-gram, which has its own order.
    fold_capitals : bool
        Whether capitals after a capital may count as lower-case letters: few words of a text are all in capitals.

    Raises
    ------
    OptionError
        For an invalid order or beam width, an n-gram over other symbols, or `predict` before `fit`.
    """

    def __init__(
        self,
        pack: Pack,
        rules: Sequence[Rules],
        order: int = 6,
        beam_width: int = 12,
        ngram: NGram | None = None,
        *,
        fold_capitals: bool = False,
    ) -> None:
        super().__init__(pack, rules)
        if beam_width < 1:
            raise OptionError(f"beam_width must be at least 1, got {beam_width}.")
        self.beam_width = beam_width
        if ngram is not None and ngram.size != len(pack.plain):
            raise OptionError(f"The n-gram has {ngram.size} symbols; {pack.title} has {len(pack.plain)}.")
        # code 0, the n-gram's boundary mark, is `_`, which no text contains
        self.ngram = ngram or NGram(len(pack.plain), order)
        self._lower = [*map(pack.plain.index, map(pack.lower_symbol, pack.plain))] if fold_capitals else []

    def fit(self, texts: Iterable[str]) -> Self:
        """Count the n-grams of texts in the script, discarding earlier counts. Return self."""
        self.ngram.fit(self.channel.unit_codes(text) for text in texts)
        return self

    def predict(self, typed: str) -> tuple[str, ...]:
        """Return one symbol per letter of a typed text."""
        return self.search(
            len(typed), lambda at: [SearchStep(option, (option.code,)) for option in self.channel.options(typed, at)]
        )

    def search(self, n_letters: int, steps: Callable[[int], Sequence[SearchStep]]) -> tuple[str, ...]:
        """Return the symbols of the best path.

        Parameters
        ----------
        n_letters : int
            Length of the typed text.
        steps : callable
            Function from the position of a letter to the steps that start there; at least one of them must be allowed
            in every style.

        Raises
        ------
        OptionError
            If there are no counts.
        """
        return self.channel.symbols(_path_units(self._best_path(n_letters, steps)[1]))

    def best_log_prob(self, n_letters: int, steps: Callable[[int], Sequence[SearchStep]]) -> float:
        """Return the log probability of the best path, including the evidence of its steps."""
        return self._best_path(n_letters, steps)[0]

    def _best_path(self, n_letters: int, steps: Callable[[int], Sequence[SearchStep]]) -> tuple[float, _Path]:
        if not self.ngram.is_fitted:
            raise OptionError("CharacterNGram has no counts yet; call fit(texts) first.")
        agenda: _Agenda = {0: {(0, n): (log(style.share), 2 * n, None) for n, style in enumerate(self.channel.styles)}}
        for at in range(n_letters):
            if at in agenda:
                self._extend(agenda, at, steps(at))
        ends = (
            (path[0] + self.ngram.log_prob(context, BOUNDARY), path) for (context, _), path in agenda[n_letters].items()
        )
        return max(ends, key=lambda end: end[0])

    def _extend(self, agenda: _Agenda, at: int, steps: Sequence[SearchStep]) -> None:
        """Extend the best paths that end before a letter by all steps that start there."""
        best = nlargest(self.beam_width, agenda.pop(at).items(), key=lambda item: item[1][0])
        for (start, style), path in best:
            score, column, last = path
            foldings = self._foldings(start, last)
            for step in steps:
                length, _, log_probs, continues_word = step.option
                total = score + log_probs[column] + step.evidence
                if total == -inf:
                    continue
                for fold, cost in foldings if any(map(self._is_capital, step.units)) else foldings[:1]:
                    value, context = self._add_units(total - cost, start, step.units, fold)
                    paths, state = agenda.setdefault(at + length, {}), (context, style)
                    if state not in paths or paths[state][0] < value:
                        paths[state] = value, 2 * style + continues_word, (step.option, path)

    def _add_units(self, total: float, context: int, units: Sequence[int], fold: bool) -> tuple[float, int]:
        """Return score and context after further units, counted as lower-case letters if `fold`."""
        for unit in units:
            code = self._lower[unit] if fold else unit
            total += self.ngram.log_prob(context, code)
            context = self.ngram.extend_context(context, code)
        return total, context

    def _foldings(self, context: int, last: tuple[SpellingOption, _Path] | None) -> Sequence[tuple[bool, float]]:
        """Return the ways to count the next capitals, as ``(fold, cost)``."""
        if last is None or not self._is_capital(last[0].code):
            return ((False, 0.0),)
        if self.ngram.last_code(context) != last[0].code:
            return ((True, 0.0),)
        return (False, 0.0), (True, FOLDING_COST)  # XIX is in the counts as it is, a headline is not

    def _is_capital(self, code: int) -> bool:
        return code < len(self._lower) and self._lower[code] != code


# Log probability, column of `SpellingOption.log_probs` for the next unit, and the last unit with the path before it.
_Path = tuple[float, int, "tuple[SpellingOption, _Path] | None"]
_Agenda = dict[int, dict[tuple[int, int], _Path]]  # for each letter the path to each (context, style)


def _path_units(path: _Path) -> list[tuple[int, int]]:
    """Return length and code of the units of a path, first unit first."""
    units, step = [], path[2]
    while step is not None:
        option, before = step
        units.append((option.length, option.code))
        step = before[2]
    return units[::-1]
