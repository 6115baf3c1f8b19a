"""Options of the probe ``hellinger``: checked once, then read by both estimators and the method text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from interp import OptionError

ESTIMATORS = ("debiased", "raw")
RAW_BINS = 1000  # default of the raw estimator
MAX_BINS = 256  # of the debiased estimator, which stores a bin index in one byte
MIN_PERMUTATIONS = 10


@dataclass(frozen=True, kw_only=True)
class HellingerOptions:
    """Checked options of one measurement; the reducer `Hellinger` documents each of them.

    Lists of names become tuples, and ``bins`` defaults to 1000 for the raw estimator.

    Raises
    ------
    OptionError
        For values out of range, a single string where a list of names is expected, and options that the raw estimator
        does not have.
    """

    estimator: str = "debiased"
    bins: int | None = None
    min_tokens: int = 300
    min_sources: int = 50
    labels: Sequence[str] = ("input", "output")
    pairs: Sequence[str] | None = None
    where: Mapping[str, Any] | None = None
    strata: Sequence[str] = ()
    n_permutations: int = 100
    seed: int = 0
    alpha: float = 0.01
    min_distance: float = 0.2
    correction: Literal["bh", "by"] = "bh"
    return_jackknife: bool = False

    def __post_init__(self) -> None:
        _check_common(self)
        if self.estimator == "raw":
            _check_raw(self)
        else:
            _check_debiased(self)
        bins = RAW_BINS if self.estimator == "raw" and self.bins is None else self.bins
        pairs = None if self.pairs is None else tuple(self.pairs)
        normalised = {"bins": bins, "labels": tuple(self.labels), "strata": tuple(self.strata), "pairs": pairs}
        for name, value in normalised.items():
            object.__setattr__(self, name, value)


def _check_common(options: HellingerOptions) -> None:
    """Raise `OptionError` for values that neither estimator takes."""
    if options.estimator not in ESTIMATORS:
        raise OptionError(f"estimator= is 'debiased' or 'raw'; got {options.estimator!r}.")
    if min(options.min_tokens, options.min_sources) < 1 or (options.bins is not None and options.bins < 1):
        got = f"bins={options.bins}, min_tokens={options.min_tokens}, min_sources={options.min_sources}"
        raise OptionError(f"bins=, min_tokens= and min_sources= must be at least 1; got {got}.")
    if isinstance(options.labels, str) or len(options.labels) != 2:
        raise OptionError(f"labels= takes two names of labels, such as ('input', 'output'); got {options.labels!r}.")
    for name, value in (("pairs", options.pairs), ("strata", options.strata)):
        if isinstance(value, str):
            raise OptionError(f"{name}= takes a list of names; got {value!r}: pass [{value!r}].")


def _check_raw(options: HellingerOptions) -> None:
    """Raise `OptionError` for options that only the debiased estimator has."""
    if options.where or options.strata or options.return_jackknife:
        raise OptionError(
            "where=, strata= and return_jackknife= need estimator='debiased'. To restrict the tokens of the raw "
            "estimator, measure interp.select(acts, ...)."
        )


def _check_debiased(options: HellingerOptions) -> None:
    """Raise `OptionError` for values that the debiased estimator does not take."""
    if options.where is not None and not isinstance(options.where, Mapping):
        raise OptionError(
            f"where= takes a mapping from labels to selections, such as {{'input': 't'}}; got {options.where!r}."
        )
    if options.n_permutations < MIN_PERMUTATIONS or (options.bins is not None and options.bins > MAX_BINS):
        raise OptionError(
            f"n_permutations= must be at least {MIN_PERMUTATIONS} and bins= at most {MAX_BINS}; "
            f"got n_permutations={options.n_permutations}, bins={options.bins}."
        )
    if options.correction not in ("bh", "by"):
        raise OptionError(f"correction= is 'bh' or 'by'; got {options.correction!r}.")
