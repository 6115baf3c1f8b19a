"""Fusion of a network with a character n-gram: a joint beam search, and the decision which words stay Latin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from interp_transliteration.baselines.baselines import CharacterNGram, SearchStep
from interp_transliteration.decoding.latin_words import LatinWordFilter, WordEvidence
from interp_transliteration.languages.noisy_channel import SpellingOption
from interp_transliteration.languages.pack import PLACEHOLDER

NETWORK_WEIGHT = 0.8  # of the network's log probabilities, relative to those of the n-gram and the rules
UNRULED_LOG_PROB = -8.0  # log P(letters | unit) of a reading of the network that the rules don't have
MIN_READING_LOG_PROB = -4.0  # from which a reading of the network without a rule is considered
MIN_UNIT_LOG_PROB = -24.0  # below which a unit is not considered

# From `models/scripts/fit_fusion.py`: a regression on held-out sentences, plain and with Latin passages.
GAIN_WEIGHT, LOG_ODDS_WEIGHT = 0.25, 0.40  # per nat of search gain, and per nat and letter of the network's log odds
OTHER_WORD_WEIGHT, BIAS = 0.22, 0.25  # of the score of the best other word, and the constant
MAX_OTHER_SCORE = 9.0  # bound of the score of the other word
SCRIPT_LOG_ODDS = -40.0  # nats; below it a word is in the script without a search
CONTEXT_LETTERS = 8  # letters on either side of a word that are searched with it: an n-gram sees no further


class NGramFusion:
    """Beam search for the units with the largest P(units) P(letters | units) P(symbols | letters)^w.

    The first two factors are those of `CharacterNGram`, the third is that of a network: a product of models as in
    Hinton (2002), "Training products of experts by minimizing contrastive divergence". A spelling without a rule, such
    as a mistyped letter, is possible where the network reads it.

    Parameters
    ----------
    ngram : CharacterNGram
        A fitted n-gram.
    network_weight : float
        The exponent w.
    """

    def __init__(self, ngram: CharacterNGram, network_weight: float = NETWORK_WEIGHT) -> None:
        self.ngram, self.network_weight = ngram, network_weight

    @cached_property
    def _units(self) -> list[tuple[int, ...]]:
        """Units of each output symbol, as positions in ``pack.plain``."""
        pack, codes = self.ngram.pack, {symbol: number for number, symbol in enumerate(self.ngram.pack.plain)}
        single = [() if symbol == PLACEHOLDER else (codes[symbol],) for symbol in pack.plain]
        return [*single, *((codes[unit], codes[omissible]) for unit, omissible in pack.fused)]

    def __call__(self, typed: str, log_probs: np.ndarray) -> tuple[str, ...]:
        """Return one symbol per letter.

        Parameters
        ----------
        typed : str
        log_probs : array (letter, output)
            Log probabilities of the network; ``-inf`` for excluded outputs.
        """
        return self.ngram.search(len(typed), self._make_steps(typed, log_probs))

    def best_log_prob(self, typed: str, log_probs: np.ndarray) -> float:
        """Return the logarithm of the product for the best units; arguments as for a call."""
        return self.ngram.best_log_prob(len(typed), self._make_steps(typed, log_probs))

    def _make_steps(self, typed: str, log_probs: np.ndarray) -> Callable[[int], list[SearchStep]]:
        silent = np.concatenate([[0.0], np.cumsum(np.maximum(log_probs[:, 0], MIN_UNIT_LOG_PROB))])
        return lambda at: self._steps(typed, at, log_probs[at], silent)

    def _steps(self, typed: str, at: int, row: np.ndarray, silent: np.ndarray) -> list[SearchStep]:
        """Return the options of the rules from a letter on, and the network's readings of this letter."""
        steps, codes = [], set()
        for option in self.ngram.channel.options(typed, at):
            evidence = float(row[option.code] + silent[at + option.length] - silent[at + 1])
            if evidence > MIN_UNIT_LOG_PROB:
                steps.append(SearchStep(option, self._units[option.code], self.network_weight * evidence))
                codes.add(option.code)
        if not (at and typed[at - 1].isalnum()):  # at the start of a word no letter is a placeholder
            row = np.append(-np.inf, row[1:])
        best = int(row.argmax())
        log_probs = (UNRULED_LOG_PROB,) * (2 * len(self.ngram.channel.styles) + 2)
        likely = np.flatnonzero(row > MIN_READING_LOG_PROB).tolist()
        unruled = {best, *(code for code in likely if code not in codes)}  # the best one gives every style a path
        return steps + [SearchStep(SpellingOption(1, code, log_probs, True), self._units[code],
                                   self.network_weight * float(row[code])) for code in sorted(unruled)]  # fmt: skip


