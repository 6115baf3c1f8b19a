"""Confidence of a transliterated line: its words with their probability, and the uncertain letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interp_transliteration.evaluation.metrics import WORD_PATTERN
from interp_transliteration.languages.pack import PLACEHOLDER, UNKNOWN, Pack
from interp_transliteration.languages.romaniser import restore

MIN_CERTAIN_PROBABILITY = 0.9  # below it a letter is reported as uncertain
SILENT_SYMBOL = "∅"  # shown for a letter that belongs to the unit before it
MIN_ALTERNATIVE_PROBABILITY = 0.01
N_ALTERNATIVES = 6


@dataclass(frozen=True)
class UncertainLetter:
    """A letter that the network was uncertain of.

    Attributes
    ----------
    typed, written : str
        ``written`` is empty if the letter belongs to the unit before it.
    probability : float
        Probability of the written symbol, 0..1.
    alternatives : tuple of (str, float)
        Other symbols with their probabilities, most probable first.
    """

    typed: str
    written: str
    probability: float
    alternatives: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class WordReading:
    """A word, delimited by white space.

    Attributes
    ----------
    typed, written : str
    confidence : float
        Product of the probabilities of its letters, 0..1.
    uncertain : tuple of UncertainLetter
        Letters with a probability below .9.
    """

    typed: str
    written: str
    confidence: float
    uncertain: tuple[UncertainLetter, ...]


@dataclass(frozen=True)
class LineReading:
    """A line with its words.

    Attributes
    ----------
    typed, written : str
    words : tuple of WordReading
    """

    typed: str
    written: str
    words: tuple[WordReading, ...]


def make_reading(pack: Pack, pieces: Sequence[tuple[str, Sequence[str], np.ndarray]]) -> LineReading:
    """Return the reading of a line.

    Parameters
    ----------
    pack : Pack
    pieces : sequence of (str, sequence of str, array (letter, output))
        Typed text, one symbol per letter, and log probabilities of each piece of the line.
    """
    typed = "".join(piece for piece, _, _ in pieces)
    symbols = [symbol for _, piece, _ in pieces for symbol in piece]
    log_probs = np.concatenate([rows for _, _, rows in pieces] or [np.zeros((0, len(pack.outputs)))])
    codes = {symbol: number for number, symbol in enumerate(pack.outputs)}
    probabilities = np.exp(log_probs[np.arange(len(symbols)), [codes[symbol] for symbol in symbols]])
    words = []
    for word in WORD_PATTERN.finditer(typed):
        span = range(*word.span())
        written = restore(word[0], symbols[span.start : span.stop])
        uncertain = tuple(
            _uncertain_letter(pack, typed[at], symbols[at], log_probs[at])
            for at in span
            if probabilities[at] < MIN_CERTAIN_PROBABILITY
        )
        words.append(WordReading(word[0], written, float(probabilities[span.start : span.stop].prod()), uncertain))
    return LineReading(typed, restore(typed, symbols), tuple(words))


def format_reading(reading: LineReading) -> str:
    """Return the written line, followed by one line for each word with uncertain letters."""
    lines = [reading.written]
    for word in reading.words:
        if word.uncertain:
            letters = "; ".join(_format_letter(letter) for letter in word.uncertain)
            lines.append(f"    {word.confidence:4.0%}  {word.typed} → {word.written}   {letters}")
    return "\n".join(lines)


def _format_letter(letter: UncertainLetter) -> str:
    pairs = [(letter.written, letter.probability), *letter.alternatives]
    return f"{letter.typed}: " + ", ".join(f"{text or SILENT_SYMBOL} {probability:.0%}" for text, probability in pairs)


def _uncertain_letter(pack: Pack, typed: str, symbol: str, row: np.ndarray) -> UncertainLetter:
    best = np.argsort(-row, kind="stable")[:N_ALTERNATIVES].tolist()
    probabilities = {pack.outputs[code]: float(np.exp(row[code])) for code in best}
    probability = probabilities.pop(symbol, 0.0)
    alternatives = tuple(
        (_written(typed, other), value)
        for other, value in probabilities.items()
        if value >= MIN_ALTERNATIVE_PROBABILITY
    )
    return UncertainLetter(typed, _written(typed, symbol), probability, alternatives)


def _written(typed: str, symbol: str) -> str:
    return "" if symbol == PLACEHOLDER else typed if symbol == UNKNOWN else symbol
