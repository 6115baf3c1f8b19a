"""Views that are broken on purpose, each for one rule: the kit names the view and the rule."""

from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr
from helpers.strange import failures, plugin

import interp


@dataclass(frozen=True, kw_only=True)
class Caller(interp.SceneView):
    """A view that asks another place for a picture."""

    def compose(self):
        return interp.plotting.scene.Scene(100, 20, (interp.plotting.scene.Text(0, 10, "here"),))

    def holoviews(self):
        return None

    def style(self):
        return "main { background: url(https://example.org/paper.png) }"


class Calm(Caller):
    """A view that asks nobody."""

    def style(self):
        return ""


class Trusting(Calm):
    """A view that takes labels for markup."""

    def picture(self):
        return f"<p>{self.summary}</p>"


class Hasty(Calm):
    """A view that is another one each time."""

    def compose(self):
        return interp.plotting.scene.Scene(
            100, 20, (interp.plotting.scene.Text(0, 10, str(np.random.default_rng().random())),)
        )


def drawing(**changed):
    """Return a viewer whose view is right but for what is changed."""
    kind = changed.pop("kind", Calm)

    @interp.viewer(name="strange")
    def strange(acts: xr.Dataset) -> interp.View:
        """Nothing, of (token, unit)."""
        letters = sorted(set(acts["input"].values.tolist()))
        right = {
            "title": "Here",
            "caption": "here",
            "summary": " ".join(letters),
            "data": {"acts": acts[["activation"]]},
        }
        return kind(**(right | changed))

    return strange


def test_a_view_that_phones_home_is_caught():
    @interp.viewer(name="strange")
    def phoning(acts: xr.Dataset) -> Caller:
        """Nothing, of (token, unit)."""
        return Caller(title="Here", caption="here", summary="Here.", data={"acts": acts})

    told = failures(plugin(viewers=[phoning]))
    assert list(told) == ["strange/no-requests"]
    assert "example.org" in told["strange/no-requests"]


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
def test_a_broken_view_is_caught(changed, rule):
    assert f"strange/{rule}" in failures(plugin(viewers=[drawing(**changed)]))


def test_a_view_that_asks_nobody_passes_also_with_a_link_and_with_the_word_fetch():
    @dataclass(frozen=True, kw_only=True)
    class Linked(Calm):
        """A view that says where its formula is from."""

        def picture(self):
            return '<p>what dogs fetch: <a href="https://example.org/">a formula</a></p>'

    assert not failures(plugin(viewers=[drawing(kind=Linked)]))
