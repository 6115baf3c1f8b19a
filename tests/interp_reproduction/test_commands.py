"""The command ``interp reproduce``: replacement of a report, and every error as one sentence."""

import json
import lzma
from dataclasses import replace

import pytest

from interp_reproduction import pipeline


def test_a_second_report_replaces_the_first(small, command, tmp_path):
    for limit in (200, 210):
        command("--limit", limit, "--output", tmp_path / "report")
    marker = json.loads((tmp_path / "report/report.json").read_text(encoding="utf-8"))
    assert marker["provenance"]["samples"] == 210
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def write_dump(path, pages=""):
    head = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="hy">'
    path.write_bytes(lzma.compress((head + pages).encode()))
    return path


def corpora(folder):
    (folder / "empty.txt").touch()
    (folder / "picture.txt").write_bytes(bytes(range(256)) * 20)
    (folder / "english-test.txt").write_text("Not one letter of the script is here.\n" * 30)
    (folder / "directory").mkdir()
    page = "<page><title>Ա</title><ns>0</ns><id>1</id><revision><id>1</id><text>Կիսատ"
    return {
        "empty": folder / "empty.txt",
        "no text": folder / "picture.txt",
        "no Armenian": folder / "english-test.txt",
        "no file": folder / "directory",
        "missing": folder / "nowhere.txt",
        "truncated page": write_dump(folder / "dump.xml.xz", page),
    }


@pytest.mark.filterwarnings("ignore:.*truncated")
@pytest.mark.filterwarnings("ignore:.*truncated")
@pytest.mark.parametrize("kind", ["empty", "no text", "no Armenian", "no file", "missing", "truncated page"])
def test_an_invalid_corpus_is_one_sentence(small, command, tmp_path, kind):
    (tmp_path / "corpora").mkdir()
    (tmp_path / "out").mkdir()
    path = corpora(tmp_path / "corpora")[kind]
    assert_one_sentence(command("--corpus", path, "--output", tmp_path / "out/report"), path.name)
    assert list((tmp_path / "out").iterdir()) == []


def assert_one_sentence(result, *words):
    code, out, err = result
    message = err.strip().splitlines()[-1]
    assert code == 1
    assert out == ""
    assert message.startswith("interp: ")
    assert "Traceback" not in err
    for word in words:
        assert word in message


def test_an_invalid_output_is_reported_before_the_work(monkeypatch, command, tmp_path):
    monkeypatch.setattr(pipeline, "load_model", lambda *_, **__: pytest.fail("the work must not begin"))
    (tmp_path / "file").touch()
    assert_one_sentence(command("--output", tmp_path / "file"), "is a file")
    assert_one_sentence(command("--output", tmp_path / "file/report"), "no directory")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("kind", ["missing", "altered"])
def test_invalid_weights_are_one_sentence(monkeypatch, command, tmp_path, kind):
    from interp.registry import active_registry

    weights = tmp_path / "weights.safetensors"
    if kind == "altered":
        weights.write_bytes(b"other bytes")
    spec = replace(active_registry().get("model", "armenian-bilstm"), weights=weights)
    monkeypatch.setattr(type(active_registry()), "get", lambda *_: spec)
    assert_one_sentence(command("--output", tmp_path / "report"), kind, "armenian-bilstm")
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("options", "word"),
    [(["--limit", 5], "--limit"), (["--rules", "nobody's"], "nobody's"), (["--model", "no-such"], "no-such")],
)
def test_invalid_options_are_one_sentence(request, command, tmp_path, options, word):
    if "--model" not in options:
        request.getfixturevalue("small")
    assert_one_sentence(command(*options, "--output", tmp_path / "report"), word)
    assert list(tmp_path.iterdir()) == []
