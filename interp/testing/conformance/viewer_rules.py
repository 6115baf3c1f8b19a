"""Conformance rules of viewers: data, text, and a self-contained page."""

from __future__ import annotations

import re
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.api.measure import measure
from interp.errors import InterpError, UnknownNameError
from interp.registry import registry
from interp.testing.conformance.check import NotApplicable, Subject, answered
from interp.testing.toy import Toy

if TYPE_CHECKING:
    import xarray as xr

    from interp.plotting.view import View


PLACE = r"""["']?\s*(?:https?:)?//"""
FETCHED = re.compile(rf"(?:src|poster|<link\b[^>]*href)\s*=\s*{PLACE}|@import|url\(\s*{PLACE}", re.IGNORECASE)
CALLED = re.compile(r"\b(?:fetch|sendBeacon|importScripts)\s*\(|new\s+(?:XMLHttpRequest|WebSocket|EventSource)\b")
LONG = 60
PROBES = {"dist": "hellinger"}  # parameters that are not named after their probe
HOSTILE = "<script>alert(1)</script>"
MARKED = ("s", "z")  # symbols replaced by markup; those of the toy's pair are not


def drawn(subject: Subject, toy: Toy) -> View:
    """Return the view of a toy."""
    from interp.api.draw import draw

    return draw(subject.value, *datasets(subject, toy), **subject.options(toy))


def first(subject: Subject) -> View:
    """Return the view of the default toy, drawn once for all rules."""
    if "first" not in subject.kept:
        subject.kept["first"] = answered(lambda: drawn(subject, subject.toy()))
    view: View = subject.kept["first"]
    return view


def datasets(subject: Subject, toy: Toy) -> list[Any]:
    """Return the datasets that a viewer draws: activations, and results of probes named like its parameters.

    Raises
    ------
    NotApplicable
        A dataset is neither activations nor a probe's result, and is not in ``options={"viewer": {"curve": …}}``.
    """
    options = dict(subject.given(toy) if callable(subject.given) else subject.given)
    arguments = []
    for name, parameter in signature(subject.value).parameters.items():
        if parameter.kind is not Parameter.KEYWORD_ONLY:
            arguments.append(options[name] if name in options else dataset(name, parameter, toy))
    while arguments and arguments[-1] is None:
        arguments.pop()
    return arguments


def dataset(name: str, parameter: Parameter, toy: Toy) -> xr.Dataset | None:
    """Return activations, or the result of the probe of this name; None if the parameter is optional."""
    if name in ("acts", "other"):
        return toy.acts
    try:
        probe = registry().get("probe", PROBES.get(name, name.replace("_", "-")))
        return measure(probe, toy.acts)
    except (UnknownNameError, InterpError):
        if parameter.default is Parameter.empty:
            raise NotApplicable(f"no dataset for {name}. Pass conformance(…, options={{viewer: {{…}}}}).") from None
        return None


def data_first(subject: Subject) -> None:
    """Require the drawn data as datasets or tables, by name."""
    import pandas as pd
    import xarray as xr

    view = first(subject)
    wrong = [name for name, table in view.data.items() if not isinstance(table, xr.Dataset | pd.DataFrame)]
    if not view.data or wrong:
        subject.fail(
            f"its .data has {wrong or 'no entries'}.",
            "store the Datasets or DataFrames that the picture is drawn from.",
        )
    for name, table in view.tables().items():
        if not len(table.columns):
            subject.fail(
                f"its table {name!r} has no columns.", "return the drawn data from tables(), one row per mark."
            )


def in_words(subject: Subject) -> None:
    """Require a title, a caption and a summary."""
    view = first(subject)
    for name in ("title", "caption", "summary"):
        if not str(getattr(view, name)).strip():
            subject.fail(f"its {name} is empty.", "describe the picture, for readers who can't see it.")
    if len(view.title) > LONG:
        subject.fail(
            f"its title has {len(view.title)} characters.", f"shorten it to {LONG}; put the rest into the caption."
        )


def no_requests(subject: Subject) -> None:
    """Require a page that makes no network requests."""
    page = re.sub(r"data:[^\"')]*", "", first(subject).html())
    match = FETCHED.search(page) or CALLED.search(page)
    if match:
        excerpt = page[max(match.start() - 20, 0) : match.end() + 40].replace("\n", " ")
        subject.fail(
            f"its page makes a network request: …{excerpt}…",
            "embed styles, scripts and images in the page, without external addresses.",
        )


def text_stays_text(subject: Subject) -> None:
    """Require that labels with markup appear as text in the page."""
    toy = subject.toy()
    labels = {
        name: (coord.dims, np.where(np.isin(coord.values, MARKED), HOSTILE, coord.values))
        for name, coord in toy.acts.coords.items() if name in ("input", "output", "predicted", "symbol")
    }  # fmt: skip
    toy = toy.having(toy.acts.assign_coords(labels))
    page = answered(lambda: drawn(subject, toy)).html()
    if HOSTILE in page:
        subject.fail("a label with markup becomes markup in its page.", "escape every label: html.escape(text).")


def files(subject: Subject) -> None:
    """Require identical bytes from saving the picture twice."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    view = first(subject)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "view.svg"
        one, two = (view.save(path).read_bytes() for _ in range(2))
    if one != two:
        subject.fail("saved twice, its .svg differs.", "draw only from .data, without the time or random numbers.")


RULES = {
    "data-first": data_first,
    "has-text": in_words,
    "no-requests": no_requests,
    "text-stays-text": text_stays_text,
    "files": files,
}
