"""Representation of objects at the end of a notebook cell."""

import asyncio
import re
from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient

import interp
from interp.registry import active_registry
from interp.testing.toy import toy_capture

EXAMPLE = Path(__file__).parents[2] / "examples/03_your_own_probe.py"

ENDS = """
# %%
acts

# %%
result

# %%
dist = interp.measure("hellinger", acts, min_tokens=50)
interp.draw("top-pairs", dist, unit=str(acts.unit.values[0]))
"""


@pytest.mark.filterwarnings("ignore")  # those of the kernel
def test_a_notebook_runs_and_shows_the_value_of_a_cell(tmp_path):
    notebook = jupytext.reads(EXAMPLE.read_text(encoding="utf-8") + ENDS, "py:percent")
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    asyncio.run(client.async_execute())
    capture, result, view = ["".join(str(out.get("data", out)) for out in cell.outputs) for cell in notebook.cells[-3:]]
    assert "activation" in capture
    assert "onset" in result
    assert "iframe" in view or "<svg" in view


def test_reprs_are_worth_reading():
    world = toy_capture()
    view = interp.draw("saturation-map", interp.measure("saturation", world.acts))
    assert repr(view).startswith("SaturationMap(title='Gate saturation', caption='Model toy-lstm")
    assert "unit module" not in repr(view)
    assert repr(world) == "Toy(pair='t=>d')"
    text = repr(active_registry())
    assert re.match(r"<Registry of \d+ plugins: armenian-models, attribution", text)
    assert re.search(r"\n  probe    .*hellinger", text)
