"""Dask clusters: bitwise identical results even if workers die; worker errors are raised unchanged."""

import gc
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from distributed import Client, LocalCluster
from helpers.laws import small

import interp
from interp import InterpError, Reducer
from interp.distributed import executors as engines
from interp.distributed import state_files as asides
from interp.measurement import sharding as shards
from interp_transliteration import batches

ACTS = small(3, samples=40)


def cluster(workers):
    options = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    return LocalCluster(n_workers=workers, **options)


@pytest.fixture(scope="module")
def client():
    with cluster(2) as local_cluster, Client(local_cluster) as client:
        yield client


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(shards, "TOKENS_PER_SHARD", 60)


class Mortal(Reducer):
    """Counts tokens; at one sample it raises, or kills its worker, every time or only once (marked by a file)."""

    name = "mortal"

    def __init__(self, *, once: str = "", error: str = "") -> None:
        self.once, self.error = once, error

    def init_state(self, units, **needed):
        return {"count": 0}

    def update(self, state, chunk):
        if 20 in chunk["sample"].values:
            if self.error:
                raise interp.OptionError(self.error)
            if not (self.once and Path(self.once).exists()):
                Path(self.once or os.devnull).touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return {"count": state["count"] + chunk.sizes["token"]}

    def merge(self, a, b):
        return {"count": a["count"] + b["count"]}

    def finalize(self, state):
        return xr.Dataset({"count": int(state["count"])})


@pytest.mark.parametrize("with_states", [False, True])
@pytest.mark.parametrize("name", ["moments", "hellinger"])
def test_workers_give_the_result_of_one_process_bit_by_bit(name, with_states, client, tmp_path):
    options = {"min_tokens": 1, "min_sources": 1} if name == "hellinger" else {}
    states = tmp_path / "states" if with_states else None
    actual = interp.measure(name, ACTS, client=client, checkpoint_dir=states, **options)
    here = interp.measure(name, ACTS, checkpoint_dir=tmp_path / "here", **options)
    xr.testing.assert_identical(actual, here)
    if with_states:  # everything is on disk already
        again = interp.measure(name, ACTS, client=client, checkpoint_dir=states, **options)
        xr.testing.assert_identical(again, here)


class Scratch(Reducer):
    """Counts tokens in its own array."""

    name = "scratch"
    depends_on = ("range",)

    def __init__(self):
        self.room = np.zeros(3)

    def options(self):
        return {}

    def init_state(self, units, **needed):
        return {"count": np.zeros(1)}

    def update(self, state, chunk):
        self.room[:] = chunk.sizes["token"]
        return {"count": state["count"] + self.room[:1]}

    def merge(self, a, b):
        return {"count": a["count"] + b["count"]}

    def finalize(self, state):
        return xr.Dataset({"count": int(state["count"][0])})


def test_reducers_may_modify_their_own_arrays_on_workers(client):
    assert interp.measure(Scratch(), ACTS, client=client)["count"] == ACTS.sizes["token"]


def test_inputs_without_bin_edges_are_sent(client, tmp_path):
    options = {"min_tokens": 1, "min_sources": 1, "bins": 1}
    actual = interp.measure("hellinger", ACTS, client=client, **options)
    xr.testing.assert_identical(actual, interp.measure("hellinger", ACTS, checkpoint_dir=tmp_path / "here", **options))


def spill_all(folder):
    """Make a worker spill every state, and record its directory in a folder."""
    asides.MIN_SPILL_BYTES = -1
    original = asides.worker_tmpdir

    def scratch():
        (folder / f"{original()}".replace("/", "_")).touch()
        return original()

    asides.worker_tmpdir = scratch


@pytest.mark.parametrize("name", ["moments", "hellinger"])
def test_states_spilled_to_worker_disks_give_the_same_result(name, tmp_path):
    options = {"min_tokens": 1, "min_sources": 1} if name == "hellinger" else {}
    with cluster(2) as local_cluster, Client(local_cluster) as client:
        client.run(spill_all, tmp_path)
        actual = interp.measure(name, ACTS, client=client, **options)
        directories = [path.name for path in tmp_path.iterdir()]
    xr.testing.assert_identical(actual, interp.measure(name, ACTS, checkpoint_dir=tmp_path / "here", **options))
    assert len(directories) == 2, "each worker spills its own and received states to its own directory"
    assert all("worker" in name for name in directories)


def test_stored_captures_are_read_by_workers(client, tmp_path):
    stored = interp.open(interp.save(ACTS, tmp_path / "acts.zarr"))
    actual = interp.measure("moments", stored, client=client)
    xr.testing.assert_identical(actual, interp.measure("moments", stored, checkpoint_dir=tmp_path / "here"))


def test_workers_run_the_model_of_a_stream(client, tmp_path):
    task = interp.load_task("transliteration")
    batches = task.batches("demo", limit=60)
    source = interp.stream(interp.load_model("armenian-bilstm"), batches, modules=["lstm"], quantities=["h"])
    actual = interp.measure("moments", source, client=client)
    xr.testing.assert_identical(actual, interp.measure("moments", source, checkpoint_dir=tmp_path / "here"))


