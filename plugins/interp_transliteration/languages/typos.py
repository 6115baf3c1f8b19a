"""What people do beyond spelling: units that they leave out, and slips of the fingers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from interp_transliteration.pack import PLACEHOLDER, Pack

KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
SHIFT = (0.0, 0.25, 0.75)  # how far to the right each row of a keyboard begins, in keys
NEAR = 1.3  # keys


@dataclass(frozen=True)
class Noise:
    """Leaves units out of texts, and mistypes letters.

    Parameters
    ----------
    pack : Pack
    """

    pack: Pack

    @cached_property
    def _fused(self) -> tuple[np.ndarray, np.ndarray]:
        """For each output symbol the one left out behind it and the one that stands for both; -1 for none."""
        code = {symbol: number for number, symbol in enumerate(self.pack.outputs)}
        second, both = np.full((2, len(code)), -1)
        for kept, dropped in self.pack.fused:
            second[code[kept]], both[code[kept]] = code[dropped], code[kept + dropped]
        return second, both

    def leave_out(self, codes: np.ndarray, counts: np.ndarray, share: np.ndarray, draw: np.random.Generator
                  ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """Return codes with some units left out, and which of the old places are kept.

        Parameters
        ----------
        codes : array (unit,)
            Positions in ``pack.outputs``, of texts one after the other.
        counts : array (text,)
            Units of each text.
        share : array (unit,)
            Chance of each unit to be left out where that can be, 0..1.
        """
        second, both = self._fused
        ends = np.zeros(codes.size, dtype=bool)
        ends[np.cumsum(counts)[counts > 0] - 1] = True
        follows = np.append(codes[1:], -1)
        gone = ~ends & (second[codes] == follows) & (follows >= 0) & (draw.random(codes.size) < share)
        kept = np.ones(codes.size, dtype=bool)
        kept[1:] = ~gone[:-1]
        return np.where(gone, both[codes], codes), kept

    @cached_property
    def _neighbours(self) -> tuple[np.ndarray, np.ndarray]:
        """For each letter the codes of those on keys beside its own, and how many there are."""
        places = {letter: (row, SHIFT[row] + at) for row, keys in enumerate(KEYS) for at, letter in enumerate(keys)}
        code = {letter: number for number, letter in enumerate(self.pack.inputs)}
        table = np.full((len(code), 8), -1)
        for letter, number in code.items():
            row, at = places.get(letter.lower(), (9, 99.0))
            near = [other for other, (line, x) in places.items()
                    if other != letter.lower() and abs(line - row) <= 1 and abs(x - at) <= NEAR]  # fmt: skip
            known = [code[form] for form in (one.upper() if letter.isupper() else one for one in near) if form in code]
            table[number, : len(known)] = known
        return table, (table >= 0).sum(1)

    def mistype(self, inputs: np.ndarray, outputs: np.ndarray, share: np.ndarray, draw: np.random.Generator
                ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
        """Return letters and symbols with slips, and how often each old letter is there: 0, 1 or 2 times.

        A slip is a key beside the right one, two letters the wrong way round, a letter twice (the second stands for
        nothing), or a further letter of a spelling that is missing.

        Parameters
        ----------
        inputs, outputs : array (letter,)
            Positions in ``pack.inputs`` and ``pack.outputs``.
        share : array (letter,)
            Chance of a slip, 0..1; 0 where there is none to be, as in Latin words.
        """
        table, sizes = self._neighbours
        slips, kind = draw.random(inputs.size) < share, draw.integers(0, 4, inputs.size)
        beside = table[inputs, (draw.random(inputs.size) * sizes[inputs]).astype(int)]
        typed = np.where(slips & (kind == 0) & (beside >= 0), beside, inputs)
        first = np.flatnonzero((slips & (kind == 1))[:-1] & (share[1:] > 0))
        first = first[np.diff(first, prepend=-2) > 1]
        typed[first], typed[first + 1] = typed[first + 1], typed[first]
        times = np.ones(inputs.size, dtype=np.int64)
        times[slips & (kind == 2)] = 2
        times[slips & (kind == 3) & (outputs == self.pack.outputs.index(PLACEHOLDER))] = 0
        again = np.zeros(int(times.sum()), dtype=bool)
        again[(np.cumsum(times) - 1)[times == 2]] = True
        symbols = np.repeat(outputs, times)
        symbols[again] = self.pack.outputs.index(PLACEHOLDER)
        return np.repeat(typed, times), symbols, times
