"""On a cluster: the same results to the bit, whatever dies; errors of workers arrive as they are."""

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
from laws import small

import interp
from interp import InterpError, Reducer
from interp.scaling import asides, engines, shards
from interp_transliteration import batches

ACTS = small(3, samples=40)


def cluster(workers):
    options = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    return LocalCluster(n_workers=workers, **options)


@pytest.fixture(scope="module")
def client():
    with cluster(2) as held, Client(held) as client:
        yield client


@pytest.fixture(autouse=True)
def few_tokens(monkeypatch):
    monkeypatch.setattr(shards, "TOKENS", 60)


class Mortal(Reducer):
    """Counts tokens; at a sample it raises or its worker dies: each time, or once where a file can say that it has."""

    name = "mortal"

    def __init__(self, *, once: str = "", error: str = "") -> None:
        self.once, self.error = once, error

    def start(self, units, **needed):
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

    def finish(self, state):
        return xr.Dataset({"count": int(state["count"])})


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("name", ["moments", "hellinger"])
def test_workers_give_what_one_process_gives_to_the_bit(name, recorded, client, tmp_path):
    options = {"minimum": 1, "minimum_sources": 1} if name == "hellinger" else {}
    states = tmp_path / "states" if recorded else None
    found = interp.measure(name, ACTS, client=client, states=states, **options)
    here = interp.measure(name, ACTS, states=tmp_path / "here", **options)
    xr.testing.assert_identical(found, here)
    if recorded:  # all of it: nothing is left to be done
        again = interp.measure(name, ACTS, client=client, states=states, **options)
        xr.testing.assert_identical(again, here)


class Scratch(Reducer):
    """Counts tokens in an array of its own."""

    name = "scratch"
    needs = ("range",)

    def __init__(self):
        self.room = np.zeros(3)

    def options(self):
        return {}

    def start(self, units, **needed):
        return {"count": np.zeros(1)}

    def update(self, state, chunk):
        self.room[:] = chunk.sizes["token"]
        return {"count": state["count"] + self.room[:1]}

    def merge(self, a, b):
        return {"count": a["count"] + b["count"]}

    def finish(self, state):
        return xr.Dataset({"count": int(state["count"][0])})


def test_a_reducer_may_write_its_own_arrays_on_workers_too(client):
    assert interp.measure(Scratch(), ACTS, client=client)["count"] == ACTS.sizes["token"]


def test_inputs_without_edges_are_sent_too(client, tmp_path):
    options = {"minimum": 1, "minimum_sources": 1, "bins": 1}
    found = interp.measure("hellinger", ACTS, client=client, **options)
    xr.testing.assert_identical(found, interp.measure("hellinger", ACTS, states=tmp_path / "here", **options))


def keep_aside(folder):
    """Have a worker keep every record on disk, and tell where in a folder."""
    asides.LARGE = -1
    known = asides.scratch

    def scratch():
        (folder / f"{known()}".replace("/", "_")).touch()
        return known()

    asides.scratch = scratch


@pytest.mark.parametrize("name", ["moments", "hellinger"])
def test_records_that_wait_on_the_disks_of_workers_give_the_same(name, tmp_path):
    options = {"minimum": 1, "minimum_sources": 1} if name == "hellinger" else {}
    with cluster(2) as held, Client(held) as client:
        client.run(keep_aside, tmp_path)
        found = interp.measure(name, ACTS, client=client, **options)
        used = [path.name for path in tmp_path.iterdir()]
    xr.testing.assert_identical(found, interp.measure(name, ACTS, states=tmp_path / "here", **options))
    assert len(used) == 2, "each keeps what it counts, and what it gets, in its own directory"
    assert all("worker" in name for name in used)


def test_a_stored_capture_is_read_where_it_is_counted(client, tmp_path):
    stored = interp.open(interp.save(ACTS, tmp_path / "acts.zarr"))
    found = interp.measure("moments", stored, client=client)
    xr.testing.assert_identical(found, interp.measure("moments", stored, states=tmp_path / "here"))


def test_a_stream_of_a_model_is_made_by_the_workers(client, tmp_path):
    task = interp.load_task("transliteration")
    batches = task.batches("demo", limit=60)
    source = interp.stream(interp.load_model("armenian-bilstm"), batches, modules=["lstm"], quantities=["h"])
    found = interp.measure("moments", source, client=client)
    xr.testing.assert_identical(found, interp.measure("moments", source, states=tmp_path / "here"))


