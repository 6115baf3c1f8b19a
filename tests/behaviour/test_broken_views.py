"""Deliberately broken views, one per rule: the failures name the view and the rule."""

from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr
from helpers.strange import failures, plugin

import interp


@dataclass(frozen=True, kw_only=True)
class Caller(interp.SceneView):
    """View that requests a picture from another site."""

    def compose(self):
        return interp.plotting.scene.Scene(100, 20, (interp.plotting.scene.Text(0, 10, "here"),))

    def holoviews(self):
        return None

    def style(self):
        return "main { background: url(https://example.org/paper.png) }"


class Calm(Caller):
    """View without requests."""

    def style(self):
        return ""


class Trusting(Calm):
    """View that inserts labels as markup."""

    def picture(self):
        return f"<p>{self.summary}</p>"


class Hasty(Calm):
    """View that differs each time it is drawn."""

    def compose(self):
        return interp.plotting.scene.Scene(
            100, 20, (interp.plotting.scene.Text(0, 10, str(np.random.default_rng().random())),)
        )


def drawing(**changed):
    """Return a viewer whose view is valid except for some changes."""
    kind = changed.pop("kind", Calm)

    @interp.viewer(name="strange")
    def strange(acts: xr.Dataset) -> interp.View:
        """Draw nothing of (token, unit)."""
        letters = sorted(set(acts["input"].values.tolist()))
        valid = {
            "title": "Here",
            "caption": "here",
            "summary": " ".join(letters),
            "data": {"acts": acts[["activation"]]},
        }
        return kind(**(valid | changed))

    return strange


def test_a_view_with_a_request_fails():
    @interp.viewer(name="strange")
    def phoning(acts: xr.Dataset) -> Caller:
        """Draw nothing of (token, unit)."""
        return Caller(title="Here", caption="here", summary="Here.", data={"acts": acts})

    messages = failures(plugin(viewers=[phoning]))
    assert list(messages) == ["strange/no-requests"]
    assert "example.org" in messages["strange/no-requests"]


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"data": {}}, "data-first"),
        ({"data": {"numbers": [1, 2]}}, "data-first"),
        ({"summary": " "}, "has-text"),
        ({"title": "x" * 61}, "has-text"),
        ({"kind": Trusting}, "text-stays-text"),
        ({"kind": Hasty}, "files"),
    ],
    ids=str,
)
def test_a_broken_view_fails(changed, rule):
    assert f"strange/{rule}" in failures(plugin(viewers=[drawing(**changed)]))


def test_a_view_with_a_link_and_the_word_fetch_passes():
    @dataclass(frozen=True, kw_only=True)
    class Linked(Calm):
        """View with a link to the source of a formula."""

        def picture(self):
            return '<p>what dogs fetch: <a href="https://example.org/">a formula</a></p>'

    assert not failures(plugin(viewers=[drawing(kind=Linked)]))
