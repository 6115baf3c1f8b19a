"""Collectors of tokens, windows, sentences and predictions during one pass over an activation stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from interp import make_dataset
from interp.plotting import UNIT_LABELS

if TYPE_CHECKING:
    import xarray as xr

Item = TypeVar("Item")
Mask = Callable[["xr.Dataset"], np.ndarray]


class CollectingStream:
    """Stream that passes each chunk of its first pass to collectors, so that the network need not run again.

    Parameters
    ----------
    stream : Stream
        Chunks ``(token, unit)`` of whole samples.
    collectors : sequence of objects with ``add(chunk)``
        Called once with each chunk.
    advance : callable
        ``advance(n_samples)``, called after each chunk of every pass.
    """

    def __init__(self, stream: Iterable[xr.Dataset], collectors: Sequence[Any], advance: Callable[[int], None]) -> None:
        self.stream, self.collectors, self.advance, self.started = stream, collectors, advance, False

    def __iter__(self) -> Iterator[xr.Dataset]:
        first, self.started = not self.started, True
        for chunk in prefetch(self.stream):
            for collector in self.collectors if first else ():
                collector.add(chunk)
            yield chunk
            self.advance(np.unique(chunk["sample"].values).size)


def prefetch(items: Iterable[Item]) -> Iterator[Item]:
    """Yield items, computing the next one in a thread while the current one is in use.

    Examples
    --------
    >>> list(prefetch("abc"))
    ['a', 'b', 'c']
    """
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(next, iterator, end)
        while (item := future.result()) is not end:
            future = pool.submit(next, iterator, end)
            yield cast("Item", item)


class TokenCollector:
    """Collects selected tokens and units of every chunk.

    Parameters
    ----------
    tokens, units : callable
        ``tokens(chunk)`` and ``units(chunk)`` return a boolean array over that axis.
    """

    def __init__(self, tokens: Mask, units: Mask) -> None:
        self.tokens, self.units = tokens, units
        self.values, self.size = np.zeros((0, 0), np.float32), 0
        self.labels: list[dict[str, np.ndarray]] = []
        self.columns: dict[str, np.ndarray] = {}
        self.attrs: dict[str, Any] = {}

    def add(self, chunk: xr.Dataset) -> None:
        """Store the selected tokens and units of a chunk."""
        rows, columns = np.flatnonzero(self.tokens(chunk)), np.flatnonzero(self.units(chunk))
        if not self.labels:
            self.columns = {name: chunk[name].values[columns] for name in UNIT_LABELS}
            self.attrs = dict(chunk.attrs)
        labels = {str(name): coord.values[rows] for name, coord in chunk.coords.items() if coord.dims == ("token",)}
        self.store(chunk["activation"].values[np.ix_(rows, columns)], labels)

    def store(self, values: np.ndarray, labels: dict[str, np.ndarray]) -> None:
        """Append rows and their labels. The buffer of values doubles when it is full."""
        end = self.size + len(values)
        if not self.labels:
            self.values = values
        elif end > len(self.values):
            larger = np.empty((2 * end, values.shape[1]), values.dtype)
            larger[: self.size] = self.values[: self.size]
            self.values = larger
        self.values[self.size : end] = values
        self.size = end
        self.labels.append(labels)

    def finish(self) -> xr.Dataset:
        """Return the collected tokens as a dataset of the schema, without labels that some chunks lack."""
        names = set.intersection(*(set(labels) for labels in self.labels))
        tokens = {
            name: np.concatenate([labels[name] for labels in self.labels]) for name in self.labels[0] if name in names
        }
        return make_dataset(self.values[: self.size], self.columns, tokens, self.attrs)


class WindowCollector(TokenCollector):
    """Collects the mean activation over each window of letters that begins with the first letter of a suffix.

    A window has as many letters as the suffix, no spaces or signs, and lies inside one sample. Its labels are those of
    its first token, and the label ``suffix`` is true where its letters are the suffix.

    Parameters
    ----------
    suffix : str
        Text such as ``tyun``.
    units : callable
        As for `TokenCollector`.
    """

    def __init__(self, suffix: str, units: Mask) -> None:
        super().__init__(lambda chunk: np.ones(chunk.sizes["token"], bool), units)
        self.suffix = suffix

    def store(self, values: np.ndarray, labels: dict[str, np.ndarray]) -> None:
        """Append the means of the windows."""
        starts = window_starts(labels["input"], labels["sample"], len(self.suffix), self.suffix[0])
        means = np.zeros((starts.size, values.shape[1]), values.dtype)
        for step in range(len(self.suffix)):
            means += values[starts + step] / len(self.suffix)
        first_labels = {name: column[starts] for name, column in labels.items()}
        super().store(means, first_labels | {"suffix": windows_match(labels["input"], starts, self.suffix)})


def window_starts(letters: np.ndarray, samples: np.ndarray, size: int, first: str) -> np.ndarray:
    """Return the token positions at which windows of letters start.

    Parameters
    ----------
    letters, samples : array (token,)
        Input and sample of each token.
    size : int
        Number of consecutive letters of one sample in a window.
    first : str
        First letter of a window.
    """
    is_letter = np.array([len(letter) == 1 and letter.isalpha() for letter in letters.tolist()], dtype=bool)
    last = letters.size - size + 1
    if last <= 0:
        return np.zeros(0, np.int64)
    whole = (letters[:last] == first) & (samples[:last] == samples[size - 1 :])
    for step in range(size):
        whole &= is_letter[step : step + last]
    return np.flatnonzero(whole)


def windows_match(letters: np.ndarray, starts: np.ndarray, text: str) -> np.ndarray:
    """Return a boolean array (window,): true where the letters from a start on equal a text."""
    same = np.ones(starts.size, dtype=bool)
    for step, letter in enumerate(text):
        same &= letters[starts + step] == letter
    return same


class SentenceCollector(TokenCollector):
    """Collects whole samples that contain a text: one per source, up to a maximum number.

    Parameters
    ----------
    text : str
        Text to look for.
    units : callable
        As for `TokenCollector`.
    max_sentences : int
        Maximum number of samples.
    """

    def __init__(self, text: str, units: Mask, max_sentences: int) -> None:
        super().__init__(self._in_new_source, units)
        self.text, self.max_sentences = text, max_sentences
        self.sources: set[int] = set()

    def _in_new_source(self, chunk: xr.Dataset) -> np.ndarray:
        letters, samples = chunk["input"].values, chunk["sample"].values
        starts = window_starts(letters, samples, len(self.text), self.text[0])
        starts = starts[windows_match(letters, starts, self.text)]
        selected = []
        for sample, source in zip(samples[starts].tolist(), chunk["source"].values[starts].tolist(), strict=True):
            if source not in self.sources and len(self.sources) < self.max_sentences:
                self.sources.add(source)
                selected.append(sample)
        return np.isin(samples, selected)


class PredictionCollector:
    """Collects the predictions of the network by sample, and counts tokens and sources."""

    def __init__(self) -> None:
        self.samples: list[list[str]] = []
        self.tokens = 0
        self.sources: set[int] = set()

    def add(self, chunk: xr.Dataset) -> None:
        """Store the label ``predicted`` of a chunk."""
        self.tokens += chunk.sizes["token"]
        self.sources.update(np.unique(chunk["source"].values).tolist())
        boundaries = np.flatnonzero(np.diff(chunk["sample"].values)) + 1
        self.samples += [part.tolist() for part in np.split(chunk["predicted"].values, boundaries)]
