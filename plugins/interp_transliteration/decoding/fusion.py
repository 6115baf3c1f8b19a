"""A network and an n-gram together: the beam search of the n-gram, with what the network thinks of every unit."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from interp_transliteration.baselines import CharacterNGram, Step
from interp_transliteration.channel import Option
from interp_transliteration.pack import PLACEHOLDER

TRUST = 0.8  # of the network's logarithms, beside those of the n-gram and the rules
UNSPELLED = -8.0  # log P of a letter that the rules don't give for what the network reads in it
LIKELY = -4.0  # log P from which on the network's own reading is looked at where the rules don't have it
HOPELESS = -24.0  # log P below which a unit is left out


class Combined:
    """The units with the largest P(units) P(letters | units) P(symbols | letters)^w, sought with a beam.

    The first two factors are those of `CharacterNGram`, the third is a network's: products of models, as Hinton (2002),
    "Training products of experts by minimizing contrastive divergence". What the rules never spell so, as a mistyped
    letter, stays possible where the network reads it.

    Parameters
    ----------
    ngram : CharacterNGram
        Fitted.
    trust : float
        The exponent w.
    """

    def __init__(self, ngram: CharacterNGram, trust: float = TRUST) -> None:
        self.ngram, self.trust = ngram, trust

    @cached_property
    def _units(self) -> list[tuple[int, ...]]:
        """What each output symbol says, as positions in ``pack.plain``."""
        pack, code = self.ngram.pack, {symbol: number for number, symbol in enumerate(self.ngram.pack.plain)}
        single = [() if symbol == PLACEHOLDER else (code[symbol],) for symbol in pack.plain]
        return [*single, *((code[kept], code[dropped]) for kept, dropped in pack.fused)]

    def __call__(self, typed: str, logs: np.ndarray) -> tuple[str, ...]:
        """Return a symbol for each letter.

        Parameters
        ----------
        typed : str
        logs : array (letter, output)
            The network's log probabilities; ``-inf`` for what is out of the question.
        """
        return self.ngram.search(len(typed), self._ahead(typed, logs))

    def weigh(self, typed: str, logs: np.ndarray) -> float:
        """Return the logarithm of that product for the best units, of the same arguments."""
        return self.ngram.weigh(len(typed), self._ahead(typed, logs))

    def _ahead(self, typed: str, logs: np.ndarray) -> Callable[[int], list[Step]]:
        silent = np.concatenate([[0.0], np.cumsum(np.maximum(logs[:, 0], HOPELESS))])
        return lambda at: self._steps(typed, at, logs[at], silent)

    def _steps(self, typed: str, at: int, row: np.ndarray, silent: np.ndarray) -> list[Step]:
        """Return what the rules give for the letters from one on, and what the network reads in this one."""
        found, known = [], set()
        for option in self.ngram.channel.options(typed, at):
            evidence = float(row[option.code] + silent[at + option.length] - silent[at + 1])
            if evidence > HOPELESS:
                found.append(Step(option, self._units[option.code], self.trust * evidence))
                known.add(option.code)
        if not (at and typed[at - 1].isalnum()):  # where a word begins, no letter stands for nothing
            row = np.append(-np.inf, row[1:])
        best = int(row.argmax())
        anyhow = (UNSPELLED,) * (2 * len(self.ngram.channel.styles) + 2)
        likely = np.flatnonzero(row > LIKELY).tolist()
        more = {best, *(code for code in likely if code not in known)}  # with the best no style is left without a path
        return found + [Step(Option(1, code, anyhow, True), self._units[code], self.trust * float(row[code]))
                        for code in sorted(more)]  # fmt: skip
