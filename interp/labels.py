"""Labels per token, flattened from the forms that a batch may have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from interp.errors import CaptureError

RESERVED_LABELS = ("sample", "step", "call")


class TokenLabels:
    """Labels of one batch, flattened as soon as the lengths of its samples are known.

    Parameters
    ----------
    labels : mapping, optional
        Labels as in a `Batch`.
    count : int, optional
        Number of samples of the batch, if known.
    lengths : array (sample,), optional
        Number of tokens of each sample of the batch, if known.

    Raises
    ------
    CaptureError
        For a label with a reserved name, or one that does not fit the tokens.
    """

    def __init__(self, labels: Mapping[str, Any] | None, count: int | None, lengths: np.ndarray | None) -> None:
        self.labels, self.count = dict(labels or {}), count
        self.lengths: np.ndarray | None = None
        self.flat: dict[str, np.ndarray] = {}
        for name in RESERVED_LABELS:
            if name in self.labels:
                raise CaptureError(f"The label {name!r} is reserved (capture adds it); rename yours.")
        if lengths is not None:
            self._flatten(lengths)

    def _flatten(self, lengths: np.ndarray) -> None:
        self.lengths = lengths
        self.flat = {name: flatten_label(name, values, lengths) for name, values in self.labels.items()}

    def for_samples(self, lengths: np.ndarray, start: int, stop: int) -> dict[str, np.ndarray]:
        """Return the labels of the samples ``start`` to ``stop``, which have these lengths: name to ``(token,)``."""
        if self.lengths is None:  # the batch has no lengths, so all its samples are equally long
            self._flatten(lengths if self.count in (None, lengths.size) else np.full(self.count or 0, lengths[0]))
        assert self.lengths is not None  # noqa: S101
        if not np.array_equal(self.lengths[start:stop], lengths):
            raise CaptureError(
                f"Samples of a batch have {self.lengths[start:stop][:5].tolist()}… tokens by its lengths, but "
                f"{lengths[:5].tolist()}… steps in the model. Pass the lengths that the model uses as lengths=."
            )
        first, last = int(self.lengths[:start].sum()), int(self.lengths[:stop].sum())
        return {name: values[first:last] for name, values in self.flat.items()}


def flatten_label(name: str, values: Any, lengths: np.ndarray) -> np.ndarray:
    """Return one label with one value per token.

    Parameters
    ----------
    name : str
        Name of the label, for error messages.
    values : sequence
        Either one value per token, or one entry per sample: a sequence with one value per token, or a number that
        holds for the whole sample.
    lengths : array (sample,)
        Number of tokens of each sample.

    Raises
    ------
    CaptureError
        If the values do not fit the lengths.
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
        f"Label {name!r} has {len(values)} values; expected {tokens} (one per token) "
        f"or {lengths.size} entries (one per sample)."
    )


def _is_sequence(value: Any, strings: bool) -> bool:
    return strings if isinstance(value, str) else hasattr(value, "__len__")


def _join(name: str, entries: Sequence[Any], lengths: np.ndarray) -> np.ndarray:
    for sample, (entry, length) in enumerate(zip(entries, lengths.tolist(), strict=True)):
        if len(entry) != length:
            raise CaptureError(
                f"Label {name!r} of sample {sample} of its batch has {len(entry)} values; "
                f"the sample has {length} steps. Give one value per step."
            )
    return label_array([value for entry in entries for value in entry])


def label_array(values: Sequence[Any]) -> np.ndarray:
    """Return labels as an array of numbers, or of strings of fixed width."""
    array = np.asarray(values)
    return array.astype(str) if array.dtype == object else array


def join_labels(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Concatenate the labels of several micro-batches.

    Raises
    ------
    CaptureError
        If some lack a label that others have.
    """
    names = list(dict.fromkeys(name for part in parts for name in part))
    for name in names:
        if any(name not in part for part in parts):
            raise CaptureError(f"Some batches have the label {name!r} and some do not; give it to all or none.")
    return {name: np.concatenate([part[name] for part in parts]) for name in names}
