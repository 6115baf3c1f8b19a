"""Checks of viewers: a view of the toy has numbers, words and one page that asks nobody for anything."""

from __future__ import annotations

import re
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.conformance.checking import NotApplicable, Subject, answered
from interp.conformance.toys import Toy
from interp.errors import InterpError, UnknownNameError
from interp.measure import measure
from interp.registry import registry

if TYPE_CHECKING:
    import xarray as xr

    from interp.views import View

PLACE = r"""["']?\s*(?:https?:)?//"""
FETCHED = re.compile(rf"(?:src|poster|<link\b[^>]*href)\s*=\s*{PLACE}|@import|url\(\s*{PLACE}", re.IGNORECASE)
CALLED = re.compile(r"\b(?:fetch|sendBeacon|importScripts)\s*\(|new\s+(?:XMLHttpRequest|WebSocket|EventSource)\b")
LONG = 60
PROBES = {"dist": "hellinger"}  # where a parameter has another name than its probe
HOSTILE = "<script>alert(1)</script>"
MARKED = ("s", "z")  # these letters become markup; those of the toy's pair stay


def drawn(subject: Subject, world: Toy) -> View:
    """Return the view of a world."""
    from interp.draw import draw

    return draw(subject.value, *datasets(subject, world), **subject.options(world))


def first(subject: Subject) -> View:
    """Return the view of the toy, made once for all rules."""
    if "first" not in subject.kept:
        subject.kept["first"] = answered(lambda: drawn(subject, subject.toy()))
    view: View = subject.kept["first"]
    return view


def datasets(subject: Subject, world: Toy) -> list[Any]:
    """Return what a viewer draws from: activations, and results of the probes that its parameters are named after.

    Raises
    ------
    NotApplicable
        For one that is no activations and no probe's, and that nobody gives: ``options={"viewer": {"found": …}}``.
    """
    given = dict(subject.given(world) if callable(subject.given) else subject.given)
    made = []
    for name, parameter in signature(subject.value).parameters.items():
        if parameter.kind is not Parameter.KEYWORD_ONLY:
            made.append(given[name] if name in given else dataset(name, parameter, world))
    while made and made[-1] is None:
        made.pop()
    return made


def dataset(name: str, parameter: Parameter, world: Toy) -> xr.Dataset | None:
    """Return activations, or what the probe of a name finds on them; None where the viewer can do without."""
    if name in ("acts", "other"):
        return world.acts
    try:
        found = registry().get("probe", PROBES.get(name, name.replace("_", "-")))
        return measure(found, world.acts)
    except (UnknownNameError, InterpError):
        if parameter.default is Parameter.empty:
            raise NotApplicable(f"nobody gives the dataset {name}: conformance(…, options={{viewer: {{…}}}})") from None
        return None


def data_first(subject: Subject) -> None:
    """Read its numbers before anything is drawn: datasets or tables, by name."""
    import pandas as pd
    import xarray as xr

    view = first(subject)
    wrong = [name for name, held in view.data.items() if not isinstance(held, xr.Dataset | pd.DataFrame)]
    if not view.data or wrong:
        subject.fail(
            f"its .data holds {wrong or 'nothing'}.",
            "put the Datasets or DataFrames there that the picture is drawn from.",
        )
    for name, table in view.tables().items():
        if not len(table.columns):
            subject.fail(f"its table {name!r} has no column.", "tables() returns what is drawn, a row for each mark.")


def in_words(subject: Subject) -> None:
    """Read title, caption and summary: there, and the summary a sentence."""
    view = first(subject)
    for name in ("title", "caption", "summary"):
        if not str(getattr(view, name)).strip():
            subject.fail(f"its {name} is empty.", "say what there is to see, for those who can't see it.")
    if len(view.title) > LONG:
        subject.fail(f"its title has {len(view.title)} characters.", f"{LONG} at most; the rest is for the caption.")


def no_requests(subject: Subject) -> None:
    """Read the page: it fetches nothing."""
    page = re.sub(r"data:[^\"')]*", "", first(subject).html())
    found = FETCHED.search(page) or CALLED.search(page)
    if found:
        around = page[max(found.start() - 20, 0) : found.end() + 40].replace("\n", " ")
        subject.fail(
            f"its page asks the network for something: …{around}…",
            "put styles, scripts and images into the page itself; no address of another place.",
        )


def text_stays_text(subject: Subject) -> None:
    """Draw labels that are markup: they stand in the page as text."""
    world = subject.toy()
    labels = {
        name: (held.dims, np.where(np.isin(held.values, MARKED), HOSTILE, held.values))
        for name, held in world.acts.coords.items() if name in ("input", "output", "predicted", "symbol")
    }  # fmt: skip
    world = world.having(world.acts.assign_coords(labels))
    page = answered(lambda: drawn(subject, world)).html()
    if HOSTILE in page:
        subject.fail("a label that is markup becomes markup in its page.", "escape every label: html.escape(text).")


def files(subject: Subject) -> None:
    """Save it as a picture; twice gives the same bytes."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    view = first(subject)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "view.svg"
        one, two = (view.save(path).read_bytes() for _ in range(2))
    if one != two:
        subject.fail("saved twice, its .svg differs.", "draw from .data alone, and take no time or random number.")


RULES = {
    "data-first": data_first,
    "in-words": in_words,
    "no-requests": no_requests,
    "text-stays-text": text_stays_text,
    "files": files,
}
