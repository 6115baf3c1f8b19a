"""What was read in a line: words with their confidence, and the letters that were unsure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interp_transliteration.pack import PLACEHOLDER, UNKNOWN, Pack
from interp_transliteration.romanise import restore
from interp_transliteration.scoring import WORD

UNSURE = 0.9  # probability under which a letter is told
NOTHING = "∅"  # in words: the letter belongs to the unit before it
WORTH = 0.01  # probability from which an alternative is


@dataclass(frozen=True)
class Letter:
    """A letter that the network was unsure of.

    Attributes
    ----------
    typed, written : str
        ``written`` is empty where the letter stands for nothing of its own.
    probability : float
        Of what is written, 0..1.
    others : tuple of (str, float)
        What else it may be, the likeliest first.
    """

    typed: str
    written: str
    probability: float
    others: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Word:
    """A word, up to white space.

    Attributes
    ----------
    typed, written : str
    confidence : float
        The product of the probabilities of its letters, 0..1.
    unsure : tuple of Letter
        Those under .9.
    """

    typed: str
    written: str
    confidence: float
    unsure: tuple[Letter, ...]


@dataclass(frozen=True)
class Reading:
    """A line with its words.

    Attributes
    ----------
    typed, written : str
    words : tuple of Word
    """

    typed: str
    written: str
    words: tuple[Word, ...]


def reading_of(pack: Pack, pieces: Sequence[tuple[str, Sequence[str], np.ndarray]]) -> Reading:
    """Return what was read in a line.

    Parameters
    ----------
    pack : Pack
    pieces : sequence of (str, sequence of str, array (letter, output))
        What was typed, a symbol for each letter, and log probabilities.
    """
    typed = "".join(piece for piece, _, _ in pieces)
    symbols = [symbol for _, piece, _ in pieces for symbol in piece]
    logs = np.concatenate([rows for _, _, rows in pieces] or [np.zeros((0, len(pack.outputs)))])
    code = {symbol: number for number, symbol in enumerate(pack.outputs)}
    chosen = np.exp(logs[np.arange(len(symbols)), [code[symbol] for symbol in symbols]])
    words = []
    for found in WORD.finditer(typed):
        span = range(*found.span())
        written = restore(found[0], symbols[span.start : span.stop])
        unsure = tuple(_letter(pack, typed[at], symbols[at], logs[at]) for at in span if chosen[at] < UNSURE)
        words.append(Word(found[0], written, float(chosen[span.start : span.stop].prod()), unsure))
    return Reading(typed, restore(typed, symbols), tuple(words))


def told(reading: Reading) -> str:
    """Return a line, and a line under it for each word that the network was unsure of."""
    lines = [reading.written]
    for word in reading.words:
        if word.unsure:
            letters = "; ".join(_told(letter) for letter in word.unsure)
            lines.append(f"    {word.confidence:4.0%}  {word.typed} → {word.written}   {letters}")
    return "\n".join(lines)


def _told(letter: Letter) -> str:
    chances = [(letter.written, letter.probability), *letter.others]
    return f"{letter.typed}: " + ", ".join(f"{written or NOTHING} {chance:.0%}" for written, chance in chances)


def _letter(pack: Pack, typed: str, symbol: str, logs: np.ndarray) -> Letter:
    chances = {pack.outputs[code]: float(np.exp(logs[code])) for code in np.argsort(-logs, kind="stable")[:6].tolist()}
    chance = chances.pop(symbol, 0.0)
    others = tuple((_written(typed, other), share) for other, share in chances.items() if share >= WORTH)
    return Letter(typed, _written(typed, symbol), chance, others)


def _written(typed: str, symbol: str) -> str:
    return "" if symbol == PLACEHOLDER else typed if symbol == UNKNOWN else symbol