class KeepLatinDecision:
    """Decides for each word if it stays as typed.

    The log odds are ``.25 gain + .40 odds + .22 other + .25``. The gain is log P of the line with the word as typed
    minus that with the word in the script, from the search. The odds are the network's mean log odds per letter. The
    last term is the largest sum of the first two terms over the other words, clipped to -9..9, and -9 without another
    word. A network trained on Latin passages takes too many foreign names for them; an n-gram knows how names are
    written.

    Parameters
    ----------
    latin_filter : LatinWordFilter
    fusion : NGramFusion
    """

    def __init__(self, latin_filter: LatinWordFilter, fusion: NGramFusion) -> None:
        self.latin_filter, self.fusion = latin_filter, fusion

    def __call__(self, typed: str, log_probs: np.ndarray) -> list[slice]:
        """Return the spans of the words that stay as typed, always including links and foreign letters.

        Parameters
        ----------
        typed : str
        log_probs : array (letter, output)
            Log probabilities of the network.
        """
        certain, candidates = self.gains(typed, log_probs)
        scores = [GAIN_WEIGHT * gain + LOG_ODDS_WEIGHT * word.log_odds / word.n_letters for word, gain in candidates]
        log_odds = [score + OTHER_WORD_WEIGHT * other + BIAS
                    for score, other in zip(scores, best_other_scores(scores), strict=True)]  # fmt: skip
        return certain + [word.inner_span() for (word, _), value in zip(candidates, log_odds, strict=True) if value > 0]

    def gains(self, typed: str, log_probs: np.ndarray) -> tuple[list[slice], list[tuple[WordEvidence, float]]]:
        """Return the spans of the words that certainly stay, and each candidate word with its gain in nats."""
        words = self.latin_filter.evidence(typed, log_probs)
        certain = [word.inner_span() for word in words if np.isinf(word.log_odds)]
        candidates = [word for word in words if SCRIPT_LOG_ODDS < word.log_odds < np.inf]
        likely = certain + [word.inner_span() for word in candidates if word.log_odds > 0]
        return certain, [(word, self._gain(typed, log_probs, word.inner_span(), likely)) for word in candidates]

    def _gain(self, typed: str, log_probs: np.ndarray, word: slice, likely: Sequence[slice]) -> float:
        first, last = max(word.start - CONTEXT_LETTERS, 0), word.stop + CONTEXT_LETTERS
        part, rows = typed[first:last], log_probs[first:last]
        others = [_shift(span, first) for span in likely if span != word and span.stop > first]
        latin, script = (
            self.fusion.best_log_prob(part, self.latin_filter.constrain(part, rows, spans))
            for spans in ([*others, _shift(word, first)], others)
        )
        return latin - script


def best_other_scores(scores: Sequence[float]) -> list[float]:
    """Return for each word the largest score among the other words, clipped to -9..9; -9 without another word."""
    best = (max((*scores[:at], *scores[at + 1 :]), default=-MAX_OTHER_SCORE) for at in range(len(scores)))
    return [min(max(score, -MAX_OTHER_SCORE), MAX_OTHER_SCORE) for score in best]


def _shift(span: slice, first: int) -> slice:
    """Return a span of a line relative to a part of the line that starts at `first`."""
    return slice(max(span.start - first, 0), span.stop - first)
