"""The rules of the house, held on the syntax tree, the packaging and a fresh interpreter."""

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import interp

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CORE = sorted((ROOT / "interp").rglob("*.py"))
PLUGINS = sorted([*(ROOT / "plugins").rglob("*.py"), *(ROOT / "models").rglob("*.py")])
HEAVY = ("torch", "xarray", "holoviews", "captum", "matplotlib", "panel", "pandas", "sklearn", "dask", "zarr", "numba")


def imports(path):
    """Return ``(module, names)`` for every import of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", tuple(alias.name for alias in node.names)


def exported():
    tree = ast.parse((ROOT / "interp/__init__.pyi").read_text(encoding="utf-8"))
    return {alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}


def relative(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", PLUGINS, ids=relative)
def test_plugins_use_only_what_interp_exports(path):
    for module, names in imports(path):
        if module == "interp":
            assert set(names) <= exported(), f"{relative(path)} imports {set(names) - exported()} from interp"
        else:
            assert not module.startswith("interp.") or module == "interp.testing", f"{relative(path)} imports {module}"


@pytest.mark.parametrize("path", CORE, ids=relative)
def test_the_core_imports_no_plugin(path):
    assert not [module for module, _ in imports(path) if module.startswith("interp_")]


@pytest.mark.parametrize("path", [*CORE, *PLUGINS], ids=relative)
def test_files_and_functions_stay_small(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 320, f"{relative(path)} has {len(text.splitlines())} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert body_lines(node) <= 30, f"{relative(path)}: {node.name} has {body_lines(node)} lines"


def body_lines(node):
    """Lines of a function without its docstring and signature."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", CORE + PLUGINS, ids=relative)
def test_nothing_prints_outside_the_command_line(path):
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]


def test_folders_packages_and_entry_points_belong_together():
    packages = set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    folders = {
        relative(path.parent) for path in [*ROOT.glob("plugins/*/__init__.py"), *ROOT.glob("models/*/__init__.py")]
    }
    assert packages == folders | {"interp"}
    points = {**PROJECT["project"]["entry-points"]["interp"], **PROJECT["project"]["entry-points"]["interp.commands"]}
    owners = {value.partition(":")[0].partition(".")[0] for value in points.values()}
    assert owners <= {Path(package).name for package in packages}
    assert {Path(folder).name for folder in folders} <= owners, "a folder that no entry point names is never loaded"


def test_installed_entry_points_are_those_of_the_project():
    declared = PROJECT["project"]["entry-points"]["interp"]
    installed = {point.name: point.value for point in entry_points(group="interp")}
    assert declared.items() <= installed.items(), "install the project again: pip install -e ."


@pytest.mark.parametrize(
    "code",
    [
        "import interp; interp.Batch; interp.probe; interp.InterpError",
        "import interp.cli.app",
        "from interp.registry import registry; registry()",
    ],
)
def test_light_imports_stay_light(code):
    script = f"import sys\n{code}\nprint([name for name in {HEAVY} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_name_stays_a_function_after_its_module_is_imported():
    script = "import interp.train, interp.measure, interp\nprint(callable(interp.train), callable(interp.measure))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "True True"


def test_every_exported_name_exists():
    missing = [name for name in sorted(exported()) if not hasattr(interp, name)]
    assert not missing


def test_shipped_weights_fit_the_limit():
    for path in (ROOT / "models").rglob("*.safetensors"):
        assert path.stat().st_size <= 3.4e6, relative(path)


PUBLIC = [name for name in dir(interp) if not name.startswith("_") and callable(getattr(interp, name))]


@pytest.mark.parametrize("name", PUBLIC)
def test_everything_public_says_what_it_takes_and_gives(name):
    value = getattr(interp, name)
    told = inspect.getdoc(value) or ""
    assert len(told.split()) > 3, f"{name} has no docstring"
    if inspect.isfunction(value):
        signature = inspect.signature(value)
        named = [key.lstrip("*") for key in signature.parameters]
        missing = [key for key in named if not re.search(rf"\b{key}\b", told)]
        assert not missing, f"{name} does not say what {missing} are"
        quiet = signature.return_annotation in ("None", None) or not named
        assert quiet or re.search(r"\n(Returns|Yields)\n---|^Return", told), f"{name} does not say what it returns"


DATA = ("xr.Dataset", "NDArray", "np.ndarray", "Tensor")
DIM = re.compile(r"\((\w+(, \w+)*),?\)|\b(token|unit|dims?|like|shape)\b")


@pytest.mark.parametrize("name", PUBLIC)
def test_everything_public_that_takes_arrays_names_their_dims(name):
    value = getattr(interp, name)
    if inspect.isfunction(value) and any(kind in str(inspect.signature(value)) for kind in DATA):
        assert DIM.search(inspect.getdoc(value)), f"{name} takes or gives arrays and names no dim"
