"""Reports are written completely or not at all, and never replace anything else."""

import json
import os

import pytest

from interp import OptionError
from interp_reproduction.report.folder import MARKER, SCHEMA, is_report, new_report


def fill(folder, text="new"):
    (folder / MARKER).write_text(json.dumps({"schema": SCHEMA}))
    (folder / "index.html").write_text(text)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_new_report_is_renamed_into_place(tmp_path):
    with new_report(tmp_path / "report") as draft:
        fill(draft)
        assert names(tmp_path) == [draft.name]
    assert names(tmp_path) == ["report"]
    assert is_report(tmp_path / "report")
    assert (tmp_path / "report").stat().st_mode & 0o777 == 0o755


def test_an_old_report_is_replaced_completely(tmp_path):
    for text in ("old", "new"):
        with new_report(tmp_path / "report") as draft:
            fill(draft, text)
            (draft / text).touch()
    assert names(tmp_path) == ["report"]
    assert names(tmp_path / "report") == ["index.html", "new", MARKER]


def test_an_empty_directory_is_used(tmp_path):
    (tmp_path / "report").mkdir()
    with new_report(tmp_path / "report") as draft:
        fill(draft)
    assert is_report(tmp_path / "report")


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_no_partial_report_remains(tmp_path, failure):
    with new_report(tmp_path / "report") as draft:
        fill(draft, "old")

    def fail_half_way():
        with new_report(tmp_path / "report") as draft:
            fill(draft)
            raise failure

    with pytest.raises(failure):
        fail_half_way()
    assert names(tmp_path) == ["report"]
    assert (tmp_path / "report/index.html").read_text() == "old"


@pytest.mark.parametrize("content", ["{}", "no json", '{"schema": "other"}', "[]"])
def test_other_directories_are_not_replaced(tmp_path, content):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / MARKER).write_text(content)
    with pytest.raises(OptionError, match="not a report"), new_report(tmp_path / "mine"):
        pytest.fail("the work must not begin")
    assert names(tmp_path) == ["mine"]


def test_a_file_in_the_way_is_an_error(tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(OptionError, match="is a file"), new_report(tmp_path / "mine"):
        pytest.fail("the work must not begin")


def test_a_missing_parent_is_an_error(tmp_path):
    with pytest.raises(OptionError, match="no directory"), new_report(tmp_path / "a" / "b"):
        pytest.fail("the work must not begin")
    assert names(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_permission_is_an_error(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(OptionError, match="Permission"), new_report(tmp_path / "report"):
        pytest.fail("the work must not begin")


def test_a_directory_that_cannot_be_written_is_an_error(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(OptionError, match=r"Permission denied.*--output"), new_report(tmp_path / "report"):
        pytest.fail("the work must not begin")


def test_a_full_disk_is_one_sentence(tmp_path):
    with pytest.raises(OptionError, match="No space left"), new_report(tmp_path / "report"):
        raise OSError(28, "No space left on device")
    assert names(tmp_path) == []
