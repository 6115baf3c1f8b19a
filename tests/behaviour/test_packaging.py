"""Built distributions: contents of wheel and source archive, fast start, and declared versions."""

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HEAVY = (
    "torch",
    "xarray",
    "pandas",
    "numpy",
    "holoviews",
    "panel",
    "bokeh",
    "matplotlib",
    "captum",
    "sklearn",
    "dask",
    "zarr",
)
DATA = [
    "interp/plotting/assets/page.css", "interp/cli/templates/probe.txt", "interp_dashboard/component.js",
    "interp_models/study/PLAN.md",
    "interp_models/armenian-bilstm/weights.safetensors", "interp_models/armenian-bilstm/README.md",
    "interp_models/armenian-bilstm-regularised/weights.safetensors", "interp_transliteration/data/demo-hy.txt",
    "interp_transliteration/data/hy.toml", "interp_reproduction/report/report.html", "interp/py.typed",
]  # fmt: skip

SUFFIXES = {
    ".py", ".pyi", ".typed", ".txt", ".md", ".toml", ".css", ".js", ".html", ".safetensors", ".json", ".csv", ".png",
    ".svg", ".npz",
}  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build the source distribution from the files that git tracks, and the wheel from it."""
    folder = tmp_path_factory.mktemp("dist")
    hatch(ROOT, "sdist", folder)
    with tarfile.open(next(folder.iterdir())) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    hatch(next((folder / "unpacked").iterdir()), "wheel", folder)
    return {path.suffix: path for path in folder.iterdir() if path.is_file()}


def hatch(source, kind, folder):
    call = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", folder]
    subprocess.run(call, cwd=source, check=True, capture_output=True)


def test_wheel_contains_only_the_packages_and_their_data(built):
    names = zipfile.ZipFile(built[".whl"]).namelist()
    tops = {name.split("/")[0] for name in names}
    packages = {"interp", *(path.parent.name for path in ROOT.glob("*/interp_*/__init__.py"))}
    assert {top for top in tops if not top.endswith(".dist-info")} == packages
    assert set(DATA) <= set(names)
    unexpected = [name for name in names if re.search(r"(^|/)(tests?|__pycache__|\.[^/]+)(/|$)|\.pyc$|\.zarr", name)]
    assert not unexpected
    assert {Path(name).suffix for name in names if ".dist-info/" not in name} <= SUFFIXES
    sources = {path.relative_to(ROOT / "interp").as_posix() for path in (ROOT / "interp").rglob("*.py*")}
    sources = {name for name in sources if "__pycache__" not in name}
    assert {f"interp/{name}" for name in sources} <= set(names)


def test_source_distribution_contains_the_tests(built):
    with tarfile.open(built[".gz"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "constraints.txt", "tests/test_packaging.py"} <= names
    assert not [name for name in names if name.startswith((".git/", ".ci/", "report", "gallery"))]


def test_installed_wheel_captures_without_the_repository(built, tmp_path):
    site = tmp_path / "site"
    call = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, built[".whl"]]
    subprocess.run(call, check=True, capture_output=True)
    script = (
        "import interp, json; model = interp.load_model('armenian-bilstm')\n"
        "batches = interp.load_task('transliteration').batches('demo', limit=3, seed=0)\n"
        "acts = interp.capture(model, batches, quantities=['h'], progress=False)\n"
        "print(json.dumps([interp.__file__, dict(acts.sizes), sorted(interp.plugins())]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(site)}
    call = [sys.executable, "-W", "ignore", "-c", script]
    result = subprocess.run(call, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    location, sizes, plugins = json.loads(result.stdout.splitlines()[-1])
    assert Path(location).is_relative_to(site)
    assert sizes["unit"] == 2 * 228 + 228 + 190
    assert set(plugins) >= set(PROJECT["project"]["entry-points"]["interp"])


def test_help_loads_no_heavy_packages():
    loaded = f"[name for name in {HEAVY} if name in sys.modules]"
    script = f"import sys; from interp.cli.app import build_app; build_app(); print({loaded})"
    result = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"


def test_only_tested_python_versions_are_declared():
    project = PROJECT["project"]
    assert project["requires-python"] == ">=3.11"
    versions = [name for name in project["classifiers"] if re.search(r"Python :: 3\.\d", name)]
    assert versions == ["Programming Language :: Python :: 3.11"]
    assert PROJECT["tool"]["ruff"]["target-version"] == "py311"
    assert PROJECT["tool"]["mypy"]["python_version"] == "3.11"


def test_lowest_constraints_match_the_dependencies():
    lines = (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8").splitlines()
    lowest = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    for dependency in PROJECT["project"]["dependencies"]:
        name, version = re.fullmatch(r"([\w-]+)(?:\[[\w,]+\])?>=([\d.]+)", dependency).groups()
        if name != "torch":
            assert (lowest[name] + ".0").startswith(version + "."), dependency
