"""What is kept of a stream while it goes by: a few tokens, a few sentences, the means of windows, the predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from interp import dataset

if TYPE_CHECKING:
    import xarray as xr

Item = TypeVar("Item")
Keep = Callable[["xr.Dataset"], np.ndarray]
UNIT_COORDS = ("unit", "module", "layer", "direction", "quantity", "index", "symbol")


class Watched:
    """A stream that shows each chunk of its first pass to some keepers, so that the network need not run again.

    Parameters
    ----------
    stream : Stream
        Chunks ``(token, unit)`` of whole samples.
    keepers : sequence of objects with ``add(chunk)``
        Called once with each chunk.
    tell : callable
        ``tell(samples)`` after each chunk of every pass.
    """

    def __init__(self, stream: Iterable[xr.Dataset], keepers: Sequence[Any], tell: Callable[[int], None]) -> None:
        self.stream, self.keepers, self.tell, self.seen = stream, keepers, tell, False

    def __iter__(self) -> Iterator[xr.Dataset]:
        first, self.seen = not self.seen, True
        for chunk in ahead(self.stream):
            for keeper in self.keepers if first else ():
                keeper.add(chunk)
            yield chunk
            self.tell(np.unique(chunk["sample"].values).size)


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yield items, the next of which is made in a thread of its own while one is in use.

    Examples
    --------
    >>> list(ahead("abc"))
    ['a', 'b', 'c']
    """
    made, end = iter(items), object()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, made, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, made, end)
            yield cast("Item", item)


class Rows:
    """Keeps some tokens and some units of every chunk.

    Parameters
    ----------
    tokens, units : callable
        ``tokens(chunk)`` and ``units(chunk)`` give a boolean array over that axis.
    """

    def __init__(self, tokens: Keep, units: Keep) -> None:
        self.tokens, self.units = tokens, units
        self.values, self.size = np.zeros((0, 0), np.float32), 0
        self.labels: list[dict[str, np.ndarray]] = []
        self.columns: dict[str, np.ndarray] = {}
        self.attrs: dict[str, Any] = {}

    def add(self, chunk: xr.Dataset) -> None:
        """Keep what is wanted of a chunk."""
        rows, columns = np.flatnonzero(self.tokens(chunk)), np.flatnonzero(self.units(chunk))
        if not self.labels:
            self.columns = {name: chunk[name].values[columns] for name in UNIT_COORDS}
            self.attrs = dict(chunk.attrs)
        labels = {str(name): held.values[rows] for name, held in chunk.coords.items() if held.dims == ("token",)}
        self.store(chunk["activation"].values[np.ix_(rows, columns)], labels)

    def store(self, values: np.ndarray, labels: dict[str, np.ndarray]) -> None:
        """Put rows and their labels aside: behind the others, in a buffer that is doubled where it is full."""
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
        """Return what was kept, as a dataset of the schema; labels that are not in all chunks are left out."""
        names = set.intersection(*(set(labels) for labels in self.labels))
        tokens = {
            name: np.concatenate([labels[name] for labels in self.labels]) for name in self.labels[0] if name in names
        }
        return dataset(self.values[: self.size], self.columns, tokens, self.attrs)


class Windows(Rows):
    """Keeps for each window of letters that starts like a suffix the mean activation over the window.

    A window is as many letters as the suffix has, without spaces or signs, inside one sample; its token is the first
    one, and the label ``suffix`` says whether it reads like the suffix.

    Parameters
    ----------
    suffix : str
        Such as ``tyun``.
    units : callable
        As for `Rows`.
    """

    def __init__(self, suffix: str, units: Keep) -> None:
        super().__init__(lambda chunk: np.ones(chunk.sizes["token"], bool), units)
        self.suffix = suffix

    def store(self, values: np.ndarray, labels: dict[str, np.ndarray]) -> None:
        """Put the means of windows aside."""
        starts = windows(labels["input"], labels["sample"], len(self.suffix), self.suffix[0])
        means = np.zeros((starts.size, values.shape[1]), values.dtype)
        for step in range(len(self.suffix)):
            means += values[starts + step] / len(self.suffix)
        told = {name: held[starts] for name, held in labels.items()}
        super().store(means, told | {"suffix": reads(labels["input"], starts, self.suffix)})


def windows(letters: np.ndarray, samples: np.ndarray, size: int, first: str) -> np.ndarray:
    """Return where windows of letters start: positions of tokens.

    Parameters
    ----------
    letters, samples : array (token,)
        A window is ``size`` letters in a row of one sample, the first of them ``first``.
    """
    good = np.array([len(letter) == 1 and letter.isalpha() for letter in letters.tolist()], dtype=bool)
    last = letters.size - size + 1
    if last <= 0:
        return np.zeros(0, np.int64)
    whole = (letters[:last] == first) & (samples[:last] == samples[size - 1 :])
    for step in range(size):
        whole &= good[step : step + last]
    return np.flatnonzero(whole)


def reads(letters: np.ndarray, starts: np.ndarray, text: str) -> np.ndarray:
    """Return which windows read like a text: boolean (window,)."""
    same = np.ones(starts.size, dtype=bool)
    for step, letter in enumerate(text):
        same &= letters[starts + step] == letter
    return same


class Sentences(Rows):
    """Keeps whole samples in which a text stands, one of each source, up to a number of them."""

    def __init__(self, text: str, units: Keep, most: int) -> None:
        super().__init__(self._wanted, units)
        self.text, self.most = text, most
        self.sources: set[int] = set()

    def _wanted(self, chunk: xr.Dataset) -> np.ndarray:
        letters, samples = chunk["input"].values, chunk["sample"].values
        starts = windows(letters, samples, len(self.text), self.text[0])
        starts = starts[reads(letters, starts, self.text)]
        chosen = []
        for sample, source in zip(samples[starts].tolist(), chunk["source"].values[starts].tolist(), strict=True):
            if source not in self.sources and len(self.sources) < self.most:
                self.sources.add(source)
                chosen.append(sample)
        return np.isin(samples, chosen)


class Predictions:
    """Keeps what the network wrote, sample by sample, and which sources there were."""

    def __init__(self) -> None:
        self.samples: list[list[str]] = []
        self.tokens = 0
        self.sources: set[int] = set()

    def add(self, chunk: xr.Dataset) -> None:
        """Take the label ``predicted`` of a chunk."""
        self.tokens += chunk.sizes["token"]
        self.sources.update(np.unique(chunk["source"].values).tolist())
        cuts = np.flatnonzero(np.diff(chunk["sample"].values)) + 1
        self.samples += [part.tolist() for part in np.split(chunk["predicted"].values, cuts)]
