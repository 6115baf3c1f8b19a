"""Deviations from the spelling rules: omitted units and typing errors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from interp_transliteration.languages.pack import PLACEHOLDER, Pack

KEYBOARD_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
ROW_OFFSETS = (0.0, 0.25, 0.75)  # start of each row, in keys from the left
MAX_KEY_DISTANCE = 1.3  # keys


@dataclass(frozen=True)
class TypingNoise:
    """Omits units from texts and adds typing errors.

    Parameters
    ----------
    pack : Pack
    """

    pack: Pack

    @cached_property
    def _fused(self) -> tuple[np.ndarray, np.ndarray]:
        """For each output symbol, the omissible unit after it and the symbol for both; -1 if there is none."""
        codes = {symbol: number for number, symbol in enumerate(self.pack.outputs)}
        second, both = np.full((2, len(codes)), -1)
        for unit, omissible in self.pack.fused:
            second[codes[unit]], both[codes[unit]] = codes[omissible], codes[unit + omissible]
        return second, both

    def omit_units(self, codes: np.ndarray, counts: np.ndarray, share: np.ndarray, generator: np.random.Generator
                   ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """Omit some of the omissible units.

        Parameters
        ----------
        codes : array (unit,)
            Positions in ``pack.outputs`` of the units of concatenated texts.
        counts : array (text,)
            Number of units of each text.
        share : array (unit,)
            Probability that the unit is omitted if it is omissible, 0..1.

        Returns
        -------
        codes, mask : array (unit,)
            The codes, fused where the next unit is omitted, and a mask of the units that remain.
        """
        second, both = self._fused
        is_last = np.zeros(codes.size, dtype=bool)
        is_last[np.cumsum(counts)[counts > 0] - 1] = True
        following = np.append(codes[1:], -1)
        omitted = ~is_last & (second[codes] == following) & (following >= 0) & (generator.random(codes.size) < share)
        mask = np.ones(codes.size, dtype=bool)
        mask[1:] = ~omitted[:-1]
        return np.where(omitted, both[codes], codes), mask

    @cached_property
    def _neighbours(self) -> tuple[np.ndarray, np.ndarray]:
        """For each letter, the codes of the letters on adjacent keys, and their number."""
        keys = {letter: (row, ROW_OFFSETS[row] + column)
                for row, letters in enumerate(KEYBOARD_ROWS) for column, letter in enumerate(letters)}  # fmt: skip
        codes = {letter: number for number, letter in enumerate(self.pack.inputs)}
        table = np.full((len(codes), 8), -1)
        for letter, number in codes.items():
            row, x = keys.get(letter.lower(), (9, 99.0))
            adjacent = [other for other, (other_row, other_x) in keys.items() if other != letter.lower()
                        and abs(other_row - row) <= 1 and abs(other_x - x) <= MAX_KEY_DISTANCE]  # fmt: skip
            forms = (other.upper() if letter.isupper() else other for other in adjacent)
            typeable = [codes[form] for form in forms if form in codes]
            table[number, : len(typeable)] = typeable
        return table, (table >= 0).sum(1)

    def add_typos(self, inputs: np.ndarray, outputs: np.ndarray, share: np.ndarray, generator: np.random.Generator
                  ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
        """Add typing errors.

        An error is an adjacent key, two letters swapped, a letter typed twice (the second one is a placeholder), or a
        missing further letter of a spelling.

        Parameters
        ----------
        inputs, outputs : array (letter,)
            Positions in ``pack.inputs`` and ``pack.outputs``.
        share : array (letter,)
            Probability of an error, 0..1; 0 where there must be none, as in Latin words.

        Returns
        -------
        inputs, outputs : array (new letter,)
            Letters and symbols with errors.
        times : array (letter,)
            Number of copies of each original letter: 0, 1 or 2.
        """
        table, sizes = self._neighbours
        errors, kind = generator.random(inputs.size) < share, generator.integers(0, 4, inputs.size)
        adjacent = table[inputs, (generator.random(inputs.size) * sizes[inputs]).astype(int)]
        typed = np.where(errors & (kind == 0) & (adjacent >= 0), adjacent, inputs)
        first = np.flatnonzero((errors & (kind == 1))[:-1] & (share[1:] > 0))
        first = first[np.diff(first, prepend=-2) > 1]
        typed[first], typed[first + 1] = typed[first + 1], typed[first]
        times = np.ones(inputs.size, dtype=np.int64)
        times[errors & (kind == 2)] = 2
        times[errors & (kind == 3) & (outputs == self.pack.outputs.index(PLACEHOLDER))] = 0
        is_copy = np.zeros(int(times.sum()), dtype=bool)
        is_copy[(np.cumsum(times) - 1)[times == 2]] = True
        symbols = np.repeat(outputs, times)
        symbols[is_copy] = self.pack.outputs.index(PLACEHOLDER)
        return np.repeat(typed, times), symbols, times
