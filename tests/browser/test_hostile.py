"""Hostile text in the labels, units, symbols and names of every registered viewer, in a browser without network."""

import pytest
from helpers.every import DRAWN, NASTY, called, small

SIZES = [(1440, "light"), (800, "dark")]


@pytest.fixture(scope="module")
def world(drawn_acts, drawn_links):
    return small(drawn_acts, drawn_links)


@pytest.fixture(scope="module", params=DRAWN)
def saved(request, world, tmp_path_factory):
    """Page of a viewer for each text, and one without hostile text."""
    folder, draw = tmp_path_factory.mktemp("hostile"), DRAWN[request.param]
    pages = [draw(called(world, text)).save(folder / f"{at}.html") for at, text in enumerate(NASTY)]
    return draw(world).save(folder / "plain.html"), pages


@pytest.mark.parametrize("visit", SIZES, indirect=True, ids=str)
def test_any_text_shows_as_text(visit, saved):
    plain, pages = saved
    scripts = visit.open(plain).locator("script").count()
    for text, path in zip(NASTY, pages, strict=True):
        page = visit.open(path)  # dialogs, errors and requests fail the visit
        assert page.locator("script").count() == scripts
        assert page.locator("img, svg[onload]").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), text[:40]
        assert page.evaluate("document.querySelectorAll('*').length") < 5000
        if text.startswith("<"):
            assert text[:3] in page.locator("body").inner_text()  # names are truncated in the middle
