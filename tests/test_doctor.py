"""The doctor finds what is wrong with a store, and what it takes out the same call fills again to the bit."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from laws import small
from tiny import Failing, cut_small

import interp
from interp import SchemaError, doctor
from interp.capture import Captured
from interp.capturing.session import Options
from interp.scaling import spread

APP = "from interp.cli import main; main()"


@pytest.fixture
def saved(tmp_path):
    return interp.save(small(0), tmp_path / "a.zarr")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    cut_small(monkeypatch, samples=40, rows=512, units=16)


def captured(store, engine):
    task, model = interp.load_task("transliteration"), interp.load_model("armenian-bilstm")
    batches = list(task.batches("demo", limit=160))
    stream = Captured(model, batches, Options(modules=["lstm"], quantities=["h"]))
    return spread.Spread(stream, store, engine).run(list)


def test_a_whole_store_has_no_fault(saved):
    assert doctor.examine(saved) == []
    assert doctor.repair(saved) == []


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-3]), "bytes instead of"),
        (lambda path: path.write_bytes(path.read_bytes()[:-3] + b"abc"), "has other bytes than were written"),
    ],
)
def test_it_finds_each_fault_and_says_what_to_do(damage, fault, saved):
    damage(saved / "activation" / "c" / "0" / "0")
    (found,) = doctor.examine(saved)
    assert found.file == "activation/c/0/0"
    assert fault in found.fault
    assert "remove the store, and give the call that made it again" in found.remedy


def test_older_stores_are_read_through(saved):
    (saved / "checksums.json").unlink()
    assert doctor.examine(saved) == []
    chunk = saved / "activation" / "c" / "0" / "0"
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(bytes(data))
    (found,) = doctor.examine(saved)
    assert "activation can't be read" in found.fault


def test_what_a_killed_process_left_is_removed(saved):
    (saved / "activation" / "c" / "0" / "0.partial").write_bytes(b"half")
    (found,) = doctor.examine(saved)
    assert found.remedy == "--repair"
    assert doctor.repair(saved) == ["Removed 0.partial."]
    assert doctor.examine(saved) == []


def test_what_is_no_store_is_an_error(tmp_path):
    with pytest.raises(SchemaError, match="is no store of interp"):
        doctor.examine(tmp_path)


def test_what_was_taken_out_the_same_call_fills_again_and_runs_no_other_shard(tmp_path):
    store, whole = tmp_path / "a.zarr", Failing()
    wanted = captured(store, whole).load()
    blocks = sorted((store / "activation" / "c").iterdir(), key=lambda path: int(path.name))
    shards = whole.count("capture_part")
    assert len(blocks) > 10
    assert shards == 3
    shutil.rmtree(blocks[0])
    data = bytearray((blocks[1] / "0").read_bytes())
    data[100] ^= 1
    (blocks[1] / "0").write_bytes(bytes(data))
    faults = doctor.examine(store)
    assert [one.remedy for one in faults] == ["--repair, then the same call of interp.capture"] * len(faults)
    assert doctor.repair(store) == ["Took out 1,024 rows. Give the same call of interp.capture again: it fills them."]
    with pytest.warns(UserWarning, match="is not finished: 0 tokens"):
        interp.open(store)
    again = Failing()
    found = captured(store, again)
    for name, held in wanted.variables.items():
        np.testing.assert_array_equal(found[name].values, held.values, err_msg=name)
    assert found.attrs == wanted.attrs
    assert again.count("write_block") == 2
    assert again.count("capture_part") < shards
    assert doctor.examine(store) == []


def test_the_command_tells_and_ends_with_what_it_found(saved, tmp_path):
    def run(*words):
        command = [sys.executable, "-c", APP, "doctor", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    whole = run(saved)
    assert (whole.returncode, whole.stdout) == (0, f"{saved} is whole.\n")
    (saved / "activation" / "c" / "0" / "0").unlink()
    ill = run(saved, "--json")
    assert ill.returncode == 1
    assert json.loads(ill.stdout)["faults"][0]["file"] == "activation/c/0/0"
    assert "is missing. What to do: remove the store" in run(saved).stdout
    assert run(tmp_path / "none").returncode == 1


def test_an_error_while_it_is_filled_loses_nothing(tmp_path):
    store = tmp_path / "a.zarr"
    wanted = captured(store, Failing()).load()
    rows = [int(path.name) for path in (store / "activation" / "c").iterdir()]
    for row in rows[:: len(rows) // 8]:  # something of every shard
        shutil.rmtree(store / "activation" / "c" / f"{row}")
    doctor.repair(store)
    with pytest.raises(KeyboardInterrupt):
        captured(store, Failing(0))
    assert captured(store, Failing()).load().identical(wanted)


def test_a_list_that_leads_out_of_the_store_is_refused_and_nothing_there_is_touched(saved, tmp_path):
    mine = tmp_path / "mine.txt"
    mine.write_text("precious")
    (saved / "shards.json").write_text("[]")
    for name in ("activation/c/../../../mine.txt", str(mine)):
        (saved / "checksums.json").write_text(json.dumps({name: [1, "0" * 64]}))
        (found,) = doctor.examine(saved)
        assert found.fault == "names files outside of the store"
        doctor.repair(saved)
        with pytest.raises(SchemaError, match=r"checksums\.json names files outside of the store"):
            interp.open(saved)
    assert mine.read_text() == "precious"


def test_a_file_that_somebody_put_into_a_store_is_told_and_does_no_harm(saved):
    (saved / "notes.txt").write_text("mine")
    (found,) = doctor.examine(saved)
    assert (found.file, found.remedy) == ("notes.txt", "remove the file")
    assert interp.open(saved).load().identical(small(0))
