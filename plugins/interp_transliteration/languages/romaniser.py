"""Text to Latin letters and back: sampled spellings, aligned one symbol a letter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from interp_transliteration.noise import Noise
from interp_transliteration.pack import PLACEHOLDER, SHARES, UNKNOWN, Pack, Rules


@dataclass(frozen=True)
class Aligned:
    """A Latin spelling and the symbol that each of its letters stands for.

    Parameters
    ----------
    latin : str
        What somebody typed.
    symbols : tuple of str
        One symbol for each character of ``latin``: a unit, ``_`` for each further letter of a spelling, or ``#``.
    """

    latin: str
    symbols: tuple[str, ...]


def restore(latin: str, symbols: Sequence[str]) -> str:
    """Return the text that aligned symbols stand for.

    Parameters
    ----------
    latin : str
        What was typed; ``#`` takes its character from here.
    symbols : sequence of str
        One for each character of ``latin``; ``_`` is dropped.

    Raises
    ------
    ValueError
        When the lengths differ.
    """
    return "".join(
        typed if symbol == UNKNOWN else symbol
        for typed, symbol in zip(latin, symbols, strict=True)
        if symbol != PLACEHOLDER
    )


@dataclass(frozen=True)
class Encoded:
    """Samples as codes, one after the other.

    Attributes
    ----------
    inputs, outputs : array (token,)
        Positions in ``pack.inputs`` and ``pack.outputs``.
    typed : str
        The Latin text of all tokens.
    lengths : array (sample,)
        Tokens of each sample.
    """

    inputs: np.ndarray
    outputs: np.ndarray
    typed: str
    lengths: np.ndarray


@dataclass
class _Options:
    """The flat table of spellings: row ``2 * symbol + starts_word`` of a rule set, then its options."""

    edges: list[float] = field(default_factory=list)
    letters: list[list[int]] = field(default_factory=list)
    symbol: list[int] = field(default_factory=list)
    scripted: list[bool] = field(default_factory=list)


class Romaniser:
    """Samples spellings of texts by the probabilities of one or more rule sets.

    Parameters
    ----------
    pack : Pack
    rules : sequence of Rules
        Each sample draws one of them; a name that stands twice is drawn twice as often.
    """

    def __init__(self, pack: Pack, rules: Sequence[Rules]) -> None:
        self.pack = pack
        self.rules = tuple(rules)
        self._symbol = {symbol: code for code, symbol in enumerate(pack.plain)}
        self._noise = Noise(pack)
        self._letter = {letter: code for code, letter in enumerate(pack.inputs)}
        self._inside = frozenset(pack.letters | set(pack.inside_word))
        self._lower = np.array([self._letter.get(letter.lower(), code) for code, letter in enumerate(pack.inputs)])
        options = _Options()
        for number, rule_set in enumerate(self.rules):
            self._tabulate(options, rule_set, first=2 * len(pack.outputs) * number)
        self._edges = np.array(options.edges)
        self._sizes = np.array([len(letters) for letters in options.letters])
        self._starts = np.concatenate([[0], np.cumsum(self._sizes)[:-1]])
        self._letters = np.array([letter for letters in options.letters for letter in letters], dtype=np.int16)
        self._outputs = np.array(options.symbol, dtype=np.int16)
        self._scripted = np.array(options.scripted)

    def _tabulate(self, options: _Options, rules: Rules, first: int) -> None:
        spelled = [*self.pack.plain, *(kept for kept, _ in self.pack.fused)]
        for code, symbol in enumerate(spelled):
            for starts_word in (False, True):
                spellings = rules.spellings(symbol, starts_word=starts_word)
                row, reached = first + 2 * code + starts_word, np.cumsum(list(spellings.values()))
                reached[-1] = 1.0
                options.edges += (row + reached).tolist()
                options.letters += [[self._letter.get(char, -1) for char in latin] for latin in spellings]
                options.symbol += [code] * len(spellings)
                options.scripted += [symbol in self.pack.units] * len(spellings)

    def rows(self, text: str) -> tuple[np.ndarray, list[str]]:
        """Return the row of the table for each unit of a text, and the units that are outside the alphabet."""
        unknown, rows, inside = self._symbol[UNKNOWN], [], False
        strange = []
        for unit in self.pack.split(text):
            code = self._symbol.get(unit, unknown) if unit != PLACEHOLDER else unknown
            if code == unknown:
                strange.append(unit)
            rows.append(2 * code + (not inside))
            inside = unit in self._inside or unit[-1] in self._inside or unit.isalpha()
        return np.array(rows, dtype=np.int64), strange

    def encode(self, texts: Sequence[str], seed: int) -> Encoded:
        """Sample one spelling of each text.

        Parameters
        ----------
        texts : sequence of str
        seed : int
            The same seed and texts give the same spellings; further texts don't change those before.
        """
        draws, styles = (np.random.default_rng([seed, stream]) for stream in (0, 1))
        parsed = [self.rows(text) for text in texts]
        counts = np.array([rows.size for rows, _ in parsed], dtype=np.int64)
        rows = np.concatenate([rows for rows, _ in parsed]) if parsed else np.zeros(0, np.int64)
        choice = styles.random((len(texts), 2))
        style = (choice[:, 0] * len(self.rules)).astype(int)
        shares = {name: np.array([getattr(rules, name) for rules in self.rules])[style] for name in SHARES}
        small = choice[:, 1] < shares["lower_case"]
        if shares["left_out"].any():
            rows, counts = self._leave_out(rows, counts, shares["left_out"], np.random.default_rng([seed, 5]))
        rows = rows + np.repeat(style, counts) * 2 * len(self.pack.outputs)
        largest = np.nextafter(rows + 1.0, 0)  # the sum may round up to the next row
        drawn = np.minimum(rows + draws.random(rows.size), largest)
        option = np.searchsorted(self._edges, drawn, side="right")
        strange = [char for _, strangers in parsed for char in strangers]
        inputs, outputs, lengths = self._spell(option, counts, np.repeat(small, counts))
        if shares["typos"].any():
            chance = np.repeat(shares["typos"], lengths) * self._of_script(outputs)
            draw = np.random.default_rng([seed, 6])
            inputs, outputs, times = self._noise.mistype(inputs, outputs, chance, draw)
            lengths = _summed(times, lengths)
        return Encoded(inputs, outputs, self._typed(inputs, strange), lengths)

    def _leave_out(self, rows: np.ndarray, counts: np.ndarray, share: np.ndarray, draw: np.random.Generator
                   ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        codes, kept = self._noise.leave_out(rows // 2, counts, np.repeat(share, counts), draw)
        return (2 * codes + rows % 2)[kept], _summed(kept, counts)

    def _of_script(self, outputs: np.ndarray) -> np.ndarray:
        """Return which letters belong to a unit of the script: its first one, and its placeholders."""
        units = len(self.pack.units)
        return (outputs <= units) | (outputs >= len(self.pack.plain))

    def _spell(self, option: np.ndarray, counts: np.ndarray, small: np.ndarray
               ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
        sizes = self._sizes[option]
        ends = np.cumsum(sizes)
        first = ends - sizes
        total = int(ends[-1]) if ends.size else 0
        within = np.arange(total) - np.repeat(first, sizes)
        inputs = self._letters[np.repeat(self._starts[option], sizes) + within]
        inputs = np.where(np.repeat(small & self._scripted[option], sizes), self._lower[inputs], inputs)
        outputs = np.zeros(total, dtype=np.int16)
        outputs[first] = self._outputs[option]
        return inputs, outputs, _summed(sizes, counts)

    def _typed(self, inputs: np.ndarray, strange: list[str]) -> str:
        typed = np.array(self.pack.inputs, dtype=object)[inputs]  # arrays of str would drop a NUL
        typed[inputs == self._letter[UNKNOWN]] = strange
        return "".join(typed.tolist())

    def align(self, text: str, seed: int = 0) -> Aligned:
        """Sample a spelling of one text, with its aligned symbols."""
        encoded = self.encode([text], seed)
        return Aligned(encoded.typed, tuple(self.pack.outputs[code] for code in encoded.outputs))


def _summed(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the sum of the values of each group; groups of these sizes stand one after the other."""
    reached = np.concatenate([[0], np.cumsum(values)])[np.concatenate([[0], np.cumsum(counts)])]
    return np.diff(reached)


def split_samples(encoded: Encoded) -> Iterator[tuple[np.ndarray, np.ndarray, str]]:
    """Yield ``(inputs, outputs, typed)`` of each sample."""
    stop = 0
    for length in encoded.lengths.tolist():
        start, stop = stop, stop + length
        yield encoded.inputs[start:stop], encoded.outputs[start:stop], encoded.typed[start:stop]
