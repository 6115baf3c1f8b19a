"""The probe ``hypothesis``: units that are active through a span of text, and the places where the pattern recurs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from interp import OptionError, UnknownNameError, probe, select
from interp_units.hypothesis.candidate_units import Span, candidate_units
from interp_units.hypothesis.matches import find_places

if TYPE_CHECKING:
    import xarray as xr


@probe(requires=("source",))
def hypothesis(
    acts: xr.Dataset,
    *,
    span: Sequence[int],
    high: float | None = None,
    low: float | None = None,
    quantile: float = 0.15,
    before: int = 0,
    after: int = 0,
    units: Sequence[str] | None = None,
    quantity: str | Sequence[str] | None = None,
    n_units: int = 10,
    min_agreement: float = 0.5,
    max_places: int = 100,
    regex: str = "",
    label: str = "input",
) -> xr.Dataset:
    """Find units that are active through a span of text, then the places where they are active together again.

    A unit is on+ above ``high``, on- below ``low``, else off. A unit with one of the two states throughout the span
    has a pattern; the ``n_units`` units whose pattern is rarest in other text are selected. A place is as long as the
    span: it is strict if all selected units show their pattern, fuzzy if at least a share of ``min_agreement`` does.
    Places don't overlap, and the source of the span is not counted. After Strobelt et al., "LSTMVis" (2018), with both
    ends of a unit's range.

    Parameters
    ----------
    acts : Dataset
        Activations, dims ``(token, unit)``, of whole samples.
    span : (int, int, int)
        Sample, first step and last step (inclusive).
    high, low : float, optional
        Thresholds, ``low <= high``; by default each unit's own upper and lower ``quantile``.
    quantile : float
        Share of tokens above the default ``high``, and below the default ``low``; above 0 and below 0.5.
    before, after : int
        Number of tokens just before and after the span at which a unit must leave its state.
    units : sequence of str, optional
        Names of the units to search; by default all.
    quantity : str or sequence of str, optional
        Quantities whose units are searched; by default all.
    n_units : int
        Maximum number of units to select.
    min_agreement : float
        Minimum share of the selected units at a fuzzy place; above 0, at most 1.
    max_places : int
        Maximum number of places to list; all are counted.
    regex : str
        Regular expression for the text that the units might stand for, such as ``tyun``. A place is a match if the
        two share half of the longer one.
    label : str
        Coord of ``token`` that is the text.

    Returns
    -------
    Dataset
        (unit): ``state``, 1 or -1; ``threshold``; ``rate``, the share of the spans of other text with the unit's
        pattern. (place), best first, with one of each source before a second of any: ``sample``, ``step``, ``source``;
        ``n_agreeing``, the number of active units; the text ``before``, ``match_text`` and ``after``; and ``active
        (place, unit)``. (level), strict and fuzzy: ``n_places`` and ``sources``, the numbers of places and of their
        sources. Scalars: ``n_with_pattern``, units with a pattern, among ``n_candidates``; ``expected``, their mean
        number at a span of other text; ``n_required``, active units at a fuzzy place; ``n_spans``, spans searched. With
        ``regex`` also ``is_match (place)``; ``precision`` and ``recall (level)`` with ``_ci_low`` and ``_ci_high``;
        ``matches`` and ``match_sources``, the numbers of matches and of their sources.

    Raises
    ------
    UnknownNameError
        No such label.
    OptionError
        A span that was not captured, options out of range, an invalid regular expression, or no unit with a pattern.
    """
    if label not in acts.coords:
        names = ", ".join(str(name) for name, coord in acts.coords.items() if coord.dims == ("token",))
        raise UnknownNameError(f"No label named {label!r}; labels of tokens: {names}.")
    check_thresholds(quantile, min_agreement, low, high)
    check_counts(before=before, after=after, n_units=n_units, max_places=max_places)
    check_regex(regex)
    filters = {"quantity": [quantity] if isinstance(quantity, str) else quantity, "unit": units}
    searched = select(acts, **{name: list(values) for name, values in filters.items() if values is not None})
    text_span = make_span(acts, span, before, after)
    candidates = candidate_units(searched, text_span, quantile, low, high)
    if not candidates.state.any():
        raise OptionError(
            f"None of {searched.sizes['unit']:,} units has one state throughout the span. Shorten it, raise quantile= "
            f"(now {quantile:g}), or pass other thresholds high= and low=."
        )
    selection = candidates.rarest(n_units)
    return find_places(
        searched.isel(unit=selection),
        candidates,
        selection,
        text_span,
        label=label,
        min_agreement=min_agreement,
        max_places=max_places,
        regex=regex,
    )


def check_thresholds(quantile: float, min_agreement: float, low: float | None, high: float | None) -> None:
    """Raise `OptionError` for thresholds out of range."""
    if not 0 < quantile < 0.5 or not 0 < min_agreement <= 1:
        raise OptionError(
            f"Expected 0 < quantile < .5 and 0 < min_agreement <= 1; got quantile={quantile}, "
            f"min_agreement={min_agreement}."
        )
    if low is not None and high is not None and low > high:
        raise OptionError(f"low= must be at most high=; got low={low}, high={high}.")


def check_counts(*, before: int, after: int, n_units: int, max_places: int) -> None:
    """Raise `OptionError` for numbers of tokens, units or places out of range."""
    if min(before, after) < 0 or min(n_units, max_places) < 1:
        raise OptionError(
            "Expected before= and after= of at least 0, n_units= and max_places= of at least 1; got "
            f"before={before}, after={after}, n_units={n_units}, max_places={max_places}."
        )


def check_regex(regex: str) -> None:
    """Raise `OptionError` for an invalid regular expression."""
    try:
        re.compile(regex)
    except re.error as error:
        raise OptionError(f"regex= must be a valid regular expression ({error}); got {regex!r}.") from error


def make_span(acts: xr.Dataset, span: Sequence[int], before: int, after: int) -> Span:
    """Return the tokens of a span, and the captured tokens around it.

    Raises
    ------
    OptionError
        A span that is not three numbers in order, or whose tokens were not all captured.
    """
    if len(span) != 3 or span[1] > span[2]:
        raise OptionError(f"span= must be (sample, first step, last step); got {span!r}.")
    sample, first, last = (int(number) for number in span)
    tokens = np.flatnonzero(acts["sample"].values == sample)
    step = acts["step"].values[tokens]
    order = np.argsort(step, kind="stable")
    tokens, step = tokens[order], step[order]
    inside = tokens[(step >= first) & (step <= last)]
    if inside.size != last - first + 1:
        captured = f"has steps {step.min()} to {step.max()}" if step.size else "was not captured"
        raise OptionError(f"span={tuple(span)} is not in these activations: sample {sample} {captured}.")
    around = ((step >= first - before) & (step < first)) | ((step > last) & (step <= last + after))
    return Span(inside, tokens[around], before, after)
