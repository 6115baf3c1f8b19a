"""Command line of the study."""

import subprocess
import sys
from pathlib import Path

import pytest
from study import run, stages

import interp

SCRIPT = Path(run.__file__)


def test_the_script_imports_its_package_from_anywhere(tmp_path):
    result = subprocess.run(
        [sys.executable, SCRIPT, "--corpus", tmp_path / "none", "--output", tmp_path / "out", "--help"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "--corpus" in result.stdout


def test_corpus_and_output_are_required(capsys):
    with pytest.raises(SystemExit) as raised:
        run.main([])
    assert raised.value.code == 2
    assert "--corpus, --output" in capsys.readouterr().err


def test_errors_are_one_sentence(monkeypatch, capsys, tmp_path):
    def fail(*_):
        raise interp.CorpusError("no text.")

    monkeypatch.setattr(stages, "run_study", fail)
    assert run.main(["--corpus", str(tmp_path), "--output", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "study: no text.\n"


def test_the_path_of_the_results_is_printed(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(stages, "run_study", lambda folder, corpus, report: folder / "RESULTS.md")
    assert run.main(["--corpus", str(tmp_path), "--output", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"Results: {tmp_path / 'RESULTS.md'}\n"
