"""The probe ``hypothesis``: the units that are on through a span of text, and where they are on together again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from interp import OptionError, UnknownNameError, pick, probe
from interp_units.finding import Span, with_pattern
from interp_units.placing import places

if TYPE_CHECKING:
    import xarray as xr


@probe(requires=("source",))
def hypothesis(
    acts: xr.Dataset,
    *,
    span: Sequence[int],
    high: float | None = None,
    low: float | None = None,
    share: float = 0.15,
    before: int = 0,
    after: int = 0,
    units: Sequence[str] | None = None,
    quantity: str | Sequence[str] | None = None,
    n_units: int = 10,
    fuzzy: float = 0.5,
    n_places: int = 100,
    regex: str = "",
    label: str = "input",
) -> xr.Dataset:
    """Find units that are on through a span of text, then the places where they are on together again.

    A unit is on+ above ``high``, on- below ``low``, else off. Those with one state all through the span have its
    pattern; of these the ``n_units`` are kept whose pattern is rarest elsewhere. A place is as long as the span; strict
    ones show the pattern in all kept units, fuzzy ones in a share of at least ``fuzzy``. Places don't overlap, and
    the span's own source is not counted. As in Strobelt et al., "LSTMVis" (2018), with both sides of a unit's range.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``, whole samples.
    span : (int, int, int)
        Sample, first step and last step.
    high, low : float, optional
        Thresholds, ``low <= high``; by default each unit's own: its upper and lower ``share`` of tokens.
    share : float
        Above 0, below one half.
    before, after : int
        At how many tokens just before and after the span a unit must leave its state.
    units : sequence of str, optional
        Look among these.
    quantity : str or sequence of str, optional
        Look among units of these quantities.
    n_units : int
        The most units to keep.
    fuzzy : float
        Above 0, at most 1.
    n_places : int
        The most places to list; all are counted.
    regex : str
        A regular expression of what the units might stand for: ``tyun``. A place is right where it shares half of the
        longer one with a match.
    label : str
        The coord of ``token`` that is the text.

    Returns
    -------
    Dataset
        (unit): ``state`` 1 or -1, ``threshold``, and ``rate``, the share of spans of other text where it has its
        pattern. (place), best first, one of each source before a second of any: ``sample``, ``step``, ``source``,
        ``agree``, how many units; ``before``, ``here``, ``after``; ``on (place, unit)``. (level), strict and fuzzy:
        ``places``, ``sources``. ``with_pattern`` of ``of_units`` units; ``expected``, how many have a pattern at a span
        of other text, in the mean; ``needed``, units that make a fuzzy place; ``spans``. With ``regex`` also ``right
        (place)``; ``precision``, ``recall (level)`` with ``_low`` and ``_high``; ``matches``, ``match_sources``.

    Raises
    ------
    UnknownNameError
        No such label.
    OptionError
        A span that was not captured, options out of range, a faulty regular expression, and no unit with a pattern.
    """
    if label not in acts.coords:
        there = ", ".join(str(name) for name, held in acts.coords.items() if held.dims == ("token",))
        raise UnknownNameError(f"No label named {label!r}; labels of tokens: {there}.")
    check(share, fuzzy, low, high, min(before, after), min(n_units, n_places), regex)
    wanted = {"quantity": [quantity] if isinstance(quantity, str) else quantity, "unit": units}
    among = pick(acts, **{name: list(held) for name, held in wanted.items() if held is not None})
    where = span_of(acts, span, before, after)
    found = with_pattern(among, where, share, low, high)
    if not found.state.any():
        raise OptionError(
            f"None of {among.sizes['unit']:,} units keeps one state through the span. Shorten it, raise share= (now "
            f"{share:g}), or type other thresholds high= and low=."
        )
    kept = found.rarest(n_units)
    return places(among.isel(unit=kept), found, kept, where, label, fuzzy, n_places, regex)


def check(
    share: float, fuzzy: float, low: float | None, high: float | None, around: int, most: int, regex: str
) -> None:
    """Raise `OptionError` for options out of range and for a faulty regular expression."""
    if not 0 < share < 0.5 or not 0 < fuzzy <= 1 or around < 0 or most < 1:
        raise OptionError(
            "Expected 0 < share < .5, 0 < fuzzy <= 1, before= and after= >= 0, n_units= and n_places= >= 1; "
            f"got share={share}, fuzzy={fuzzy}."
        )
    if low is not None and high is not None and low > high:
        raise OptionError(f"low= is at most high=; got low={low}, high={high}.")
    try:
        re.compile(regex)
    except re.error as error:
        raise OptionError(f"regex= is no regular expression ({error}); got {regex!r}.") from error


def span_of(acts: xr.Dataset, span: Sequence[int], before: int, after: int) -> Span:
    """Return the tokens of a span, and those around it that were captured.

    Raises
    ------
    OptionError
        Where the span is not three numbers in order, or tokens of it were not captured.
    """
    if len(span) != 3 or span[1] > span[2]:
        raise OptionError(f"span= is (sample, first step, last step); got {span!r}.")
    sample, first, last = (int(number) for number in span)
    mine = np.flatnonzero(acts["sample"].values == sample)
    step = acts["step"].values[mine]
    order = np.argsort(step, kind="stable")
    mine, step = mine[order], step[order]
    inside = mine[(step >= first) & (step <= last)]
    if inside.size != last - first + 1:
        there = f"steps {step.min()} to {step.max()}" if step.size else "no such sample"
        raise OptionError(f"span={tuple(span)} is not in these activations: sample {sample} has {there}.")
    beside = ((step >= first - before) & (step < first)) | ((step > last) & (step <= last + after))
    return Span(inside, mine[beside], before, after)
