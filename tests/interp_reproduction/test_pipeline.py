"""Whole reports: identical bytes, few samples, interruption, threads."""

import json
import sys

import pytest
import torch

from interp.cli.app import main
from interp_reproduction import pipeline


def read_claims(report):
    return json.loads((report / "report.json").read_text(encoding="utf-8"))["claims"]


def test_the_same_options_give_the_same_bytes(small, command, tmp_path):
    for name in ("a", "b"):
        code, out, _ = command("--limit", 300, "--output", tmp_path / name)
        assert code == 0
        assert out.strip() == f"Report: {(tmp_path / name).resolve() / 'index.html'}"
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(tmp_path / "b") for path in (tmp_path / "b").rglob("*") if path.is_file())
    different = [
        str(file) for file in files if (tmp_path / "a" / file).read_bytes() != (tmp_path / "b" / file).read_bytes()
    ]
    assert different == []


def test_with_few_samples_figures_are_left_out_with_a_reason(small, command, tmp_path):
    code, *_ = command("--limit", 200, "--output", tmp_path / "report")
    assert code == 0
    page = (tmp_path / "report/index.html").read_text(encoding="utf-8")
    assert 'id="cause"' not in page
    assert "ablation" not in read_claims(tmp_path / "report")["C1"]
    assert "Left out: t=&gt;ծ has" in page
    assert "not measured" in page
    assert not list((tmp_path / "report/figures").glob("graph-t-ca.*"))
    assert read_claims(tmp_path / "report")["C1"]["verdict"] == "Undecided: too few tokens"


def test_with_few_samples_ablations_are_left_out_with_a_reason(small, command, tmp_path):
    code, *_ = command("--limit", 200, "--with-ablations", "--output", tmp_path / "report")
    assert code == 0
    assert "Left out: too few tokens" in (tmp_path / "report/index.html").read_text(encoding="utf-8")
    assert read_claims(tmp_path / "report")["C1"]["ablation"]["used"] is None


def test_an_interrupted_run_leaves_nothing_behind(monkeypatch, small, tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "judge_claims", interrupt)
    monkeypatch.setattr(sys, "argv", ["interp", "reproduce", "--limit", "200", "--output", str(tmp_path / "report")])
    with pytest.raises(SystemExit) as raised:
        main()
    assert raised.value.code == 130
    assert list(tmp_path.iterdir()) == []


def test_the_number_of_threads_of_torch_is_restored():
    before = torch.get_num_threads()
    with pipeline.one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
