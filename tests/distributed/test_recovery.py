"""Damage to stores is found, and removed blocks are filled again, bit by bit, by the same capture call."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from helpers.laws import small
from helpers.tiny import Failing, cut_small

import interp
from interp import SchemaError
from interp.activations.session import CaptureOptions
from interp.activations.stream import CapturedStream
from interp.distributed import capture as spread
from interp.distributed import recovery as doctor

APP = "from interp.cli.app import main; main()"


@pytest.fixture
def saved(tmp_path):
    return interp.save(small(0), tmp_path / "a.zarr")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    cut_small(monkeypatch, samples=40, rows=512, units=16)


def captured(store, engine):
    task, model = interp.load_task("transliteration"), interp.load_model("armenian-bilstm")
    batches = list(task.batches("demo", limit=160))
    stream = CapturedStream(model, batches, CaptureOptions(modules=["lstm"], quantities=["h"]))
    return spread.DistributedCapture(stream, store, engine).run(list)


def test_intact_stores_have_no_faults(saved):
    assert doctor.check_store(saved) == []
    assert doctor.repair_store(saved) == []


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-3]), "bytes instead of"),
        (lambda path: path.write_bytes(path.read_bytes()[:-3] + b"abc"), "has other content than was written"),
    ],
)
def test_faults_are_found_with_a_remedy(damage, fault, saved):
    damage(saved / "activation" / "c" / "0" / "0")
    (reported,) = doctor.check_store(saved)
    assert reported.file == "activation/c/0/0"
    assert fault in reported.fault
    assert "remove the store, then run the call that created it again" in reported.remedy


def test_stores_without_checksums_are_read_completely(saved):
    (saved / "checksums.json").unlink()
    assert doctor.check_store(saved) == []
    chunk = saved / "activation" / "c" / "0" / "0"
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(bytes(data))
    (fault,) = doctor.check_store(saved)
    assert "activation can't be read" in fault.fault


def test_leftovers_of_killed_processes_are_removed(saved):
    (saved / "activation" / "c" / "0" / "0.partial").write_bytes(b"half")
    (fault,) = doctor.check_store(saved)
    assert fault.remedy == "--repair"
    assert doctor.repair_store(saved) == ["Removed 0.partial."]
    assert doctor.check_store(saved) == []


def test_other_directories_are_an_error(tmp_path):
    with pytest.raises(SchemaError, match="is not an interp store"):
        doctor.check_store(tmp_path)


def test_removed_blocks_are_filled_by_the_same_call(tmp_path):
    store, first = tmp_path / "a.zarr", Failing()
    expected = captured(store, first).load()
    blocks = sorted((store / "activation" / "c").iterdir(), key=lambda path: int(path.name))
    shards = first.count("capture_shard")
    assert len(blocks) > 10
    assert shards == 3
    shutil.rmtree(blocks[0])
    data = bytearray((blocks[1] / "0").read_bytes())
    data[100] ^= 1
    (blocks[1] / "0").write_bytes(bytes(data))
    faults = doctor.check_store(store)
    assert [one.remedy for one in faults] == ["--repair, then run the same interp.capture call again"] * len(faults)
    assert doctor.repair_store(store) == ["Removed 1,024 rows. Run the same interp.capture call again to fill them."]
    with pytest.warns(UserWarning, match="is not finished: 0 tokens"):
        interp.open(store)
    second = Failing()
    actual = captured(store, second)
    for name, variable in expected.variables.items():
        np.testing.assert_array_equal(actual[name].values, variable.values, err_msg=name)
    assert actual.attrs == expected.attrs
    assert second.count("write_block") == 2
    assert second.count("capture_shard") < shards
    assert doctor.check_store(store) == []


def test_command_prints_faults_and_sets_the_exit_code(saved, tmp_path):
    def run(*words):
        command = [sys.executable, "-c", APP, "doctor", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    intact = run(saved)
    assert (intact.returncode, intact.stdout) == (0, f"{saved} has no faults.\n")
    (saved / "activation" / "c" / "0" / "0").unlink()
    damaged = run(saved, "--json")
    assert damaged.returncode == 1
    assert json.loads(damaged.stdout)["faults"][0]["file"] == "activation/c/0/0"
    assert "is missing. Remedy: remove the store" in run(saved).stdout
    assert run(tmp_path / "none").returncode == 1


def test_interrupted_refills_lose_nothing(tmp_path):
    store = tmp_path / "a.zarr"
    expected = captured(store, Failing()).load()
    rows = [int(path.name) for path in (store / "activation" / "c").iterdir()]
    for row in rows[:: len(rows) // 8]:  # blocks of every shard
        shutil.rmtree(store / "activation" / "c" / f"{row}")
    doctor.repair_store(store)
    with pytest.raises(KeyboardInterrupt):
        captured(store, Failing(0))
    assert captured(store, Failing()).load().identical(expected)


def test_checksum_lists_with_outside_paths_are_rejected(saved, tmp_path):
    mine = tmp_path / "mine.txt"
    mine.write_text("precious")
    (saved / "shards.json").write_text("[]")
    for name in ("activation/c/../../../mine.txt", str(mine)):
        (saved / "checksums.json").write_text(json.dumps({name: [1, "0" * 64]}))
        (fault,) = doctor.check_store(saved)
        assert fault.fault == "names files outside of the store"
        doctor.repair_store(saved)
        with pytest.raises(SchemaError, match=r"checksums\.json names files outside of the store"):
            interp.open(saved)
    assert mine.read_text() == "precious"


def test_extra_files_are_reported_and_harmless(saved):
    (saved / "notes.txt").write_text("mine")
    (fault,) = doctor.check_store(saved)
    assert (fault.file, fault.remedy) == ("notes.txt", "remove the file")
    assert interp.open(saved).load().identical(small(0))
