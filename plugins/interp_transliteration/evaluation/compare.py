"""One table: who writes the script, on which track, and how well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from interp_transliteration.evaluate import Tally
from interp_transliteration.task import TransliterationTask
from interp_transliteration.tracks import CODE_MIX, Sample, mixed, samples

if TYPE_CHECKING:
    import pandas as pd

Lines = Callable[[Sequence[str]], Sequence[str]]
Writer = Callable[[TransliterationTask], Lines]
FIGURES = ("cer", "low", "high", "words", "latin", "kept", "sentences", "samples", "characters")


class Sums:
    """What one writer did on one track.

    Parameters
    ----------
    confusable : tuple of str
        As of `Counts`.
    """

    def __init__(self, confusable: tuple[str, ...]) -> None:
        self.tally = Tally(confusable)
        self.latin: Counter[bool] = Counter()
        self.kept: Counter[bool] = Counter()

    def add(self, sample: Sample, written: str) -> None:
        """Count a sample."""
        self.tally.add_line(sample.source, " ".join(sample.expected), written)

    def add_mixed(self, plain: Sample, before: str, sample: Sample, written: str) -> None:
        """Count what became of Latin words, and of the words that were right without them."""
        right = self._right(sample, written)
        self.latin.update(one for one, added in zip(right, sample.added, strict=True) if added)
        own = [one for one, added in zip(right, sample.added, strict=True) if not added]
        self.kept.update(now for now, then in zip(own, self._right(plain, before), strict=True) if then)

    def _right(self, sample: Sample, written: str) -> list[bool]:
        words = written.split(" ")
        if len(words) != len(sample.expected):
            return [False] * len(sample.expected)
        return [word == expected for word, expected in zip(words, sample.expected, strict=True)]

    def row(self) -> dict[str, float | int]:
        """Return the figures of `compare`."""
        shares = {"latin": self.latin, "kept": self.kept}
        return self.tally.row(0) | {key: one[True] / one.total() if one else np.nan for key, one in shares.items()}


def compare(
    writers: Mapping[str, Writer],
    tasks: Mapping[str, TransliterationTask],
    split: str,
    *,
    limit: int | None = None,
    seeds: Sequence[int] = (0, 1, 2),
) -> pd.DataFrame:
    """Measure writers on the same samples of every track.

    Parameters
    ----------
    writers : mapping of str to callable
        Each takes a task and returns a function from lines to lines.
    tasks : mapping of str to TransliterationTask
        For each track its task; the one named ``code-mix`` gets Latin passages.
    split : str
    limit : int, optional
        Sentences, each spelled once for every seed.
    seeds : sequence of int
        Of the spellings.

    Returns
    -------
    DataFrame
        A row for each ``track`` and ``writer``: ``cer`` (character errors / reference characters), ``low`` and ``high``
        (95 %, a bootstrap over sentences), ``words`` (share right), ``latin`` (share of the Latin words put in that
        stay) and ``kept`` (share of the words that are right without them and still are), ``sentences``, ``samples``,
        ``characters``, and ``confusion a>b`` (share of a) for the confusable letters.
    """
    import pandas as pd

    rows: dict[tuple[str, str], dict[str, float | int]] = {}
    for track, task in tasks.items():
        ready = {name: writer(task) for name, writer in writers.items()}
        sums = {name: Sums(task.pack.confusable) for name in writers}
        for seed in seeds:
            plain = list(samples(task, split, limit=limit, seed=seed))
            for name, write in ready.items():
                _count(sums[name], task, plain, write, seed, mix=track == CODE_MIX)
        rows |= {(track, name): found.row() for name, found in sums.items()}
    table = pd.DataFrame(list(rows.values()), pd.MultiIndex.from_tuples(list(rows), names=["track", "writer"]))
    confusions = [column for column in table.columns if column not in FIGURES]
    table[confusions] = table[confusions].fillna(0.0)
    return table


def _count(sums: Sums, task: TransliterationTask, plain: list[Sample], write: Lines, seed: int, *, mix: bool) -> None:
    before = list(write([sample.line for sample in plain]))
    if not mix:
        for sample, written in zip(plain, before, strict=True):
            sums.add(sample, written)
        return
    with_latin = list(mixed(task, plain, seed))
    after = write([sample.line for sample in with_latin])
    for one, then, sample, now in zip(plain, before, with_latin, after, strict=True):
        sums.add(sample, now)
        sums.add_mixed(one, then, sample, now)


def each(function: Callable[[str], str]) -> Writer:
    """Return a writer that treats every line by itself, whatever the task."""
    return lambda _: lambda lines: [function(line) for line in lines]


def markdown(table: pd.DataFrame) -> Iterator[str]:
    """Yield the lines of a table for people: CER with its interval and words right, of code-mix also Latin and kept."""
    tracks = list(dict.fromkeys(table.index.get_level_values("track")))
    yield "| CER % (95 % interval) / words right % | " + " | ".join(tracks) + " |"
    yield "|---" * (len(tracks) + 1) + "|"
    for writer in dict.fromkeys(table.index.get_level_values("writer")):
        yield f"| {writer} | " + " | ".join(_cell(table.loc[(track, writer)]) for track in tracks) + " |"


def _cell(row: pd.Series[float]) -> str:
    text = f"**{100 * row.cer:.2f}** ({100 * row.low:.2f}-{100 * row.high:.2f}) / {100 * row.words:.1f}"
    if np.isnan(row.latin):
        return text
    return f"{text}; Latin {100 * row.latin:.1f}, kept {100 * row.kept:.1f}"
