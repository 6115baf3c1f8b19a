"""Table of claims and section on ablations."""

import json
from importlib.resources import files

from interp_reproduction.report import claim_table
from interp_reproduction.report.claim_table import study_answer


def test_the_page_shows_ablations(report):
    page = (report / "index.html").read_text(encoding="utf-8")
    assert '<section id="cause">' in page
    assert "top 10 backward h" in page
    assert page.count('<td class="ablation"') == 7


def test_the_open_question_has_the_answer_of_the_study(report):
    answer = json.loads((files("interp_models") / "study/answer.json").read_text(encoding="utf-8"))
    assert study_answer() == (answer["verdict"], answer["explanation"])
    assert answer["verdict"] in (report / "index.html").read_text(encoding="utf-8")


def test_without_results_the_question_is_open(monkeypatch):
    monkeypatch.setattr(claim_table, "STUDY_ANSWER", "no-such.json")
    assert study_answer()[0] == "Open: not measured yet."
