"""Figures of merit: character errors, words right, confusions of ambiguous letters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from interp_transliteration.romanise import restore

WORD = re.compile(r"\S+")


@dataclass
class Counts:
    """Sums over sentences; counts of several batches add up.

    Parameters
    ----------
    confusable : tuple of str
        Groups of letters; only mistakes within a group are counted as confusions.
    """

    confusable: tuple[str, ...] = ()
    errors: int = 0
    characters: int = 0
    words_right: int = 0
    words: int = 0
    symbols: Counter[str] = field(default_factory=Counter)
    confusions: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, typed: str, true: Sequence[str], predicted: Sequence[str]) -> None:
        """Count one sample.

        Parameters
        ----------
        typed : str
            What was typed.
        true, predicted : sequence of str
            A symbol for each character of ``typed``.
        """
        self.add_text(restore(typed, true), restore(typed, predicted))
        for word in WORD.finditer(typed):
            span = slice(*word.span())
            self.words += 1
            self.words_right += restore(typed[span], true[span]) == restore(typed[span], predicted[span])
        groups = {letter: group for group in self.confusable for letter in group}
        for right, got in zip(true, predicted, strict=True):
            self.symbols[right] += right in groups
            if right != got and got in groups.get(right, ""):
                self.confusions[right, got] += 1

    def add_text(self, reference: str, text: str) -> None:
        """Count the Levenshtein distance of a text from its reference."""
        from rapidfuzz.distance import Levenshtein

        self.errors += Levenshtein.distance(text, reference)
        self.characters += len(reference)

    def add_line(self, reference: str, text: str) -> None:
        """Count a text that has no symbols: words by their place, confusions by the edits that make it the reference.

        Where the text has more or fewer words than the reference, those count as right that an alignment finds equal.
        """
        from rapidfuzz.distance import Levenshtein

        self.add_text(reference, text)
        words, got = reference.split(" "), text.split(" ")
        self.words += len(words)
        self.words_right += sum(edit.src_end - edit.src_start for edit in Levenshtein.opcodes(words, got)
                                if edit.tag == "equal")  # fmt: skip
        groups = {letter: group for group in self.confusable for letter in group}
        self.symbols.update(letter for letter in reference if letter in groups)
        for edit in Levenshtein.editops(reference, text):
            if edit.tag == "replace":
                right, wrong = reference[edit.src_pos], text[edit.dest_pos]
                self.confusions[right, wrong] += wrong in groups.get(right, "")

    def __add__(self, other: Counts) -> Counts:
        """Return the counts of both."""
        return Counts(
            self.confusable,
            self.errors + other.errors,
            self.characters + other.characters,
            self.words_right + other.words_right,
            self.words + other.words,
            self.symbols + other.symbols,
            self.confusions + other.confusions,
        )

    def figures(self) -> dict[str, float]:
        """Return shares, 0..1 (``cer`` may exceed 1).

        ``cer`` is character errors by reference characters, ``words`` the share right, ``confusion a>b`` the
        share of a's that became b.
        """
        result = {"cer": self.errors / max(1, self.characters), "words": self.words_right / max(1, self.words)}
        for (right, got), number in sorted((+self.confusions).items()):
            result[f"confusion {right}>{got}"] = number / self.symbols[right]
        return result
