"""Untrusted input: rejected with a clear error, never executed, and read in bounded memory."""

import pickle
import struct
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from helpers.laws import small
from safetensors.torch import save_file

import interp
from interp import WeightsError

NETWORK = torch.nn.Linear(3, 2)


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("protocol", [2, 4, 5, "zip", "legacy"])
def test_pickled_checkpoints_are_rejected(protocol, tmp_path):
    path, trap = tmp_path / "weights.pt", tmp_path / "trap"
    if isinstance(protocol, int):
        path.write_bytes(pickle.dumps({"weight": Payload(trap)}, protocol))
    else:
        torch.save({"weight": Payload(trap)}, path, _use_new_zipfile_serialization=protocol == "zip")
    with pytest.raises(WeightsError, match=r"weights\.pt looks like a checkpoint of torch\.save.*safetensors"):
        interp.load_weights(NETWORK, path)
    assert not trap.exists()


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<Q", 2**60) + b"{}",
        struct.pack("<Q", 90_000_000) + b"{" * 1000,
        struct.pack("<Q", 2) + b"{}",
        b"",
        b"\0" * 7,
        struct.pack("<Q", 70) + b'{"weight":{"dtype":"F32","shape":[99999999,9999],"data_offsets":[0,4]}}  ',
        struct.pack("<Q", 64) + b'{"weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,9999]}}',
    ],
)
def test_inconsistent_headers_are_rejected(data, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(data)
    with pytest.raises(WeightsError, match=r"a\.safetensors"):
        interp.load_weights(torch.nn.Linear(3, 2), tmp_path / "a.safetensors")


def test_wrong_shapes_nan_and_oversized_files_are_rejected(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"weight": torch.zeros(2, 4), "bias": torch.zeros(2)}, path)
    with pytest.raises(WeightsError, match="does not contain weights of this Linear"):
        interp.load_weights(torch.nn.Linear(3, 2), path)
    save_file({"weight": torch.full((2, 3), torch.nan), "bias": torch.zeros(2)}, path)
    with pytest.raises(WeightsError, match="has NaN in weight"):
        interp.load_weights(torch.nn.Linear(3, 2), path)
    with path.open("wb") as stream:
        stream.truncate(2**40)  # a sparse file
    with pytest.raises(WeightsError, match=r"has 1,099,511,627,776 bytes, but weights of this Linear have at most"):
        interp.load_weights(torch.nn.Linear(3, 2), path)


def test_loading_never_unpickles(tmp_path):
    """An audit hook in a fresh process records every class that an unpickler looks up."""
    interp.save(small(0), tmp_path / "acts.zarr")
    interp.measure("moments", small(0), checkpoint_dir=tmp_path / "states")
    (tmp_path / "text.txt").write_text("Это простое предложение.", encoding="utf-8")
    program = f"""
        import pickle, sys
        from pathlib import Path
        import interp
        from interp.distributed import state_files

        def load():
            interp.open({str(tmp_path / "acts.zarr")!r}).load()
            for path in Path({str(tmp_path / "states")!r}).rglob("*.npz"):
                state_files.read_state(path)
            interp.load_model("armenian-bilstm")
            task = interp.load_task("transliteration", language="ru", corpus={str(tmp_path / "text.txt")!r})
            next(iter(task.batches("demo", limit=4)))

        load()  # unpickling during the import of libraries is allowed
        lookups = []
        sys.addaudithook(lambda event, args: lookups.append(args) if event == "pickle.find_class" else None)
        load()
        assert not lookups, lookups
        pickle.loads(pickle.dumps(Path))
        assert lookups, "the hook works"
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_states_with_objects_are_rejected(tmp_path):
    acts, trap = small(0), tmp_path / "trap"
    expected = interp.measure("moments", acts, checkpoint_dir=tmp_path / "states")
    (record,) = (tmp_path / "states").rglob("*.npz")
    np.savez(record, tokens=np.array([Payload(trap)], dtype=object))
    assert interp.measure("moments", acts, checkpoint_dir=tmp_path / "states").identical(expected)
    assert not trap.exists()
