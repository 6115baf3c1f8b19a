"""Romanisation: random Latin spellings of texts, aligned with one symbol per letter, and their inverse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from interp_transliteration.languages.pack import PLACEHOLDER, SHARE_KEYS, UNKNOWN, Pack, Rules
from interp_transliteration.languages.typos import TypingNoise


@dataclass(frozen=True)
class Alignment:
    """A Latin spelling with the symbol that each of its letters stands for.

    Parameters
    ----------
    latin : str
        The typed text.
    symbols : tuple of str
        One symbol per character of ``latin``: a unit, ``_`` for each further letter of a spelling, or ``#``.
    """

    latin: str
    symbols: tuple[str, ...]


def restore(latin: str, symbols: Sequence[str]) -> str:
    """Return the text that aligned symbols stand for.

    Parameters
    ----------
    latin : str
        The typed text; ``#`` is replaced by its character.
    symbols : sequence of str
        One symbol per character of ``latin``; ``_`` is dropped.

    Raises
    ------
    ValueError
        If the lengths differ.
    """
    return "".join(
        typed if symbol == UNKNOWN else symbol
        for typed, symbol in zip(latin, symbols, strict=True)
        if symbol != PLACEHOLDER
    )


@dataclass(frozen=True)
class EncodedSamples:
    """Samples as codes, concatenated.

    Attributes
    ----------
    inputs, outputs : array (token,)
        Positions in ``pack.inputs`` and ``pack.outputs``.
    typed : str
        Latin text of all tokens.
    lengths : array (sample,)
        Number of tokens of each sample.
    """

    inputs: np.ndarray
    outputs: np.ndarray
    typed: str
    lengths: np.ndarray


@dataclass
class _SpellingTable:
    """All spellings in flat lists; row ``2 * symbol + starts_word`` of a rule set, then its spellings."""

    edges: list[float] = field(default_factory=list)
    letters: list[list[int]] = field(default_factory=list)
    symbols: list[int] = field(default_factory=list)
    is_scripted: list[bool] = field(default_factory=list)


class Romaniser:
    """Sample spellings of texts by the probabilities of one or more rule sets.

    Parameters
    ----------
    pack : Pack
    rules : sequence of Rules
        Each sample draws one of them; a rule set listed twice is drawn twice as often.
    """

    def __init__(self, pack: Pack, rules: Sequence[Rules]) -> None:
        self.pack = pack
        self.rules = tuple(rules)
        self._symbol_codes = {symbol: code for code, symbol in enumerate(pack.plain)}
        self._noise = TypingNoise(pack)
        self._letter_codes = {letter: code for code, letter in enumerate(pack.inputs)}
        self._word_characters = frozenset(pack.letters | set(pack.inside_word))
        self._lower = np.array(
            [self._letter_codes.get(letter.lower(), code) for code, letter in enumerate(pack.inputs)]
        )
        table = _SpellingTable()
        for number, rule_set in enumerate(self.rules):
            self._tabulate(table, rule_set, first=2 * len(pack.outputs) * number)
        self._edges = np.array(table.edges)
        self._sizes = np.array([len(letters) for letters in table.letters])
        self._starts = np.concatenate([[0], np.cumsum(self._sizes)[:-1]])
        self._letters = np.array([letter for letters in table.letters for letter in letters], dtype=np.int16)
        self._outputs = np.array(table.symbols, dtype=np.int16)
        self._is_scripted = np.array(table.is_scripted)

    def _tabulate(self, table: _SpellingTable, rules: Rules, first: int) -> None:
        symbols = [*self.pack.plain, *(unit for unit, _ in self.pack.fused)]
        for code, symbol in enumerate(symbols):
            for starts_word in (False, True):
                spellings = rules.spellings(symbol, starts_word=starts_word)
                row, cumulative = first + 2 * code + starts_word, np.cumsum(list(spellings.values()))
                cumulative[-1] = 1.0
                table.edges += (row + cumulative).tolist()
                table.letters += [[self._letter_codes.get(char, -1) for char in latin] for latin in spellings]
                table.symbols += [code] * len(spellings)
                table.is_scripted += [symbol in self.pack.units] * len(spellings)

    def table_rows(self, text: str) -> tuple[np.ndarray, list[str]]:
        """Return the table row of each unit of a text, and the units outside the alphabet."""
        unknown_code, rows, inside_word = self._symbol_codes[UNKNOWN], [], False
        unknown = []
        for unit in self.pack.split(text):
            code = self._symbol_codes.get(unit, unknown_code) if unit != PLACEHOLDER else unknown_code
            if code == unknown_code:
                unknown.append(unit)
            rows.append(2 * code + (not inside_word))
            inside_word = unit in self._word_characters or unit[-1] in self._word_characters or unit.isalpha()
        return np.array(rows, dtype=np.int64), unknown

    def encode(self, texts: Sequence[str], seed: int) -> EncodedSamples:
        """Sample one spelling of each text.

        Parameters
        ----------
        texts : sequence of str
        seed : int
            Random seed. The same seed and texts give the same spellings; appended texts don't change earlier ones.
        """
        draws, styles = (np.random.default_rng([seed, stream]) for stream in (0, 1))
        parsed = [self.table_rows(text) for text in texts]
        counts = np.array([rows.size for rows, _ in parsed], dtype=np.int64)
        rows = np.concatenate([rows for rows, _ in parsed]) if parsed else np.zeros(0, np.int64)
        choice = styles.random((len(texts), 2))
        style = (choice[:, 0] * len(self.rules)).astype(int)
        shares = {name: np.array([getattr(rules, name) for rules in self.rules])[style] for name in SHARE_KEYS}
        lower_case = choice[:, 1] < shares["lower_case"]
        if shares["left_out"].any():
            rows, counts = self._omit_units(rows, counts, shares["left_out"], np.random.default_rng([seed, 5]))
        rows = rows + np.repeat(style, counts) * 2 * len(self.pack.outputs)
        largest = np.nextafter(rows + 1.0, 0)  # the sum may round up to the next row
        positions = np.minimum(rows + draws.random(rows.size), largest)
        spelling = np.searchsorted(self._edges, positions, side="right")
        unknown = [char for _, characters in parsed for char in characters]
        inputs, outputs, lengths = self._spell(spelling, counts, np.repeat(lower_case, counts))
        if shares["typos"].any():
            chance = np.repeat(shares["typos"], lengths) * self._is_script(outputs)
            generator = np.random.default_rng([seed, 6])
            inputs, outputs, times = self._noise.add_typos(inputs, outputs, chance, generator)
            lengths = _sum_groups(times, lengths)
        return EncodedSamples(inputs, outputs, self._typed_text(inputs, unknown), lengths)

    def _omit_units(self, rows: np.ndarray, counts: np.ndarray, share: np.ndarray, generator: np.random.Generator
                    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        codes, mask = self._noise.omit_units(rows // 2, counts, np.repeat(share, counts), generator)
        return (2 * codes + rows % 2)[mask], _sum_groups(mask, counts)

    def _is_script(self, outputs: np.ndarray) -> np.ndarray:
        """Return a mask of the letters that belong to a unit of the script, its placeholders included."""
        units = len(self.pack.units)
        return (outputs <= units) | (outputs >= len(self.pack.plain))

    def _spell(self, spelling: np.ndarray, counts: np.ndarray, lower_case: np.ndarray
               ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
        sizes = self._sizes[spelling]
        ends = np.cumsum(sizes)
        first = ends - sizes
        total = int(ends[-1]) if ends.size else 0
        offset = np.arange(total) - np.repeat(first, sizes)
        inputs = self._letters[np.repeat(self._starts[spelling], sizes) + offset]
        inputs = np.where(np.repeat(lower_case & self._is_scripted[spelling], sizes), self._lower[inputs], inputs)
        outputs = np.zeros(total, dtype=np.int16)
        outputs[first] = self._outputs[spelling]
        return inputs, outputs, _sum_groups(sizes, counts)

    def _typed_text(self, inputs: np.ndarray, unknown: list[str]) -> str:
        typed = np.array(self.pack.inputs, dtype=object)[inputs]  # arrays of str would drop a NUL
        typed[inputs == self._letter_codes[UNKNOWN]] = unknown
        return "".join(typed.tolist())

    def align(self, text: str, seed: int = 0) -> Alignment:
        """Sample a spelling of one text, with its aligned symbols."""
        encoded = self.encode([text], seed)
        return Alignment(encoded.typed, tuple(self.pack.outputs[code] for code in encoded.outputs))


def _sum_groups(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the sum of the values of each group; groups of these sizes are concatenated."""
    cumulative = np.concatenate([[0], np.cumsum(values)])[np.concatenate([[0], np.cumsum(counts)])]
    return np.diff(cumulative)


def split_samples(encoded: EncodedSamples) -> Iterator[tuple[np.ndarray, np.ndarray, str]]:
    """Yield ``(inputs, outputs, typed)`` of each sample."""
    stop = 0
    for length in encoded.lengths.tolist():
        start, stop = stop, stop + length
        yield encoded.inputs[start:stop], encoded.outputs[start:stop], encoded.typed[start:stop]
