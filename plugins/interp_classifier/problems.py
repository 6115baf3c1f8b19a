"""Classification problems of a capture, their two halves, and the features of the text that baselines use.

A problem is an input with all its labels, or one pair against all other labels of its input.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError, SchemaError, UnknownNameError, split_by_source
from interp_classifier.classification import SplitHalf

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    Features = dict[str, NDArray[Any] | None]

WINDOW_REACH = 2  # letters on either side


@dataclass(frozen=True)
class Problem:
    """One classification problem.

    Attributes
    ----------
    name : str
        ``t``, ``t|early`` or ``t=>d``.
    condition : tuple
        Values of the labels that all its tokens share.
    classes : tuple
        Labels in the order of their codes; of a pair only its own, with code 1 against 0 for all others.
    train, test : array (token,) of int64
        Positions of the tokens in each half of the sources.
    train_codes, test_codes : array (token,) of int64
        Code of each token; -1 for a label that the first half does not have.
    """

    name: str
    condition: tuple[Any, ...]
    classes: tuple[Any, ...]
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    train_codes: NDArray[np.int64]
    test_codes: NDArray[np.int64]


def find_problems(
    acts: xr.Dataset,
    condition_on: Sequence[str],
    label: str,
    pairs: Sequence[str] | None,
    min_tokens: int,
    min_sources: int,
) -> tuple[list[Problem], dict[str, str]]:
    """Return the problems with enough tokens, and the reasons for skipping the others.

    Parameters
    ----------
    acts : Dataset (token, unit)
        Activations with labels.
    condition_on : sequence of str
        Labels that the tokens of a problem share, the input first.
    label : str
        Label to predict.
    pairs : sequence of str, optional
        Pairs to classify against the other labels of their input; None for all labels at once.
    min_tokens, min_sources : int
        Minimum numbers of tokens and sources of a problem.

    Returns
    -------
    problems : list of Problem
    skipped : dict of str to str
        Reason by name of the problem.

    Raises
    ------
    UnknownNameError
        For a pair without tokens.
    OptionError
        If no problem is left.
    """
    problems, skipped, names = [], {}, set()
    requested = None if pairs is None else set(pairs)
    for name, values, rows in _groups(acts, condition_on):
        for problem in _make_problems(acts, name, values, rows, label, requested):
            names.add(problem.name)
            reason = _reason_to_skip(acts, problem, min_tokens, min_sources)
            if reason:
                skipped[problem.name] = reason
            else:
                problems.append(problem)
    unknown = sorted((requested or set()) - names)
    if unknown:
        raise UnknownNameError(f"No token has the labels of pair {unknown[0]!r}: expected a pair such as 't=>d'.")
    if not problems:
        reasons = ". ".join(f"{name}: {reason}" for name, reason in list(skipped.items())[:5])
        raise OptionError(
            f"Nothing to classify. {reasons or 'There are no tokens'}. Pass more tokens, or lower min_tokens= and "
            "min_sources=."
        )
    return problems, skipped


def _groups(acts: xr.Dataset, condition_on: Sequence[str]) -> Iterator[tuple[str, tuple[Any, ...], NDArray[np.int64]]]:
    """Yield the name, the label values and the token positions of each combination of labels."""
    columns = [acts[name].values for name in condition_on]
    codes = np.zeros(columns[0].size, np.int64)
    for column in columns:
        _, within = np.unique(column, return_inverse=True)
        _, codes = np.unique(codes * (within.max(initial=0) + 1) + within, return_inverse=True)
    for code in range(codes.max(initial=-1) + 1):
        rows = np.flatnonzero(codes == code)
        values = tuple(column[rows[0]] for column in columns)
        yield "|".join(map(str, values)), values, rows


def _make_problems(
    acts: xr.Dataset,
    name: str,
    condition: tuple[Any, ...],
    rows: NDArray[np.int64],
    label: str,
    pairs: set[str] | None,
) -> Iterator[Problem]:
    """Yield the problems of one combination of labels."""
    labels = acts[label].values
    train, test = (rows[half] for half in _split_rows(acts, rows))
    if pairs is None:
        classes = np.unique(labels[train])
        codes = [np.full(part.size, -1, np.int64) for part in (train, test)]
        for part, part_codes in zip((train, test), codes, strict=True):
            for code, value in enumerate(classes):
                part_codes[labels[part] == value] = code
        yield Problem(name, condition, tuple(classes), train, test, codes[0], codes[1])
        return
    for value in np.unique(labels[rows]):
        if f"{name}=>{value}" in pairs:
            codes = [(labels[part] == value).astype(np.int64) for part in (train, test)]
            yield Problem(f"{name}=>{value}", condition, (value,), train, test, codes[0], codes[1])


def _split_rows(acts: xr.Dataset, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices into ``rows`` of the tokens of either half, as `interp.split_by_source` splits them."""
    import xarray as xr

    tokens = {"source": ("token", acts["source"].values[rows]), "row": ("token", np.arange(rows.size))}
    train, test = split_by_source(xr.Dataset(coords=tokens))
    return train["row"].values, test["row"].values


def _reason_to_skip(acts: xr.Dataset, problem: Problem, min_tokens: int, min_sources: int) -> str:
    """Return the reason why a problem can't be classified, or an empty string."""
    rows = np.concatenate([problem.train, problem.test])
    tokens, sources = rows.size, np.unique(acts["source"].values[rows]).size
    if tokens < min_tokens or sources < min_sources:
        return f"{tokens} tokens / {sources} sources, under {min_tokens} / {min_sources}"
    if np.unique(problem.train_codes).size < 2:
        return "only one label among the sources to fit on"
    return "" if problem.test.size else "no source to test on"


