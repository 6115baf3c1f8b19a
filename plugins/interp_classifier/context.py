"""What the text itself tells of a token: its neighbours, its word and its place there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

REACH = 2  # letters to either side


def whole(acts: xr.Dataset) -> bool:
    """Return whether all steps of each sample are there, so that the neighbours of a token are known."""
    _, first, size = np.unique(np.sort(acts["sample"].values), return_index=True, return_counts=True)
    order = np.lexsort([acts["step"].values, acts["sample"].values])
    steps = acts["step"].values[order]
    return bool(np.all(steps - np.repeat(steps[first], size) == np.arange(steps.size) - np.repeat(first, size)))


def windows(acts: xr.Dataset, label: str) -> NDArray[np.int64]:
    """Return the codes of a label at the steps -2 to 2 around each token (token, 5); 0 beyond the ends of a sample."""
    order = np.lexsort([acts["step"].values, acts["sample"].values])
    codes = np.unique(acts[label].values, return_inverse=True)[1][order] + 1
    samples = acts["sample"].values[order]
    found = np.zeros((codes.size, 2 * REACH + 1), np.int64)
    for column, shift in enumerate(range(-REACH, REACH + 1)):
        here = np.arange(max(-shift, 0), codes.size - max(shift, 0))
        same = samples[here] == samples[here + shift]
        found[order[here[same]], column] = codes[here[same] + shift]
    return found


def one_hot(codes: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return a column for each code that occurs in each column of known codes: (token, column), 0 or 1."""
    columns = [codes[:, at : at + 1] == np.unique(known[:, at])[None] for at in range(codes.shape[1])]
    return np.concatenate(columns, axis=1).astype(np.float32)


def word_types(acts: xr.Dataset, label: str) -> NDArray[Any]:
    """Return for each token its word and its place there as one string, ``abc 1``; a word is a run of letters.

    Tokens that are no letter are words of their own.
    """
    order = np.lexsort([acts["step"].values, acts["sample"].values])
    letters, samples = acts[label].values[order].astype(str), acts["sample"].values[order]
    inside = np.char.isalpha(letters)
    begins = np.ones(letters.size, bool)
    begins[1:] = ~(inside[1:] & inside[:-1]) | (samples[1:] != samples[:-1])
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], letters.size)
    types = np.empty(letters.size, object)
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        word = "".join(letters[start:end])
        types[order[start:end]] = [f"{word} {place}" for place in range(end - start)]
    return types.astype(str)
