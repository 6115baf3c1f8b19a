"""The documents are under test: code blocks run, every hook stands in the guide with its signature."""

import inspect
import re
from pathlib import Path

import pytest

from interp import hookspecs
from interp.registry import KINDS

ROOT = Path(__file__).parents[2]


def blocks(name):
    return re.findall(r"^```python\n(.*?)^```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("name", ["README.md", "plugins/README.md"])
def test_the_code_blocks_run_one_after_the_other(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "document"}
    for number, block in enumerate(blocks(name)):
        exec(compile(block, f"{name}, block {number}", "exec"), names)
    if name == "README.md":
        assert (tmp_path / "t-ծ.html").stat().st_size > 10_000
        assert set(names["update"].quantity.values) == {"z"}
    else:
        assert names["result"].burst.dims == ("unit",)


@pytest.mark.parametrize("hook", KINDS.values())
def test_every_hook_stands_in_the_guide_with_its_signature(hook):
    arguments = ", ".join(inspect.signature(getattr(hookspecs, hook)).parameters)
    assert f"`{hook}({arguments})`" in (ROOT / "plugins/README.md").read_text(encoding="utf-8")
    assert inspect.getdoc(getattr(hookspecs, hook))


def test_files_that_the_readme_names_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(((?!http)[^)#]+)\)", text):
        assert (ROOT / target).is_file(), target


SOURCES = [
    path for folder in ("interp", "plugins", "models") for path in (ROOT / folder).rglob("*.py")
    if re.search(r">>> (?!.*# doctest: \+SKIP)", path.read_text(encoding="utf-8"))
]  # fmt: skip


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_examples_of_docstrings_run(path):
    import doctest
    import importlib

    parts = path.relative_to(ROOT / ("." if path.is_relative_to(ROOT / "interp") else path.relative_to(ROOT).parts[0]))
    module = importlib.import_module(".".join(parts.with_suffix("").parts))
    found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted
    assert not found.failed
