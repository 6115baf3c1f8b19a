"""A headless Chromium without a network, and the pages it opens."""

import os
import shutil
from pathlib import Path

import pytest
from dashboards import serving
from readers import Reader

from interp_dashboard.material import Material

ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in Path(item.path).parents:
            item.add_marker(pytest.mark.browser)


def missing(reason):
    if os.environ.get("INTERP_REQUIRE_BROWSER") == "1":
        pytest.fail(f"INTERP_REQUIRE_BROWSER=1, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium():
    """A running browser; skipped without one, unless it is required."""
    path = os.environ.get("INTERP_CHROMIUM") or shutil.which("chromium")
    if not path:
        missing("there is no Chromium: install it, or set INTERP_CHROMIUM to its path")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed: pip install 'interp[browser]'")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


class Visit:
    """A page opened from disk; every request but for files is refused, and it and all that goes wrong is noted."""

    def __init__(self, context):
        self.requests, self.troubles = [], []
        context.route("**/*", self._route)
        self.page = context.new_page()
        self.page.on(
            "console", lambda message: message.type in ("error", "warning") and self.troubles.append(message.text)
        )
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.troubles.append(dialog.message), dialog.dismiss()))

    def _route(self, route):
        self.requests.append(route.request.url)
        if route.request.url.startswith("file://"):
            route.continue_()
        else:
            route.abort()

    def open(self, path):
        self.page.goto(Path(path).as_uri())
        return self.page


@pytest.fixture
def visit(chromium, request):
    """A visit; parametrize it indirectly with (width, colour scheme)."""
    width, scheme = getattr(request, "param", (1440, "light"))
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    visited = Visit(context)
    yield visited
    context.close()
    assert not visited.troubles
    assert all(url.startswith("file://") for url in visited.requests)


@pytest.fixture
def reader(chromium, request):
    """A reader; parametrize it indirectly with (width, colour scheme)."""
    width, scheme = getattr(request, "param", (1440, "light"))
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.set_default_timeout(20_000)
    one = Reader(context)
    yield one
    context.close()
    assert one.troubles == []
    assert one.foreign == []


@pytest.fixture(scope="module")
def served(drawn_acts, drawn_dist):
    """A dashboard of the made-up capture, without a model."""
    with serving(Material(drawn_acts, [drawn_dist])) as url:
        yield url
