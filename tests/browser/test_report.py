"""Page of a report, opened from disk in a browser without network access."""

import sys

import pytest
import torch

import interp
from interp.cli.app import main
from interp_models.networks import CharacterBiLSTM
from interp_reproduction import pipeline

SIZES = [(1440, "light"), (1440, "dark"), (800, "light"), (800, "dark")]


def small_network(name, *, random_init=None):
    pack = interp.load_task("transliteration").pack
    with torch.random.fork_rng():
        torch.manual_seed(99 if random_init is None else random_init)
        return CharacterBiLSTM(pack.inputs, pack.outputs, cells=15, name=name).eval()


@pytest.fixture(scope="session")
def report(chromium, tmp_path_factory):
    """A report of a small network, with every figure."""
    path = tmp_path_factory.mktemp("made") / "report"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "load_model", small_network)
        options = ["--limit", "1000", "--output", str(path)]
        patch.setattr(sys, "argv", ["interp", "reproduce", *options])
        with pytest.raises(SystemExit):
            main()
    return path


@pytest.mark.parametrize("visit", SIZES, indirect=True, ids=str)
def test_the_report_opens_without_requests_and_fits(visit, report):
    page = visit.open(report / "index.html")
    assert page.locator("figure.view").count() == 9
    assert page.locator("table.claims > tbody").count() == 8
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert visit.requests == [(report / "index.html").as_uri()]


def test_every_claim_unfolds(visit, report):
    page = visit.open(report / "index.html")
    for claim in page.locator(".behind summary").all():
        claim.click()
    assert page.locator(".behind dl:visible").count() == 7
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_tooltip_of_a_node_has_its_numbers(visit, report):
    page = visit.open(report / "index.html")
    page.locator(".node").first.hover()
    assert "distance" in page.locator(".tip:visible").inner_text()
    page.keyboard.press("Escape")
    assert page.locator(".tip:visible").count() == 0


def test_links_open_pages_without_requests(visit, report):
    page = visit.open(report / "index.html")
    page.locator("figure a:text('HTML')").first.click()
    page.wait_for_url("**/figures/graph-t-ca.html")
    assert page.locator("h1").is_visible()


def test_all_text_is_readable(visit, report):
    page = visit.open(report / "index.html")
    sizes = page.evaluate(
        """() => [...document.querySelectorAll("main *:not(svg *)")]
        .filter(e => e.checkVisibility() && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
        .map(e => parseFloat(getComputedStyle(e).fontSize))"""
    )
    assert min(sizes) >= 10
