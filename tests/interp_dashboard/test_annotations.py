"""Names and notes of units: kept beside the store, whatever happens."""

import json
import multiprocessing

import pytest

from interp import OptionError
from interp_dashboard.notes import Notes

HOSTILE = ["<script>alert(1)</script>", "\u202e", "\ud800", "a\u0301", "x" * 10_000, "line\nline", '"}]', "\x00"]


def test_a_note_is_there_for_the_next_who_opens_the_store(tmp_path):
    notes = Notes.beside(tmp_path / "acts.zarr")
    assert notes.read() == {}
    assert not notes.path.exists()
    notes.write("lstm.0.forward.h.3", "counts", "goes up")
    again = Notes.beside(tmp_path / "acts.zarr")
    assert again.path == tmp_path / "acts.notes.json"
    assert again.read()["lstm.0.forward.h.3"] == {"name": "counts", "note": "goes up", "earlier": []}


def test_what_was_there_before_is_kept(tmp_path):
    notes = Notes(tmp_path / "n.json")
    for note in ("first", "second", "second", ""):
        notes.write("a", "name", note)
    assert [held["note"] for held in notes.read()["a"]["earlier"]] == ["first", "second"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_any_text_comes_back_as_it_was(tmp_path, text):
    notes = Notes(tmp_path / "n.json")
    notes.write(text, text[:200], text)
    assert notes.read()[text]["note"] == text


def writes(path, who, n):
    for at in range(n):
        Notes(path).write(f"unit.{who}.{at}", f"name {at}", "a note")
        Notes(path).write("shared", f"{who} {at}", "")


def test_several_programs_lose_nothing_of_each_other(tmp_path):
    path = tmp_path / "n.json"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=writes, args=(path, who, 12)) for who in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    held = Notes(path).read()
    assert len(held) == 3 * 12 + 1
    shared = [*[one["name"] for one in held["shared"]["earlier"]], held["shared"]["name"]]
    assert sorted(shared) == sorted(f"{who} {at}" for who in range(3) for at in range(12))
    assert sorted(file.name for file in tmp_path.iterdir()) == [".n.json.lock", "n.json"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema": "other"}', '{"schema": "interp.notes", "version": 9, "units": {}}']
)
def test_a_file_that_cannot_be_read_is_never_written_over(tmp_path, text):
    notes = Notes(tmp_path / "n.json")
    notes.path.write_text(text)
    with pytest.raises(OptionError, match="no file of notes"):
        notes.write("a", "name", "note")
    assert notes.path.read_text() == text


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    notes = Notes(tmp_path / "n.json")
    notes.write("a", "name", "note")
    before = notes.path.read_bytes()
    monkeypatch.setattr(json, "dump", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OptionError, match="No space left"):
        notes.write("a", "name", "other")
    assert notes.path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == [".n.json.lock", "n.json"]


def test_notes_have_a_limit(tmp_path):
    with pytest.raises(OptionError, match="100,000"):
        Notes(tmp_path / "n.json").write("a", "", "x" * 100_001)
