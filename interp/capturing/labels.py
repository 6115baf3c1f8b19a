"""Labels of tokens: however a batch states them, one value a token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from interp.errors import CaptureError

RESERVED = ("sample", "step", "call")


class Labels:
    """The labels of one batch, made flat when the lengths of its samples are known.

    Parameters
    ----------
    stated : mapping, optional
        As in a `Batch`.
    count : int, optional
        The samples of the batch, where known.
    lengths : array (sample,), optional
        Tokens of each sample of the batch, where known.

    Raises
    ------
    CaptureError
        For a label with a name of ours, or one that does not fit the tokens.
    """

    def __init__(self, stated: Mapping[str, Any] | None, count: int | None, lengths: np.ndarray | None) -> None:
        self.stated, self.count = dict(stated or {}), count
        self.lengths: np.ndarray | None = None
        self.flat: dict[str, np.ndarray] = {}
        for name in RESERVED:
            if name in self.stated:
                raise CaptureError(f"The label {name!r} is made by capture; give yours another name.")
        if lengths is not None:
            self._flatten(lengths)

    def _flatten(self, lengths: np.ndarray) -> None:
        self.lengths = lengths
        self.flat = {name: flatten(name, values, lengths) for name, values in self.stated.items()}

    def of(self, lengths: np.ndarray, start: int, stop: int) -> dict[str, np.ndarray]:
        """Return the labels of samples ``start`` to ``stop``, which have these lengths: name to ``(token,)``."""
        if self.lengths is None:  # nothing was stated, so the samples of the batch are equally long
            self._flatten(lengths if self.count in (None, lengths.size) else np.full(self.count or 0, lengths[0]))
        assert self.lengths is not None  # noqa: S101
        if not np.array_equal(self.lengths[start:stop], lengths):
            raise CaptureError(
                f"Samples of a batch have {self.lengths[start:stop][:5].tolist()}… tokens by its lengths and "
                f"{lengths[:5].tolist()}… steps in the model. Give lengths= that the model works with."
            )
        first, last = int(self.lengths[:start].sum()), int(self.lengths[:stop].sum())
        return {name: values[first:last] for name, values in self.flat.items()}


def flatten(name: str, values: Any, lengths: np.ndarray) -> np.ndarray:
    """Return one label as a value for each token.

    Parameters
    ----------
    name : str
        For errors.
    values : sequence
        Flat, a value a token; or an entry a sample: a sequence of a value a token, or a number for the whole sample.
    lengths : array (sample,)
        Tokens of each sample.

    Raises
    ------
    CaptureError
        Where they do not fit.
    """
    values = values.tolist() if hasattr(values, "tolist") and not isinstance(values, np.ndarray) else values
    tokens = int(lengths.sum())
    if isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype != object and len(values) == tokens:
        return values
    values = list(values)
    if len(values) == lengths.size and any(_is_sequence(value, tokens != lengths.size) for value in values):
        return _join(name, values, lengths)
    if len(values) == tokens:
        return label_array(values)
    if len(values) == lengths.size and all(isinstance(value, int | float | np.number) for value in values):
        return np.repeat(np.asarray(values), lengths)
    raise CaptureError(
        f"Label {name!r} has {len(values)} values; expected {tokens} (one a token) "
        f"or {lengths.size} entries (one a sample)."
    )


def _is_sequence(value: Any, strings: bool) -> bool:
    return strings if isinstance(value, str) else hasattr(value, "__len__")


def _join(name: str, entries: Sequence[Any], lengths: np.ndarray) -> np.ndarray:
    for sample, (entry, length) in enumerate(zip(entries, lengths.tolist(), strict=True)):
        if len(entry) != length:
            raise CaptureError(
                f"Label {name!r} of sample {sample} of its batch has {len(entry)} values; "
                f"the sample has {length} steps."
            )
    return label_array([value for entry in entries for value in entry])


def label_array(values: Sequence[Any]) -> np.ndarray:
    """Return labels as an array: numbers, or strings of fixed width."""
    array = np.asarray(values)
    return array.astype(str) if array.dtype == object else array


def join_labels(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the labels of several pieces one after the other.

    Raises
    ------
    CaptureError
        Where some lack a label that others have.
    """
    names = list(dict.fromkeys(name for part in parts for name in part))
    for name in names:
        if any(name not in part for part in parts):
            raise CaptureError(f"Some batches have the label {name!r} and some do not; give it to all or none.")
    return {name: np.concatenate([part[name] for part in parts]) for name in names}
