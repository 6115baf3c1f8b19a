"""Network shared by several tests, with its batches and tokens to explain."""

import pytest

import interp


@pytest.fixture(scope="session")
def armenian():
    model, task = interp.load_model("armenian-bilstm"), interp.load_task("transliteration", language="hy")
    batches = list(task.batches("demo", limit=30, seed=0))
    acts = interp.capture(model, batches, quantities=["h"], progress=False)
    return model, batches, interp.select(acts, input="t", output="ծ").isel(token=slice(3))
