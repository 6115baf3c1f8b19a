"""The reducer ``hellinger``: its options, and its two modes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from interp import OptionError, Reducer
from interp_hellinger import article, honest

if TYPE_CHECKING:
    import xarray as xr

State = dict[str, np.ndarray]
NEEDS = {"article": ("range", "labels"), "honest": ("hellinger-tokens", "hellinger-edges")}


class Hellinger(Reducer):
    """Hellinger distance between a unit's activations where an input has one output and where it has another.

    For a pair ``a=>b`` the one side are the tokens with input a and output b; the other side, ``without``, are **all
    other tokens with input a**, those with outputs too rare to be pairs themselves included. A pair is kept where
    either side has ``minimum`` tokens, in honest mode also ``minimum_sources`` sources, so that inputs with one output
    drop out; ``attrs["skipped"]`` (JSON) names wanted pairs that have not, in honest mode all of them.

    **Honest mode** counts in bins of equal mass over the tokens with input a, corrects ``D = 1 - Σ_k √(p_k q_k)`` for
    bias and gives it an interval by a jackknife over 20 groups of sources, and a null law by shuffling outputs among
    whole sources. The result has (unit, pair): ``distance`` = sign(D) √|D|, at most 1, below 0 where D is less than
    expected by chance; ``low``, ``high``, the ends of its 95 % interval; ``auc``, the chance that an activation of the
    pair exceeds one of the other side, 0 to 1; ``p``, ``q``, ``knows``. And (pair): ``n_with``, ``n_without`` (tokens),
    ``sources_with``, ``sources_without``; ``smallest``, the distance that would exceed 999 of 1,000 shuffles in the
    median unit: the smallest that this n could show; ``p_max``, the p of the pair's largest z over all units; ``bins``;
    ``groups``, those with tokens: under 10 there is no interval.

    **Article mode** counts both sides in ``bins`` equal bins from the unit's minimum to its maximum over all tokens of
    the source, and

        H = sqrt(½ Σ_k (√p_k − √q_k)²),  0 to 1, float64,

    as in Galstyan and Khachatrian, "Interpreting neurons in an LSTM network" (2017). With many bins and few tokens H
    has a floor: two samples of one law give .6 at 300 against 3,000 tokens, so compare pairs with their n at hand.

    Parameters
    ----------
    mode : {"honest", "article"}
        Article mode takes ``bins``, ``minimum``, ``labels`` and ``pairs``.
    bins : int, optional
        By default 16, and 32 for pairs with 3,000 tokens and 300 sources on each side; 1000 in article mode.
    minimum, minimum_sources : int
        Tokens and sources on each side, 1 at least. With fewer than the default ones pairs are drawn grey.
    labels : sequence of two str
        Coords of ``token``: the input and what it becomes.
    pairs : sequence of str, optional
        Such as ``["t=>ծ"]``; by default all that have enough.
    where : mapping, optional
        Tokens to keep by label, as for `interp.pick`.
    given : sequence of str
        Labels within which outputs are shuffled, such as the position in the word.
    draws : int
        Shuffles, 10 at least.
    seed : int
        Of the shuffles and of the sample that bins are learned from.
    level, least : float
        A unit *knows* a pair where q < ``level`` and ``low`` >= ``least``.
    correction : {"bh", "by"}
        As in `interp.false_discovery`.
    keep_groups : bool
        Add ``whole`` (unit, pair) and ``without`` (group, unit, pair), the uncorrected D of all tokens and of all but
        one group, which `difference` reads.

    Raises
    ------
    OptionError
        For values that make no sense, and where no pair has enough.
    UnknownNameError
        For pairs that never occur.
    SchemaError
        For NaN or infinite activations.
    """

    name: ClassVar[str] = "hellinger"
    version: ClassVar[str] = "2"
    unitwise: ClassVar[bool] = True

    def __init__(
        self,
        *,
        mode: str = "honest",
        bins: int | None = None,
        minimum: int = 300,
        minimum_sources: int = 50,
        labels: Sequence[str] = ("input", "output"),
        pairs: Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
        given: Sequence[str] = (),
        draws: int = 100,
        seed: int = 0,
        level: float = 0.01,
        least: float = 0.2,
        correction: Literal["bh", "by"] = "bh",
        keep_groups: bool = False,
    ) -> None:
        self.mode, self.minimum, self.minimum_sources = mode, minimum, minimum_sources
        self.bins: Any = 1000 if mode == "article" and bins is None else bins
        self.labels, self.pairs, self.where, self.given = labels, pairs, where, given
        self.draws, self.seed, self.level, self.least = draws, seed, level, least
        self.correction, self.keep_groups = correction, keep_groups
        _check(self)
        self.labels, self.given = tuple(labels), tuple(given)
        self.pairs = None if pairs is None else tuple(pairs)
        self.needs = NEEDS[mode]  # type: ignore[misc]  # the two modes need different passes
        self.requires = tuple(dict.fromkeys([*self.labels, *self.given, *(where or {}), "source"]))

    def start(self, units: xr.Dataset, **needed: xr.Dataset) -> State:
        """Return zeros for each unit."""
        if self.mode == "article":
            return article.start(self, units, needed["range"], needed["labels"])
        return honest.start(self, units, needed["hellinger_tokens"], needed["hellinger_edges"])

    def update(self, state: State, chunk: xr.Dataset) -> State:
        """Count the tokens of the chunk."""
        return article.update(self, state, chunk) if self.mode == "article" else honest.update(self, state, chunk)

    def merge(self, a: State, b: State) -> State:
        """Return the sum of the counts."""
        return article.merge(a, b) if self.mode == "article" else honest.merge(a, b)

    def finish(self, state: State) -> xr.Dataset:
        """Return what is known of each unit by itself."""
        return article.finish(self, state) if self.mode == "article" else honest.finish(self, state)

    def conclude(self, result: xr.Dataset) -> xr.Dataset:
        """Return the result; in honest mode with p, q and verdicts over all units."""
        return result if self.mode == "article" else honest.conclude(self, result)


def _check(probe: Hellinger) -> None:
    """Raise `OptionError` for options that make no sense."""
    if probe.mode not in NEEDS:
        raise OptionError(f"mode= is 'honest' or 'article'; got {probe.mode!r}.")
    if min(probe.minimum, probe.minimum_sources) < 1 or (probe.bins is not None and probe.bins < 1):
        got = f"bins={probe.bins}, minimum={probe.minimum}, minimum_sources={probe.minimum_sources}"
        raise OptionError(f"bins=, minimum= and minimum_sources= must be 1 at least; got {got}.")
    if isinstance(probe.labels, str) or len(probe.labels) != 2:
        raise OptionError(f"labels= takes two names of labels, such as ('input', 'output'); got {probe.labels!r}.")
    for name in ("pairs", "given"):
        if isinstance(getattr(probe, name), str):
            held = getattr(probe, name)
            raise OptionError(f"{name}= takes a list of names; got {held!r}: pass [{held!r}].")
    if probe.mode == "article":
        if probe.where or probe.given or probe.keep_groups:
            raise OptionError(
                "where=, given= and keep_groups= are of mode='honest'; the article's takes interp.pick(…)."
            )
    else:
        _check_honest(probe)


def _check_honest(probe: Hellinger) -> None:
    if probe.where is not None and not isinstance(probe.where, Mapping):
        raise OptionError(f"where= takes labels with what to keep, such as {{'input': 't'}}; got {probe.where!r}.")
    if probe.draws < 10 or (probe.bins is not None and probe.bins > 256):
        raise OptionError(f"draws= is 10 at least, bins= 256 at most; got draws={probe.draws}, bins={probe.bins}.")
    if probe.correction not in ("bh", "by"):
        raise OptionError(f"correction= is 'bh' or 'by'; got {probe.correction!r}.")
