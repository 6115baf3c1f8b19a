"""Headless Chromium without network access, and its pages."""

import os
import shutil
from pathlib import Path

import pytest
from helpers.dashboards import serving
from helpers.readers import Reader

from interp_dashboard.data import DashboardData

ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def pytest_collection_modifyitems(items):
    folder = Path(__file__).parent
    for item in items:
        if folder in Path(item.path).parents:
            item.add_marker(pytest.mark.browser)


def skip_or_fail(reason):
    if os.environ.get("INTERP_REQUIRE_BROWSER") == "1":
        pytest.fail(f"INTERP_REQUIRE_BROWSER=1, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium():
    """Running browser; tests are skipped without one, unless it is required."""
    path = os.environ.get("INTERP_CHROMIUM") or shutil.which("chromium")
    if not path:
        skip_or_fail("Chromium was not found: install it, or set INTERP_CHROMIUM to its path")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        skip_or_fail("playwright is not installed: pip install 'interp[browser]'")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


class Visit:
    """Page opened from disk. Records all requests and errors, and blocks all requests except for files."""

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
    """Visit of a page; parametrize it indirectly with (width, colour scheme)."""
    width, scheme = getattr(request, "param", (1440, "light"))
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page_visit = Visit(context)
    yield page_visit
    context.close()
    assert not page_visit.troubles
    assert all(url.startswith("file://") for url in page_visit.requests)


@pytest.fixture
def reader(chromium, request):
    """Reader of the dashboard; parametrize it indirectly with (width, colour scheme)."""
    width, scheme = getattr(request, "param", (1440, "light"))
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.set_default_timeout(20_000)
    dashboard_reader = Reader(context)
    yield dashboard_reader
    context.close()
    assert dashboard_reader.troubles == []
    assert dashboard_reader.foreign == []


@pytest.fixture(scope="module")
def served(drawn_acts, drawn_dist):
    """URL of a dashboard of the synthetic capture, without a model."""
    with serving(DashboardData(drawn_acts, [drawn_dist])) as url:
        yield url