def test_a_capture_by_workers_is_that_of_one_process(client, tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "SHARD", 64)
    model, task = interp.load_model("armenian-bilstm"), interp.load_task("transliteration")
    asked = {"batches": task.batches("demo", limit=200), "modules": ["lstm"], "quantities": ["h", "f"]}
    found = interp.capture(model, store=tmp_path / "a.zarr", client=client, **asked)
    wanted = interp.capture(model, store=tmp_path / "b.zarr", **asked)
    assert wanted.sizes["token"] > 10_000
    for name, held in wanted.variables.items():
        np.testing.assert_array_equal(found[name].values, held.values, err_msg=name)
    assert not client.futures


@pytest.mark.parametrize("recorded", [False, True])
def test_what_a_dead_worker_had_is_counted_by_another(recorded, client, tmp_path):
    reducer = Mortal(once=str(tmp_path / "once"))
    found = interp.measure(reducer, ACTS, client=client, states=tmp_path / "states" if recorded else None)
    assert int(found["count"]) == ACTS.sizes["token"]
    assert (tmp_path / "once").exists(), "a worker has died"


def test_an_error_of_a_worker_is_the_error_of_the_call(client, tmp_path):
    with pytest.raises(interp.OptionError, match="no such thing"):
        interp.measure(Mortal(error="no such thing"), ACTS, client=client, states=tmp_path / "states")
    gc.collect()
    assert not client.futures, "nothing is left to run or to be kept"


def test_work_that_kills_every_worker_is_given_up_with_a_sentence():
    with (
        cluster(1) as held,
        Client(held) as client,
        pytest.raises(InterpError, match="Workers that were given a shard"),
    ):
        interp.measure(Mortal(), ACTS, client=client)


def test_a_cluster_without_workers_says_how_to_start_one(monkeypatch):
    monkeypatch.setattr(engines, "PATIENCE", 0.2)
    with cluster(0) as held, Client(held) as client, pytest.raises(InterpError, match=r"no workers: start some.*dask"):
        interp.measure("moments", ACTS, client=client)


def test_the_command_line_takes_a_scheduler_and_clears_up(client, tmp_path):
    address = client.scheduler.address

    def run(*words):
        command = [sys.executable, "-c", "from interp.cli import main; main()", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    acts, ranges = tmp_path / "acts.zarr", tmp_path / "range.zarr"
    options = ["--limit", 50, "--modules", "hidden", "--scheduler", address]
    done = run("capture", "armenian-bilstm", "--output", acts, *options)
    assert done.returncode == 0, done.stderr
    done = run("measure", "range", acts, "--output", ranges, "--scheduler", address)
    assert done.returncode == 0, done.stderr
    assert interp.open(ranges).identical(interp.measure("range", interp.open(acts)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["acts.zarr", "range.zarr"]
    killed = tmp_path / ".range.zarr.states"  # before it could clear up
    interp.measure("range", interp.open(acts), client=client, states=killed)
    again = run("measure", "range", acts, "--output", ranges, "--scheduler", address)
    assert (again.returncode, again.stdout, killed.exists()) == (0, done.stdout, False)
    interp.measure("range", interp.open(acts), client=client, states=killed)
    interp.save(interp.open(ranges).load() + 1, ranges, overwrite=True)
    other = interp.open(ranges).load()
    again = run("measure", "range", acts, "--output", ranges, "--scheduler", address)
    assert again.returncode == 1
    assert "range.zarr exists. Replace it" in again.stderr
    assert interp.open(ranges).identical(other)
    shutil.rmtree(killed)
    nobody = run("measure", "range", acts, "--output", tmp_path / "b.zarr", "--scheduler", "tcp://127.0.0.1:9")
    assert nobody.returncode == 1
    assert "No Dask scheduler answers at 'tcp://127.0.0.1:9'. Start one with `dask scheduler`" in nobody.stderr


def test_a_reducer_of_a_notebook_reaches_the_workers(client):
    """What ``__main__`` defines is sent as code, and the packages that it mentions by their name."""
    program = f"""
from distributed import Client
import interp
from laws import small

class Own(interp.Reducer):
    name = "own"
    def start(self, units, **needed):
        return {{"count": 0}}
    def update(self, state, chunk):
        if not isinstance(self, interp.Reducer):
            raise interp.OptionError("another class")
        return {{"count": state["count"] + chunk.sizes["token"]}}
    def merge(self, a, b):
        return {{"count": a["count"] + b["count"]}}
    def finish(self, state):
        import xarray as xr
        return xr.Dataset({{"count": int(state["count"])}})

with Client({client.scheduler.address!r}) as client:
    print(int(interp.measure(Own(), small(3, samples=40), client=client)["count"]))
"""
    path = os.pathsep.join(sys.path)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path})
    assert done.stdout.strip() == str(ACTS.sizes["token"]), done.stderr
