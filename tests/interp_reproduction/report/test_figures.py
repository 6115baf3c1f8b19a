"""Figures of a report."""

import pytest

FIGURES = [
    "graph-t-ca",
    "graph-s-placeholder",
    "graph-t-to",
    "graph-h-placeholder",
    "histograms-t-ca-h",
    "histograms-t-ca-hidden-unit",
    "histograms-s-placeholder-h",
    "top-pairs-s-placeholder",
    "strips-tyun",
]


@pytest.mark.parametrize("suffix", [".html", ".png", ".svg"])
def test_every_figure_is_there_in_every_format(report, suffix):
    assert {path.stem for path in (report / "figures").glob(f"*{suffix}")} == set(FIGURES)
    assert len(list((report / "figures").iterdir())) == 3 * len(FIGURES)


def test_the_page_has_every_figure(report):
    assert (report / "index.html").read_text(encoding="utf-8").count("<figure") == len(FIGURES)
