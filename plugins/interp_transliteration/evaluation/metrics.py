"""Error metrics: character error rate, share of correct words, and confusions of ambiguous letters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from interp_transliteration.languages.romaniser import restore

WORD_PATTERN = re.compile(r"\S+")


@dataclass
class ErrorCounts:
    """Error counts over sentences; the counts of several batches can be added.

    Parameters
    ----------
    confusable : tuple of str
        Groups of letters; only mistakes within a group count as confusions.
    """

    confusable: tuple[str, ...] = ()
    errors: int = 0
    characters: int = 0
    correct_words: int = 0
    words: int = 0
    symbols: Counter[str] = field(default_factory=Counter)
    confusions: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, typed: str, true: Sequence[str], predicted: Sequence[str]) -> None:
        """Count one sample.

        Parameters
        ----------
        typed : str
            The typed text.
        true, predicted : sequence of str
            One symbol per character of ``typed``.
        """
        self.add_text(restore(typed, true), restore(typed, predicted))
        for word in WORD_PATTERN.finditer(typed):
            span = slice(*word.span())
            self.words += 1
            self.correct_words += restore(typed[span], true[span]) == restore(typed[span], predicted[span])
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
        """Count a text without symbols: words by alignment, confusions by the edits that turn it into the reference.

        Where the text has more or fewer words than the reference, the words that an alignment finds equal are correct.
        """
        from rapidfuzz.distance import Levenshtein

        self.add_text(reference, text)
        words, got = reference.split(" "), text.split(" ")
        self.words += len(words)
        self.correct_words += sum(edit.src_end - edit.src_start for edit in Levenshtein.opcodes(words, got)
                                  if edit.tag == "equal")  # fmt: skip
        groups = {letter: group for group in self.confusable for letter in group}
        self.symbols.update(letter for letter in reference if letter in groups)
        for edit in Levenshtein.editops(reference, text):
            if edit.tag == "replace":
                right, wrong = reference[edit.src_pos], text[edit.dest_pos]
                self.confusions[right, wrong] += wrong in groups.get(right, "")

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        """Return the sum of two counts."""
        return ErrorCounts(
            self.confusable,
            self.errors + other.errors,
            self.characters + other.characters,
            self.correct_words + other.correct_words,
            self.words + other.words,
            self.symbols + other.symbols,
            self.confusions + other.confusions,
        )

    def figures(self) -> dict[str, float]:
        """Return the metrics as shares, 0..1 (``cer`` may exceed 1).

        ``cer`` is the number of character errors divided by that of reference characters, ``words`` the share of
        correct words, ``confusion a>b`` the share of a's that became b.
        """
        result = {"cer": self.errors / max(1, self.characters), "words": self.correct_words / max(1, self.words)}
        for (right, got), number in sorted((+self.confusions).items()):
            result[f"confusion {right}>{got}"] = number / self.symbols[right]
        return result
