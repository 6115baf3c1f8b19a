"""The examples run from beginning to end as notebooks, and the fast ones as scripts."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient

import interp

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("0*_*.py"))
GALLERY = Path(__file__).parents[2] / "examples/gallery.py"
SLOW = ("04_cause", "06_regularise")
OUTPUTS = {
    "01_capture_your_own": ["skipped modules: head", "modules=['decoder', 'write']", "quantities: h c i f g o"],
    "02_hellinger": ["lstm.0.backward", "untrained: mean of the ten largest", "Hellinger distance", "True"],
    "03_your_own_probe": ["probe onset 1", "the stream gives the same: True", "onset, open-runs"],
    "04_cause": ["hidden.out.", "at offset +1", "lstm.0.backward.g", "from right to wrong"],
    "05_dashboard": ["changed: ['sample', 'unit']", "text=hayeren", "equal after restoring: True", "my first unit"],
    "06_regularise": [", penalty ", "few-active: mean absolute", "random rotations"],
}


@pytest.mark.filterwarnings("ignore")  # of the kernel's dependencies
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run_as_notebooks(path, tmp_path):
    notebook = jupytext.read(path)
    assert {cell.cell_type for cell in notebook.cells} == {"markdown", "code"}
    assert notebook.cells[0].source.startswith("# ")
    resources = {"metadata": {"path": str(tmp_path)}}
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources)
    asyncio.run(client.async_execute())
    streams = [out.text for cell in notebook.cells for out in cell.get("outputs", ()) if out.output_type == "stream"]
    assert [text for text in OUTPUTS[path.stem] if text not in "".join(streams)] == []


@pytest.mark.parametrize("path", [path for path in EXAMPLES if path.stem not in SLOW], ids=lambda path: path.stem)
def test_fast_examples_run_as_scripts(path, tmp_path):
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    result = subprocess.run(
        [sys.executable, path], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert [text for text in OUTPUTS[path.stem] if text not in result.stdout] == []


def test_gallery_draws_every_viewer():
    """The gallery itself runs in CI, beside the report."""
    drawn = re.findall(r'yield \(?\s*"([a-z-]+)",\s*interp\.draw\(\s*"([a-z-]+)"', GALLERY.read_text(encoding="utf-8"))
    assert all(name == viewer for name, viewer in drawn)
    assert sorted(name for name, _ in drawn) == sorted(interp.viewers())