def test_distributed_capture_equals_local_capture(client, tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "SAMPLES_PER_SHARD", 64)
    model, task = interp.load_model("armenian-bilstm"), interp.load_task("transliteration")
    options = {"batches": task.batches("demo", limit=200), "modules": ["lstm"], "quantities": ["h", "f"]}
    actual = interp.capture(model, store=tmp_path / "a.zarr", client=client, **options)
    expected = interp.capture(model, store=tmp_path / "b.zarr", **options)
    assert expected.sizes["token"] > 10_000
    for name, variable in expected.variables.items():
        np.testing.assert_array_equal(actual[name].values, variable.values, err_msg=name)
    assert not client.futures


@pytest.mark.parametrize("with_states", [False, True])
def test_work_of_a_dead_worker_is_repeated_by_another(with_states, client, tmp_path):
    reducer = Mortal(once=str(tmp_path / "once"))
    actual = interp.measure(reducer, ACTS, client=client, checkpoint_dir=tmp_path / "states" if with_states else None)
    assert int(actual["count"]) == ACTS.sizes["token"]
    assert (tmp_path / "once").exists(), "a worker died"


def test_worker_errors_are_raised_by_the_call(client, tmp_path):
    with pytest.raises(interp.OptionError, match="no such thing"):
        interp.measure(Mortal(error="no such thing"), ACTS, client=client, checkpoint_dir=tmp_path / "states")
    gc.collect()
    assert not client.futures, "no futures remain"


def test_work_that_kills_every_worker_raises_cluster_error():
    with (
        cluster(1) as local_cluster,
        Client(local_cluster) as client,
        pytest.raises(InterpError, match="A shard killed several workers"),
    ):
        interp.measure(Mortal(), ACTS, client=client)


def test_error_without_workers_says_how_to_start_one(monkeypatch):
    monkeypatch.setattr(engines, "WORKER_TIMEOUT", 0.2)
    message = r"no workers\. Start some.*dask"
    with cluster(0) as local_cluster, Client(local_cluster) as client, pytest.raises(InterpError, match=message):
        interp.measure("moments", ACTS, client=client)


def test_command_line_uses_a_scheduler_and_removes_states(client, tmp_path):
    address = client.scheduler.address

    def run(*words):
        command = [sys.executable, "-c", "from interp.cli.app import main; main()", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    acts, ranges = tmp_path / "acts.zarr", tmp_path / "range.zarr"
    options = ["--limit", 50, "--modules", "hidden", "--scheduler", address]
    result = run("capture", "armenian-bilstm", "--output", acts, *options)
    assert result.returncode == 0, result.stderr
    result = run("measure", "range", acts, "--output", ranges, "--scheduler", address)
    assert result.returncode == 0, result.stderr
    assert interp.open(ranges).identical(interp.measure("range", interp.open(acts)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["acts.zarr", "range.zarr"]
    states = tmp_path / ".range.zarr.states"  # a call that was killed before it removed its states
    interp.measure("range", interp.open(acts), client=client, checkpoint_dir=states)
    again = run("measure", "range", acts, "--output", ranges, "--scheduler", address)
    assert (again.returncode, again.stdout, states.exists()) == (0, result.stdout, False)
    interp.measure("range", interp.open(acts), client=client, checkpoint_dir=states)
    interp.save(interp.open(ranges).load() + 1, ranges, overwrite=True)
    other = interp.open(ranges).load()
    again = run("measure", "range", acts, "--output", ranges, "--scheduler", address)
    assert again.returncode == 1
    assert "range.zarr exists. Replace it" in again.stderr
    assert interp.open(ranges).identical(other)
    shutil.rmtree(states)
    failure = run("measure", "range", acts, "--output", tmp_path / "b.zarr", "--scheduler", "tcp://127.0.0.1:9")
    assert failure.returncode == 1
    assert "No Dask scheduler answers at 'tcp://127.0.0.1:9'. Start one with `dask scheduler`" in failure.stderr


def test_reducers_defined_in_main_reach_the_workers(client):
    """Definitions in ``__main__`` are sent by value, packages by reference."""
    program = f"""
from distributed import Client
import interp
from helpers.laws import small

class Own(interp.Reducer):
    name = "own"
    def init_state(self, units, **needed):
        return {{"count": 0}}
    def update(self, state, chunk):
        if not isinstance(self, interp.Reducer):
            raise interp.OptionError("another class")
        return {{"count": state["count"] + chunk.sizes["token"]}}
    def merge(self, a, b):
        return {{"count": a["count"] + b["count"]}}
    def finalize(self, state):
        import xarray as xr
        return xr.Dataset({{"count": int(state["count"])}})

with Client({client.scheduler.address!r}) as client:
    print(int(interp.measure(Own(), small(3, samples=40), client=client)["count"]))
"""
    path = os.pathsep.join(sys.path)
    command = [sys.executable, "-c", program]
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path}
    )
    assert result.stdout.strip() == str(ACTS.sizes["token"]), result.stderr
