"""What a network has to beat: rules with priors, and a character n-gram behind a noisy channel."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from heapq import nlargest
from math import inf, log
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from interp import OptionError
from interp_transliteration.channel import Channel, Option
from interp_transliteration.ngram import EDGE, NGram
from interp_transliteration.pack import Pack, Rules

if TYPE_CHECKING:
    from interp_transliteration.task import TextBatch


FOLDING = 2.0  # nats: what it costs to count the capitals of a word as small letters


class Baseline(ABC):
    """Restores script from Latin letters without a network; called with a batch it is a predictor.

    Parameters
    ----------
    pack : Pack
    rules : sequence of Rules
        As of a `Romaniser`, for example ``task.romaniser.rules``.
    """

    def __init__(self, pack: Pack, rules: Sequence[Rules]) -> None:
        self.pack = pack
        self.channel = Channel(pack, rules)

    def __call__(self, batch: TextBatch) -> list[tuple[str, ...]]:
        """Return the symbols of every sample of a batch."""
        return [self.predict(typed) for typed in batch.typed]

    @abstractmethod
    def fit(self, texts: Iterable[str]) -> Self:
        """Count texts in the script, instead of earlier ones. Return self."""

    @abstractmethod
    def predict(self, typed: str) -> tuple[str, ...]:
        """Return a symbol for each letter: a unit, ``_``, or ``#`` where the letter is outside the alphabet."""


class GreedyRules(Baseline):
    """From left to right the longest spelling, and of its units the one with the largest P(unit) P(spelling | unit).

    Every unit has one count more than the text gives it. Equal products go to the one that is first in
    ``pack.outputs``.

    Parameters
    ----------
    pack : Pack
    rules : sequence of Rules

    Raises
    ------
    OptionError
        `predict` before `fit`.
    """

    def __init__(self, pack: Pack, rules: Sequence[Rules]) -> None:
        super().__init__(pack, rules)
        self._prior: np.ndarray | None = None  # log P(unit)

    def fit(self, texts: Iterable[str]) -> Self:
        """Count the units of texts in the script, instead of earlier ones. Return self."""
        counts = np.ones(len(self.pack.plain))
        for text in texts:
            counts += np.bincount(self.channel.codes(text), minlength=counts.size)
        self._prior = np.log(counts / counts.sum())
        return self

    def predict(self, typed: str) -> tuple[str, ...]:
        """Return a symbol for each letter of what was typed."""
        if self._prior is None:
            raise OptionError("GreedyRules has no counts yet; call fit(texts) first.")
        prior = self._prior.tolist()
        choices: list[tuple[int, int]] = []
        start, place = 0, -2
        while start < len(typed):
            found = [option for option in self.channel.options(typed, start) if option.chances[place] > -inf]
            longest = [option for option in found if option.length == found[0].length]
            best = max(longest, key=lambda option: prior[option.code] + option.chances[place])
            choices.append((best.length, best.code))
            start, place = start + best.length, -1 if best.goes_on else -2
        return self.channel.symbols(choices)


class Step(NamedTuple):
    """What a path can be lengthened by.

    Attributes
    ----------
    option : Option
    units : tuple of int
        What it says in the script, as positions in ``pack.plain``; none for a letter that stands for nothing.
    evidence : float
        Logarithm of what else speaks for it.
    """

    option: Option
    units: tuple[int, ...]
    evidence: float = 0.0


