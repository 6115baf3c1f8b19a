"""The documents: code blocks run, links and flags exist, and the plugin guide lists every hook with its signature."""

import doctest
import importlib
import inspect
import re
import shlex
from pathlib import Path

import pytest
import typer

from interp import hookspecs
from interp.cli.app import build_app
from interp.registry import KINDS, active_registry

ROOT = Path(__file__).parents[2]
GENERATED = ("build", "dist", "gallery", "report")


def relative(path):
    return path.relative_to(ROOT).as_posix()


def is_source(path):
    folders = path.relative_to(ROOT).parts[:-1]
    return not any(name in GENERATED or (name[0] == "." and name != ".github") for name in folders)


DOCUMENTS = sorted(path for path in ROOT.rglob("*.md") if is_source(path))


def blocks(path, language):
    """Return the code blocks of a document in one language."""
    text = path.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def run_blocks(path):
    """Run the Python blocks of a document one after the other, and return their names."""
    names = {"__name__": "document"}
    for number, block in enumerate(blocks(path, "python")):
        exec(compile(block, f"{path.name}, block {number}", "exec"), names)
    return names


def test_code_blocks_of_the_readme_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = run_blocks(ROOT / "README.md")
    assert (tmp_path / "t-ծ.html").stat().st_size > 10_000
    assert set(names["update"].quantity.values) == {"z"}


def test_code_blocks_of_the_plugin_guide_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_blocks(ROOT / "plugins/README.md")["result"].burst.dims == ("unit",)


@pytest.mark.parametrize(
    "path", [path for path in sorted(ROOT.glob("docs/*.md")) if blocks(path, "python")], ids=relative
)
def test_code_blocks_of_the_documentation_run(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_blocks(path)


def missing_links(path, text):
    """Return the relative links of a Markdown text whose targets do not exist."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    prose = re.sub(r"`[^`\n]*`", "", prose)
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)\s#]+)[^)]*\)", prose)
    return [target for target in targets if not (path.parent / target).exists()]


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_relative_links_exist(path):
    assert missing_links(path, path.read_text(encoding="utf-8")) == []


def test_missing_links_are_found():
    text = "[a](docs) ![b](nowhere.png) [c](https://example.org/x) `[d](code)` [e](#part) [f](README.md#part)\n"
    assert missing_links(ROOT / "README.md", text) == ["nowhere.png"]


def command_lines(path):
    """Return the calls of ``interp`` in the shell blocks of a document, as lists of words."""
    for block in blocks(path, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            for call in re.findall(r"(?:^|&& |\.venv/bin/)interp( [^&|]*)", line):
                yield shlex.split(call, comments=True)


def unknown_flags(words):
    """Return the long flags of a call that neither its command nor the probe or task of the call has."""
    command = typer.main.get_command(build_app()).commands[words[0]]
    flags = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    if words[0] in ("measure", "train"):
        kind = {"measure": "probe", "train": "task"}[words[0]]
        registered = active_registry().table(kind)
        options = inspect.signature(registered[words[1]].value).parameters if words[1] in registered else {}
        flags |= {f"--{name.replace('_', '-')}" for name in options}
    return [word for word in words if word.startswith("--") and word.partition("=")[0] not in flags]


GUIDE_PROBES = ("burst-size", "open-runs")  # created by readers of the plugin guide and of an example


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if any(command_lines(path))], ids=relative)
def test_flags_in_command_lines_exist(path):
    for words in command_lines(path):
        if not set(words) & set(GUIDE_PROBES):
            assert unknown_flags(words) == [], words


def test_unknown_flags_are_found():
    assert unknown_flags(shlex.split("measure hellinger a.zarr --min-tokens 1 --minimum 2 --output b")) == ["--minimum"]
    assert unknown_flags(shlex.split("train transliteration --rules article --budget 1 --mix 0")) == ["--mix"]


@pytest.mark.parametrize("hook", KINDS.values())
def test_the_plugin_guide_lists_every_hook_with_its_signature(hook):
    arguments = ", ".join(inspect.signature(getattr(hookspecs, hook)).parameters)
    assert f"`{hook}({arguments})`" in (ROOT / "plugins/README.md").read_text(encoding="utf-8")
    assert inspect.getdoc(getattr(hookspecs, hook))


def test_the_map_of_the_code_names_every_module_and_folder():
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    modules = [path for path in (ROOT / "interp").iterdir() if path.suffix == ".py" and path.stem[0] != "_"]
    folders = [path.parent for path in (ROOT / "interp").glob("*/__init__.py")]
    names = [*(path.name for path in modules), *(f"{path.name}/" for path in folders)]
    assert [name for name in names if f"`{name}`" not in text] == []


MODULES_WITH_EXAMPLES = [
    path for folder in ("interp", "plugins", "models") for path in (ROOT / folder).rglob("*.py")
    if re.search(r">>> (?!.*# doctest: \+SKIP)", path.read_text(encoding="utf-8"))
]  # fmt: skip


@pytest.mark.parametrize("path", MODULES_WITH_EXAMPLES, ids=relative)
def test_docstring_examples_run(path):
    top = ROOT if path.is_relative_to(ROOT / "interp") else ROOT / path.relative_to(ROOT).parts[0]
    module = importlib.import_module(".".join(path.relative_to(top).with_suffix("").parts))
    results = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.attempted
    assert not results.failed
