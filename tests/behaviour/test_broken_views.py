"""Views that break one rule each: the conformance kit names the view and the rule."""

from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr
from helpers.strange import failures, plugin

import interp


@dataclass(frozen=True, kw_only=True)
class RequestingView(interp.SceneView):
    """A view with a picture from another site."""

    def compose(self):
        return interp.plotting.scene.Scene(100, 20, (interp.plotting.scene.Text(0, 10, "here"),))

    def holoviews(self):
        return None

    def style(self):
        return "main { background: url(https://example.org/paper.png) }"


class ValidView(RequestingView):
    """A view without requests."""

    def style(self):
        return ""


class UnescapedView(ValidView):
    """A view that does not escape labels."""

    def picture(self):
        return f"<p>{self.summary}</p>"


class RandomView(ValidView):
    """A view that differs from call to call."""

    def compose(self):
        return interp.plotting.scene.Scene(
            100, 20, (interp.plotting.scene.Text(0, 10, str(np.random.default_rng().random())),)
        )


def make_viewer(**changes):
    """Return a viewer whose view is valid except for the changes."""
    kind = changes.pop("kind", ValidView)

    @interp.viewer(name="strange")
    def strange(acts: xr.Dataset) -> interp.View:
        """Draw one word, from acts (token, unit)."""
        letters = sorted(set(acts["input"].values.tolist()))
        fields = {
            "title": "Here",
            "caption": "here",
            "summary": " ".join(letters),
            "data": {"acts": acts[["activation"]]},
        }
        return kind(**(fields | changes))

    return strange


def test_a_view_that_phones_home_is_caught():
    @interp.viewer(name="strange")
    def requesting(acts: xr.Dataset) -> RequestingView:
        """Draw one word, from acts (token, unit)."""
        return RequestingView(title="Here", caption="here", summary="Here.", data={"acts": acts})

    messages = failures(plugin(viewers=[requesting]))
    assert list(messages) == ["strange/no-requests"]
    assert "example.org" in messages["strange/no-requests"]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"data": {}}, "data-first"),
        ({"data": {"numbers": [1, 2]}}, "data-first"),
        ({"summary": " "}, "has-text"),
        ({"title": "x" * 61}, "has-text"),
        ({"kind": UnescapedView}, "text-stays-text"),
        ({"kind": RandomView}, "files"),
    ],
    ids=str,
)
def test_a_broken_view_is_caught(changes, rule):
    assert f"strange/{rule}" in failures(plugin(viewers=[make_viewer(**changes)]))


def test_a_view_without_requests_passes_with_a_link_and_the_word_fetch():
    @dataclass(frozen=True, kw_only=True)
    class LinkedView(ValidView):
        """A view with a link to the source of its formula."""

        def picture(self):
            return '<p>what dogs fetch: <a href="https://example.org/">a formula</a></p>'

    assert not failures(plugin(viewers=[make_viewer(kind=LinkedView)]))
