"""Comparison of transliteration systems on all tracks, in one table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from interp_transliteration.evaluation.evaluate import SourceCounts
from interp_transliteration.evaluation.tracks import CODE_MIX, Sample, insert_passages, iter_samples
from interp_transliteration.task import TransliterationTask

if TYPE_CHECKING:
    import pandas as pd

LinesFunction = Callable[[Sequence[str]], Sequence[str]]
System = Callable[[TransliterationTask], LinesFunction]
COLUMNS = ("cer", "ci_low", "ci_high", "words", "latin", "retention", "sentences", "samples", "characters")


class SystemScores:
    """Scores of one system on one track.

    Parameters
    ----------
    confusable : tuple of str
        Groups of letters as for `ErrorCounts`.
    """

    def __init__(self, confusable: tuple[str, ...]) -> None:
        self.counts = SourceCounts(confusable)
        self.latin: Counter[bool] = Counter()
        self.retention: Counter[bool] = Counter()

    def add(self, sample: Sample, written: str) -> None:
        """Count a sample."""
        self.counts.add_line(sample.source, " ".join(sample.expected), written)

    def add_mixed(self, plain: Sample, plain_written: str, sample: Sample, written: str) -> None:
        """Count the correct words of the passages, and of the words that are correct without passages."""
        correct = self._correct_words(sample, written)
        self.latin.update(one for one, is_passage in zip(correct, sample.is_passage, strict=True) if is_passage)
        own = [one for one, is_passage in zip(correct, sample.is_passage, strict=True) if not is_passage]
        before = self._correct_words(plain, plain_written)
        self.retention.update(now for now, was_correct in zip(own, before, strict=True) if was_correct)

    def _correct_words(self, sample: Sample, written: str) -> list[bool]:
        words = written.split(" ")
        if len(words) != len(sample.expected):
            return [False] * len(sample.expected)
        return [word == expected for word, expected in zip(words, sample.expected, strict=True)]

    def row(self) -> dict[str, float | int]:
        """Return the columns of `compare`."""
        shares = {"latin": self.latin, "retention": self.retention}
        return self.counts.row(0) | {key: one[True] / one.total() if one else np.nan for key, one in shares.items()}


def compare(
    systems: Mapping[str, System],
    tasks: Mapping[str, TransliterationTask],
    split: str,
    *,
    limit: int | None = None,
    seeds: Sequence[int] = (0, 1, 2),
) -> pd.DataFrame:
    """Evaluate systems on the same samples of each track.

    Parameters
    ----------
    systems : mapping of str to callable
        Functions from a task to a function from lines to lines.
    tasks : mapping of str to TransliterationTask
        Task of each track; the samples of ``code-mix`` get Latin passages.
    split : str
    limit : int, optional
        Number of sentences, each of which is spelled once per seed. Default: all.
    seeds : sequence of int
        Random seeds of the spellings.

    Returns
    -------
    DataFrame
        One row per ``track`` and ``system``: ``cer`` (character errors / reference characters), ``ci_low`` and
        ``ci_high`` (95 %, a bootstrap over sentences), ``words`` (share of correct words), ``latin`` (share of the
        inserted Latin words that stay) and ``retention`` (share of the words correct without passages that are still
        correct), ``sentences``, ``samples``, ``characters``, and ``confusion a>b`` (share of a) for the confusable
        letters.
    """
    import pandas as pd

    rows: dict[tuple[str, str], dict[str, float | int]] = {}
    for track, task in tasks.items():
        functions = {name: system(task) for name, system in systems.items()}
        scores = {name: SystemScores(task.pack.confusable) for name in systems}
        for seed in seeds:
            plain = list(iter_samples(task, split, limit=limit, seed=seed))
            for name, write in functions.items():
                _count(scores[name], task, plain, write, seed, with_passages=track == CODE_MIX)
        rows |= {(track, name): one.row() for name, one in scores.items()}
    table = pd.DataFrame(list(rows.values()), pd.MultiIndex.from_tuples(list(rows), names=["track", "system"]))
    confusions = [column for column in table.columns if column not in COLUMNS]
    table[confusions] = table[confusions].fillna(0.0)
    return table


def _count(
    scores: SystemScores,
    task: TransliterationTask,
    plain: list[Sample],
    write: LinesFunction,
    seed: int,
    *,
    with_passages: bool,
) -> None:
    plain_written = list(write([sample.line for sample in plain]))
    if not with_passages:
        for sample, written in zip(plain, plain_written, strict=True):
            scores.add(sample, written)
        return
    mixed = list(insert_passages(task, plain, seed))
    mixed_written = write([sample.line for sample in mixed])
    for before, before_written, sample, written in zip(plain, plain_written, mixed, mixed_written, strict=True):
        scores.add(sample, written)
        scores.add_mixed(before, before_written, sample, written)


def line_by_line(function: Callable[[str], str]) -> System:
    """Return a system that applies a function to each line, independent of the task."""
    return lambda _: lambda lines: [function(line) for line in lines]


def to_markdown(table: pd.DataFrame) -> Iterator[str]:
    """Yield the lines of a Markdown table: CER with its interval and correct words; for code-mix also Latin words."""
    tracks = list(dict.fromkeys(table.index.get_level_values("track")))
    yield "| CER % (95 % interval) / words correct % | " + " | ".join(tracks) + " |"
    yield "|---" * (len(tracks) + 1) + "|"
    for system in dict.fromkeys(table.index.get_level_values("system")):
        yield f"| {system} | " + " | ".join(_format_cell(table.loc[(track, system)]) for track in tracks) + " |"


def _format_cell(row: pd.Series[float]) -> str:
    text = f"**{100 * row.cer:.2f}** ({100 * row.ci_low:.2f}-{100 * row.ci_high:.2f}) / {100 * row.words:.1f}"
    if np.isnan(row.latin):
        return text
    return f"{text}; Latin {100 * row.latin:.1f}, retention {100 * row.retention:.1f}"
