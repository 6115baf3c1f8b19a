"""Conformance rules of viewers: data, text, and a self-contained page."""

from __future__ import annotations

import re
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.api.measure import measure
from interp.errors import InterpError, UnknownNameError
from interp.registry import active_registry
from interp.testing.conformance.check import CheckedObject, NotApplicable, run_or_skip
from interp.testing.toy import Toy

if TYPE_CHECKING:
    import xarray as xr

    from interp.plotting.view import View


EXTERNAL_URL = r"""["']?\s*(?:https?:)?//"""
RESOURCE_REQUEST = re.compile(
    rf"(?:src|poster|<link\b[^>]*href)\s*=\s*{EXTERNAL_URL}|@import|url\(\s*{EXTERNAL_URL}", re.IGNORECASE
)
SCRIPT_REQUEST = re.compile(
    r"\b(?:fetch|sendBeacon|importScripts)\s*\(|new\s+(?:XMLHttpRequest|WebSocket|EventSource)\b"
)
MAX_TITLE_LENGTH = 60
PROBE_OF_PARAMETER = {"dist": "hellinger"}  # parameters that are not named after their probe
HOSTILE = "<script>alert(1)</script>"
MARKUP_LETTERS = ("s", "z")  # symbols replaced by markup; those of the toy's pair are not


def draw_toy(subject: CheckedObject, toy: Toy) -> View:
    """Return the view of a toy."""
    from interp.api.draw import draw

    return draw(subject.value, *viewer_datasets(subject, toy), **subject.options(toy))


def cached_view(subject: CheckedObject) -> View:
    """Return the view of the default toy, drawn once for all rules."""
    if "first" not in subject.cache:
        subject.cache["first"] = run_or_skip(lambda: draw_toy(subject, subject.toy()))
    view: View = subject.cache["first"]
    return view


def viewer_datasets(subject: CheckedObject, toy: Toy) -> list[Any]:
    """Return the datasets that a viewer draws: activations, and results of probes named like its parameters.

    Raises
    ------
    NotApplicable
        A dataset is neither activations nor a probe's result, and is not in ``options={"viewer": {"curve": …}}``.
    """
    options = dict(subject.object_options(toy) if callable(subject.object_options) else subject.object_options)
    arguments = []
    for name, parameter in signature(subject.value).parameters.items():
        if parameter.kind is not Parameter.KEYWORD_ONLY:
            arguments.append(options[name] if name in options else viewer_dataset(name, parameter, toy))
    while arguments and arguments[-1] is None:
        arguments.pop()
    return arguments


def viewer_dataset(name: str, parameter: Parameter, toy: Toy) -> xr.Dataset | None:
    """Return activations, or the result of the probe of this name; None if the parameter is optional."""
    if name in ("acts", "other"):
        return toy.acts
    try:
        probe = active_registry().get("probe", PROBE_OF_PARAMETER.get(name, name.replace("_", "-")))
        return measure(probe, toy.acts)
    except (UnknownNameError, InterpError):
        if parameter.default is Parameter.empty:
            remedy = "Pass check_plugin_test(…, options={viewer: {…}})."
            raise NotApplicable(f"no dataset for {name}. {remedy}") from None
        return None


def data_first(subject: CheckedObject) -> None:
    """Require the drawn data as datasets or tables, by name."""
    import pandas as pd
    import xarray as xr

    view = cached_view(subject)
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


def has_text(subject: CheckedObject) -> None:
    """Require a title, a caption and a summary."""
    view = cached_view(subject)
    for name in ("title", "caption", "summary"):
        if not str(getattr(view, name)).strip():
            subject.fail(f"its {name} is empty.", "describe the picture, for readers who can't see it.")
    if len(view.title) > MAX_TITLE_LENGTH:
        subject.fail(
            f"its title has {len(view.title)} characters.",
            f"shorten it to {MAX_TITLE_LENGTH}; put the rest into the caption.",
        )


def no_requests(subject: CheckedObject) -> None:
    """Require a page that makes no network requests."""
    page = re.sub(r"data:[^\"')]*", "", cached_view(subject).html())
    match = RESOURCE_REQUEST.search(page) or SCRIPT_REQUEST.search(page)
    if match:
        excerpt = page[max(match.start() - 20, 0) : match.end() + 40].replace("\n", " ")
        subject.fail(
            f"its page makes a network request: …{excerpt}…",
            "embed styles, scripts and images in the page, without external addresses.",
        )


def text_stays_text(subject: CheckedObject) -> None:
    """Require that labels with markup appear as text in the page."""
    toy = subject.toy()
    labels = {
        name: (coord.dims, np.where(np.isin(coord.values, MARKUP_LETTERS), HOSTILE, coord.values))
        for name, coord in toy.acts.coords.items() if name in ("input", "output", "predicted", "symbol")
    }  # fmt: skip
    toy = toy.with_activations(toy.acts.assign_coords(labels))
    page = run_or_skip(lambda: draw_toy(subject, toy)).html()
    if HOSTILE in page:
        subject.fail("a label with markup becomes markup in its page.", "escape every label: html.escape(text).")


def reproducible_files(subject: CheckedObject) -> None:
    """Require identical bytes from saving the picture twice."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    view = cached_view(subject)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "view.svg"
        one, two = (view.save(path).read_bytes() for _ in range(2))
    if one != two:
        subject.fail("saved twice, its .svg differs.", "draw only from .data, without the time or random numbers.")


RULES = {
    "data-first": data_first,
    "has-text": has_text,
    "no-requests": no_requests,
    "text-stays-text": text_stays_text,
    "files": reproducible_files,
}