def text_features(acts: xr.Dataset, label: str, control_types: Sequence[str] | None) -> tuple[Features, dict[str, str]]:
    """Return ``input``, ``window`` and ``types`` of all tokens, and the reasons for those that are None.

    Parameters
    ----------
    acts : Dataset (token, unit)
        Activations with labels.
    label : str
        Label of the input.
    control_types : sequence of str, optional
        Labels that together are the type of a token; by default the word and the position in it.

    Returns
    -------
    features : dict
        ``input (token, 1)`` and ``window (token, 5)`` of int codes, ``types (token,)`` of str.
    missing : dict of str to str
        Reasons.
    """
    complete, missing = has_all_steps(acts), {}
    features: Features = {"input": np.unique(acts[label].values, return_inverse=True)[1].reshape(-1, 1)}
    features["window"] = label_windows(acts, label) if complete else None
    if not complete:
        missing["window"] = "some steps of a sample are missing: capture without where="
    if control_types is not None:
        parts = [acts[name].values.astype(str) for name in control_types]
        features["types"] = np.array([" ".join(row) for row in zip(*parts, strict=True)])
    else:
        features["types"] = word_types(acts, label) if complete else None
        if not complete:
            missing["control"] = "words need all steps: pass control_types=[…], or capture without where="
    return features, missing


def split_halves(
    acts: xr.Dataset, problem: Problem, features: Features, interactions: bool
) -> tuple[SplitHalf, SplitHalf]:
    """Return the tokens of a problem, those to fit on first.

    Parameters
    ----------
    acts : Dataset (token, unit)
        Units to classify with.
    problem : Problem
        The problem.
    features : dict
        See `text_features`.
    interactions : bool
        Add the products of all pairs of units.
    """
    train = _split_half(acts, problem, problem.train, problem.train_codes, features, interactions)
    return train, _split_half(acts, problem, problem.test, problem.test_codes, features, interactions)


def _split_half(
    acts: xr.Dataset,
    problem: Problem,
    rows: NDArray[np.int64],
    codes: NDArray[np.int64],
    features: Features,
    interactions: bool,
) -> SplitHalf:
    values = acts.activation[rows].values
    invalid = acts["unit"].values[~np.isfinite(values).all(axis=0)]
    if invalid.size:
        names = ", ".join(invalid[:3]) + (", …" if invalid.size > 3 else "")
        raise SchemaError(
            f"Expected finite activations; {invalid.size} units have NaN or infinite ones: {names}. Select other "
            "units: units=[…]."
        )
    if interactions:
        left, right = np.triu_indices(values.shape[1], 1)
        values = np.concatenate([values, values[:, left] * values[:, right]], axis=1)
    encoded = {
        name: None if feature is None else one_hot(feature[rows], feature[problem.train])
        for name, feature in features.items()
        if name != "types"
    }
    types = features["types"]
    own_types = None if types is None else types[rows]
    assert encoded["input"] is not None  # noqa: S101
    return SplitHalf(values, codes, acts["source"].values[rows], own_types, encoded["window"], encoded["input"])


def has_all_steps(acts: xr.Dataset) -> bool:
    """Return True if each sample has all steps from its first to its last, so that neighbours are known."""
    _, first, size = np.unique(np.sort(acts["sample"].values), return_index=True, return_counts=True)
    order = np.lexsort([acts["step"].values, acts["sample"].values])
    steps = acts["step"].values[order]
    return bool(np.all(steps - np.repeat(steps[first], size) == np.arange(steps.size) - np.repeat(first, size)))


def label_windows(acts: xr.Dataset, label: str) -> NDArray[np.int64]:
    """Return the codes of a label at the steps -2 to 2 around each token, ``(token, 5)``; 0 beyond a sample's ends."""
    order = np.lexsort([acts["step"].values, acts["sample"].values])
    codes = np.unique(acts[label].values, return_inverse=True)[1][order] + 1
    samples = acts["sample"].values[order]
    windows = np.zeros((codes.size, 2 * WINDOW_REACH + 1), np.int64)
    for column, shift in enumerate(range(-WINDOW_REACH, WINDOW_REACH + 1)):
        rows = np.arange(max(-shift, 0), codes.size - max(shift, 0))
        same_sample = samples[rows] == samples[rows + shift]
        windows[order[rows[same_sample]], column] = codes[rows[same_sample] + shift]
    return windows


def one_hot(codes: NDArray[np.int64], reference: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return one-hot features ``(token, feature)`` of codes ``(token, column)``.

    Parameters
    ----------
    codes : array (token, column) of int
        Codes to encode.
    reference : array (token, column) of int
        Codes that get a feature, column by column; other codes are 0 in all features.
    """
    columns = [codes[:, k : k + 1] == np.unique(reference[:, k])[None] for k in range(codes.shape[1])]
    return np.concatenate(columns, axis=1).astype(np.float32)


def word_types(acts: xr.Dataset, label: str) -> NDArray[Any]:
    """Return the word of each token and its position there as one string such as ``abc 1``, ``(token,)`` of str.

    A word is a run of letters. Tokens that are not letters are words of their own.
    """
    order = np.lexsort([acts["step"].values, acts["sample"].values])
    symbols, samples = acts[label].values[order].astype(str), acts["sample"].values[order]
    is_letter = np.char.isalpha(symbols)
    is_start = np.ones(symbols.size, bool)
    is_start[1:] = ~(is_letter[1:] & is_letter[:-1]) | (samples[1:] != samples[:-1])
    starts = np.flatnonzero(is_start)
    ends = np.append(starts[1:], symbols.size)
    types = np.empty(symbols.size, object)
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        word = "".join(symbols[start:end])
        types[order[start:end]] = [f"{word} {position}" for position in range(end - start)]
    return types.astype(str)
