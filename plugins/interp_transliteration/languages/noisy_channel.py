"""The noisy channel: rule sets turned round, from spellings to the units that they can stand for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf, log
from typing import NamedTuple

import numpy as np

from interp_transliteration.pack import PLACEHOLDER, UNKNOWN, Pack, Rules
from interp_transliteration.romanise import Romaniser

UNUSUAL = 1e-6  # P(spelling | unit) of a kept character that the rules always spell differently


class Style(NamedTuple):
    """How a whole text is typed.

    Attributes
    ----------
    rules : Rules
    small : bool
        Without capitals.
    share : float
        Of all texts, 0..1.
    """

    rules: Rules
    small: bool
    share: float


class Option(NamedTuple):
    """A unit that some letters can stand for.

    Attributes
    ----------
    length : int
        Of the spelling, in letters.
    code : int
        The unit's position in ``pack.outputs``.
    chances : tuple of float
        log P(spelling | unit), at ``2 * style`` at the start of a word and at ``2 * style + 1`` inside one; the last
        two are those of a text of unknown style. ``-inf`` where the rules don't have the spelling.
    goes_on : bool
        Whether the next unit is inside a word.
    """

    length: int
    code: int
    chances: tuple[float, ...]
    goes_on: bool


class Channel:
    """For every spelling the units that it can stand for.

    Parameters
    ----------
    pack : Pack
    rules : sequence of Rules
        As of a `Romaniser`: each is as likely.

    Attributes
    ----------
    styles : tuple of Style
        Shares sum to 1.
    """

    def __init__(self, pack: Pack, rules: Sequence[Rules]) -> None:
        self.pack = pack
        self.styles = tuple(
            Style(one, small, share / len(rules))
            for one in rules
            for small, share in ((False, 1 - one.lower_case), (True, one.lower_case))
            if share
        )
        self._romaniser = Romaniser(pack, rules)
        self._unknown = pack.outputs.index(UNKNOWN)
        self._options: dict[str, list[Option]] = {}
        for code, symbol in enumerate(pack.plain):
            if symbol not in (PLACEHOLDER, UNKNOWN):
                self._tabulate(code, symbol)
        self._longest = max(map(len, self._options))

    def _tabulate(self, code: int, symbol: str) -> None:
        tables = [self._spellings(symbol, style, first) for style in self.styles for first in (True, False)]
        for latin in dict.fromkeys(latin for table in tables for latin in table):
            chances = [table.get(latin, 0.0) for table in tables]
            for place in (0, 1):
                chances.append(sum(style.share * chances[2 * row + place] for row, style in enumerate(self.styles)))
            logs = tuple(log(chance) if chance else -inf for chance in chances)
            self._options.setdefault(latin, []).append(Option(len(latin), code, logs, self._goes_on(symbol)))

    def _spellings(self, symbol: str, style: Style, starts_word: bool) -> dict[str, float]:
        found: dict[str, float] = {}
        for latin, share in style.rules.spellings(symbol, starts_word=starts_word).items():
            form = self._lower(latin) if style.small and symbol in self.pack.units else latin
            found[form] = found.get(form, 0.0) + share
        if symbol in self.pack.kept:
            found.setdefault(symbol, UNUSUAL)
        return found

    def _lower(self, latin: str) -> str:
        return "".join(char.lower() if char.lower() in self.pack.kept else char for char in latin)

    def _goes_on(self, symbol: str) -> bool:
        return not self._romaniser.rows(symbol + " ")[0][-1] % 2

    def codes(self, text: str) -> np.ndarray:
        """Return the units of a text in the script as positions in ``pack.outputs``: (unit,)."""
        return self._romaniser.rows(text)[0] // 2

    def options(self, typed: str, start: int) -> list[Option]:
        """Return what can begin at one letter of a typed text, the longest spelling first; never empty."""
        if typed[start] not in self._options:
            chances = (0.0,) * (2 * len(self.styles) + 2)
            return [Option(1, self._unknown, chances, self._goes_on(typed[start]))]
        found: list[Option] = []
        for length in range(min(self._longest, len(typed) - start), 0, -1):
            found += self._options.get(typed[start : start + length], ())
        return found

    def symbols(self, choices: Iterable[tuple[int, int]]) -> tuple[str, ...]:
        """Return a symbol for each letter, given ``(length, code)`` of the units one after the other."""
        outputs = self.pack.outputs
        return tuple(symbol for length, code in choices for symbol in (outputs[code], *[PLACEHOLDER] * (length - 1)))