class CharacterNGram(Baseline):
    """The units and the style with the largest P(style) P(units) P(letters | units, style), sought with a beam.

    The noisy channel of Knight and Graehl (1998), "Machine transliteration": an n-gram over the units of the script,
    Latin ones among them, and the rules. A style is a rule set with or without capitals, for the text as a whole.

    Parameters
    ----------
    pack : Pack
    rules : sequence of Rules
    order : int
        Units in the longest n-gram, at least 2.
    beam : int
        Paths kept at each letter, at least 1, where those that agree in ``order - 1`` units and style are one.
    language : NGram, optional
        One that is fitted already; it has an order of its own.
    folds : bool
        Whether capitals behind a capital may count as small letters: text has few words all in capitals to count.

    Raises
    ------
    OptionError
        A wrong order or beam, an n-gram over other symbols, or `predict` before `fit`.
    """

    def __init__(
        self,
        pack: Pack,
        rules: Sequence[Rules],
        order: int = 6,
        beam: int = 12,
        language: NGram | None = None,
        *,
        folds: bool = False,
    ) -> None:
        super().__init__(pack, rules)
        if beam < 1:
            raise OptionError(f"beam must be at least 1, got {beam}.")
        self.beam = beam
        if language is not None and language.size != len(pack.plain):
            raise OptionError(f"The n-gram has {language.size} symbols; {pack.title} has {len(pack.plain)}.")
        # code 0, the n-gram's mark of both ends, is `_`: no text has it
        self.language = language or NGram(len(pack.plain), order)
        self._small = [*map(pack.plain.index, map(pack.small, pack.plain))] if folds else []

    def fit(self, texts: Iterable[str]) -> Self:
        """Count the n-grams of texts in the script, instead of earlier ones. Return self."""
        self.language.fit(self.channel.codes(text) for text in texts)
        return self

    def predict(self, typed: str) -> tuple[str, ...]:
        """Return a symbol for each letter of what was typed."""
        return self.search(
            len(typed), lambda at: [Step(option, (option.code,)) for option in self.channel.options(typed, at)]
        )

    def search(self, letters: int, steps: Callable[[int], Sequence[Step]]) -> tuple[str, ...]:
        """Return the symbols of the best path through so many letters.

        Parameters
        ----------
        letters : int
        steps : callable
            Takes a letter's number and returns what can begin there, at least one step that every style allows.

        Raises
        ------
        OptionError
            Without counts.
        """
        return self.channel.symbols(_choices(self._best(letters, steps)[1]))

    def weigh(self, letters: int, steps: Callable[[int], Sequence[Step]]) -> float:
        """Return the logarithm of the probability of that path, with the evidence of its steps."""
        return self._best(letters, steps)[0]

    def _best(self, letters: int, steps: Callable[[int], Sequence[Step]]) -> tuple[float, _Path]:
        if not self.language.fitted:
            raise OptionError("CharacterNGram has no counts yet; call fit(texts) first.")
        ahead: _Ahead = {0: {(0, n): (log(style.share), 2 * n, None) for n, style in enumerate(self.channel.styles)}}
        for at in range(letters):
            if at in ahead:
                self._extend(ahead, at, steps(at))
        ends = ((path[0] + self.language.log(context, EDGE), path) for (context, _), path in ahead[letters].items())
        return max(ends, key=lambda end: end[0])

    def _extend(self, ahead: _Ahead, at: int, steps: Sequence[Step]) -> None:
        """Lengthen the best paths that end before a letter by everything that can begin there."""
        best = nlargest(self.beam, ahead.pop(at).items(), key=lambda item: item[1][0])
        for (start, style), path in best:
            score, row, last = path
            ways = self._ways(start, last)
            for step in steps:
                length, _, chances, goes_on = step.option
                reward = score + chances[row] + step.evidence
                if reward == -inf:
                    continue
                for small, price in ways if any(map(self._is_capital, step.units)) else ways[:1]:
                    total, context = self._read(reward - price, start, step.units, small)
                    reached, state = ahead.setdefault(at + length, {}), (context, style)
                    if state not in reached or reached[state][0] < total:
                        reached[state] = total, 2 * style + goes_on, (step.option, path)

    def _read(self, total: float, context: int, units: Sequence[int], small: bool) -> tuple[float, int]:
        """Return a score and a context with some more units, counted as small letters or as they are."""
        for unit in units:
            code = self._small[unit] if small else unit
            total += self.language.log(context, code)
            context = self.language.push(context, code)
        return total, context

    def _ways(self, context: int, last: tuple[Option, _Path] | None) -> Sequence[tuple[bool, float]]:
        """Return how capitals that come next may be counted, as small letters or not, and for what price."""
        if last is None or not self._is_capital(last[0].code):
            return ((False, 0.0),)
        if self.language.last(context) != last[0].code:
            return ((True, 0.0),)
        return (False, 0.0), (True, FOLDING)  # XIX is known as it is, a headline is not

    def _is_capital(self, code: int) -> bool:
        return code < len(self._small) and self._small[code] != code


# Log probability, place in `Option.chances` of the next unit, and the last unit with the path before it.
_Path = tuple[float, int, "tuple[Option, _Path] | None"]
_Ahead = dict[int, dict[tuple[int, int], _Path]]  # for each letter the path to each (context, style)


def _choices(path: _Path) -> list[tuple[int, int]]:
    """Return length and code of the units of a path, the first one first."""
    found, step = [], path[2]
    while step is not None:
        option, before = step
        found.append((option.length, option.code))
        step = before[2]
    return found[::-1]
