"""Names and notes of units in a file beside the store."""

import json
import multiprocessing

import pytest

from interp import OptionError
from interp_dashboard.annotations import Notes

HOSTILE = ["<script>alert(1)</script>", "\u202e", "\ud800", "a\u0301", "x" * 10_000, "line\nline", '"}]', "\x00"]


def test_notes_persist(tmp_path):
    notes = Notes.beside(tmp_path / "acts.zarr")
    assert notes.read() == {}
    assert not notes.path.exists()
    notes.write("lstm.0.forward.h.3", "counts", "goes up")
    again = Notes.beside(tmp_path / "acts.zarr")
    assert again.path == tmp_path / "acts.notes.json"
    assert again.read()["lstm.0.forward.h.3"] == {"name": "counts", "note": "goes up", "earlier": []}


def test_previous_notes_are_retained(tmp_path):
    notes = Notes(tmp_path / "n.json")
    for note in ("first", "second", "second", ""):
        notes.write("a", "name", note)
    assert [entry["note"] for entry in notes.read()["a"]["earlier"]] == ["first", "second"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_any_text_round_trips(tmp_path, text):
    notes = Notes(tmp_path / "n.json")
    notes.write(text, text[:200], text)
    assert notes.read()[text]["note"] == text


def write_notes(path, writer, n):
    for number in range(n):
        Notes(path).write(f"unit.{writer}.{number}", f"name {number}", "a note")
        Notes(path).write("shared", f"{writer} {number}", "")


def test_concurrent_programs_lose_no_change(tmp_path):
    path = tmp_path / "n.json"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_notes, args=(path, writer, 12)) for writer in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    units = Notes(path).read()
    assert len(units) == 3 * 12 + 1
    shared = [*[entry["name"] for entry in units["shared"]["earlier"]], units["shared"]["name"]]
    assert sorted(shared) == sorted(f"{writer} {number}" for writer in range(3) for number in range(12))
    assert sorted(file.name for file in tmp_path.iterdir()) == [".n.json.lock", "n.json"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema": "other"}', '{"schema": "interp.notes", "version": 9, "units": {}}']
)
def test_an_unreadable_file_is_not_overwritten(tmp_path, text):
    notes = Notes(tmp_path / "n.json")
    notes.path.write_text(text)
    with pytest.raises(OptionError, match="not a notes file"):
        notes.write("a", "name", "note")
    assert notes.path.read_text() == text


def test_a_failed_write_leaves_the_file_unchanged(tmp_path, monkeypatch):
    notes = Notes(tmp_path / "n.json")
    notes.write("a", "name", "note")
    before = notes.path.read_bytes()
    monkeypatch.setattr(json, "dumps", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OptionError, match="No space left"):
        notes.write("a", "name", "other")
    assert notes.path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == [".n.json.lock", "n.json"]


def test_the_length_of_a_note_is_limited(tmp_path):
    with pytest.raises(OptionError, match="100,000"):
        Notes(tmp_path / "n.json").write("a", "", "x" * 100_001)
