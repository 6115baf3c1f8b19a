"""Every example runs from beginning to end as a notebook, and the quick ones as a script."""

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
PRINTED = {
    "01_capture_your_own": ["left out: head", "modules=['decoder', 'write']", "quantities: h c i f g o"],
    "02_hellinger": ["lstm.0.backward", "untrained: mean of the ten best", "Hellinger distance", "True"],
    "04_cause": ["hidden.out.", "at offset +1", "lstm.0.backward.g", "from right to wrong"],
    "05_dashboard": ["told of ['sample', 'unit']", "text=hayeren", "the same: True", "my first unit"],
    "06_regularise": ["of the penalty", "few-speak: mean of abs", "random rotations"],
    "03_your_own_probe": ["probe onset 1", "the stream gives the same: True", "onset, open-runs"],
}


@pytest.mark.filterwarnings("ignore")  # of the kernel's own parts
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_as_a_notebook(path, tmp_path):
    notebook = jupytext.read(path)
    assert {cell.cell_type for cell in notebook.cells} == {"markdown", "code"}
    assert notebook.cells[0].source.startswith("# ")
    where = {"metadata": {"path": str(tmp_path)}}
    asyncio.run(NotebookClient(notebook, timeout=300, kernel_name="python3", resources=where).async_execute())
    streams = [out.text for cell in notebook.cells for out in cell.get("outputs", ()) if out.output_type == "stream"]
    assert all(text in "".join(streams) for text in PRINTED[path.stem])


@pytest.mark.parametrize("path", [path for path in EXAMPLES if path.stem not in SLOW], ids=lambda path: path.stem)
def test_an_example_runs_as_a_script(path, tmp_path):
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    run = subprocess.run(
        [sys.executable, path], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert all(text in run.stdout for text in PRINTED[path.stem])


def test_the_gallery_has_every_view():
    """It runs in CI beside the report; here only that none is forgotten."""
    drawn = re.findall(r'yield \(?\s*"([a-z-]+)",\s*interp\.draw\(\s*"([a-z-]+)"', GALLERY.read_text(encoding="utf-8"))
    assert all(name == viewer for name, viewer in drawn)
    assert sorted(name for name, _ in drawn) == sorted(interp.viewers())
