"""Rules of the code base, checked on the syntax tree, the packaging and in a fresh interpreter."""

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from helpers.imports import circles, import_graph, package_modules, private_imports, upward_imports

import interp

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CORE = sorted((ROOT / "interp").rglob("*.py"))
PLUGINS = sorted([*(ROOT / "plugins").rglob("*.py"), *(ROOT / "models").rglob("*.py")])
HEAVY = ("torch", "xarray", "holoviews", "captum", "matplotlib", "panel", "pandas", "sklearn", "dask", "zarr", "numba")
NAMESPACES = ("interp.adapters", "interp.plotting", "interp.statistics", "interp.testing")
MAX_ENTRIES = 30
MAX_PUBLIC_NAMES = 60
MAX_BODY_LINES = 30

# The floors of interp/, the lowest first. A module imports only from its own room and from lower floors.
FLOORS = (
    ("_version", "base", "errors", "hookspecs", "labels", "numba_utils", "progress", "registry", "schema",
     "selection", "signatures", "torch_utils"),
    ("recurrence", "statistics", "storage"),
    ("activations", "plotting"),
    ("interventions", "measurement"),
    ("distributed", "training"),
    ("adapters", "api"),
    ("testing",),
    ("cli",),
)  # fmt: skip


def relative(path):
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def imports():
    """All imports between modules of the project, lazy and type-only ones included."""
    return import_graph(package_modules(ROOT, ROOT / "plugins", ROOT / "models"))


def test_the_package_fits_one_screen():
    entries = [path.name for path in (ROOT / "interp").iterdir() if path.name != "__pycache__"]
    assert len(entries) <= MAX_ENTRIES, sorted(entries)


def test_there_are_no_import_circles(imports):
    assert circles(imports) == []


def test_imports_run_downwards(imports):
    core = [one for one in imports if one.importer.partition(".")[0] == "interp"]
    assert upward_imports(core, FLOORS) == []


def test_every_room_is_on_one_floor():
    rooms = {
        path.stem for path in (ROOT / "interp").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert rooms - {"__init__"} == {room for floor in FLOORS for room in floor}


def test_nobody_imports_private_names(imports):
    assert private_imports(imports) == []


FAULTS = {
    "circle": ("interp/storage/filesystem.py", "def late():\n    from interp.storage import store\n", circles),
    "circle of types": (
        "interp/storage/filesystem.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from interp.storage.store import save\n",
        circles,
    ),
    "upward": (
        "interp/storage/store.py",
        "def late():\n    from interp.activations.session import CaptureSession\n",
        lambda imports: upward_imports([one for one in imports if one.importer.startswith("interp.")], FLOORS),
    ),
    "private": ("interp/api/measure.py", "from interp.measurement.reduce import _anything\n", private_imports),
}


@pytest.mark.parametrize(("path", "line", "rule"), FAULTS.values(), ids=FAULTS)
def test_planted_faults_are_found(path, line, rule, tmp_path):
    planted = tmp_path / Path(path).name
    planted.write_text((ROOT / path).read_text(encoding="utf-8") + line, encoding="utf-8")
    modules = package_modules(ROOT, ROOT / "plugins", ROOT / "models")
    modules[path.removesuffix(".py").replace("/", ".")] = planted
    assert rule(import_graph(modules))


def module_imports(path):
    """Yield ``(module, names)`` for every import of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", tuple(alias.name for alias in node.names)


def exported():
    tree = ast.parse((ROOT / "interp/__init__.pyi").read_text(encoding="utf-8"))
    return {alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}


def test_the_public_api_is_small():
    assert len(exported()) <= MAX_PUBLIC_NAMES


def test_every_exported_name_exists():
    assert not [name for name in sorted(exported()) if not hasattr(interp, name)]


@pytest.mark.parametrize("path", PLUGINS, ids=relative)
def test_plugins_use_only_the_public_api(path):
    for module, names in module_imports(path):
        if module == "interp":
            assert set(names) <= exported(), f"{relative(path)} imports {set(names) - exported()} from interp"
        elif module in NAMESPACES:
            public = set(
                sys.modules[module].__all__ if module in sys.modules else __import__(module, fromlist=["x"]).__all__
            )
            assert set(names) <= public, f"{relative(path)} imports {set(names) - public} from {module}"
        else:
            assert not module.startswith("interp."), f"{relative(path)} imports {module}"


@pytest.mark.parametrize("path", CORE, ids=relative)
def test_the_core_imports_no_plugin(path):
    assert not [module for module, _ in module_imports(path) if module.startswith("interp_")]


@pytest.mark.parametrize("path", [*CORE, *PLUGINS], ids=relative)
def test_functions_stay_short(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            lines = body_lines(node)
            assert lines <= MAX_BODY_LINES, f"{relative(path)}: {node.name} has {lines} lines"


def body_lines(node):
    """Return the number of lines of a function without its docstring and signature."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", CORE + PLUGINS, ids=relative)
def test_nothing_prints_outside_the_command_line(path):
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]


# Modules that have no test file of their own, because they are one half of what these tests run.
TESTED_BY = {
    "interp/_version.py": "behaviour/test_packaging.py",
    "interp/activations/connectivity.py": "activations/test_wiring.py",
    "interp/activations/provenance.py": "activations/test_hooks.py",
    "interp/activations/sharding.py": "distributed/test_capture.py",
    "interp/activations/tokens.py": "activations/test_recording.py",
    "interp/adapters.py": "recurrence/test_adapters.py",
    "interp/base.py": "test_registry.py",
    "interp/cli/pipeline.py": "cli/test_app.py",
    "interp/cli/stores.py": "distributed/test_recovery.py",
    "interp/cli/training.py": "cli/test_penalty_options.py",
    "interp/distributed/backend.py": "distributed/test_executors.py",
    "interp/distributed/capture_parts.py": "distributed/test_capture.py",
    "interp/errors.py": "test_registry.py",
    "interp/hookspecs.py": "behaviour/test_docs.py",
    "interp/interventions/editors.py": "interventions/test_edits.py",
    "interp/interventions/forward_pass.py": "interventions/test_edited_model.py",
    "interp/interventions/session.py": "api/test_intervene.py",
    "interp/interventions/targets.py": "interventions/test_edited_model.py",
    "interp/labels.py": "activations/test_batching.py",
    "interp/measurement/sharding.py": "distributed/test_reduce.py",
    "interp/numba_utils.py": "statistics/test_histograms.py",
    "interp/progress.py": "api/test_capture.py",
    "interp/recurrence/adapter.py": "recurrence/test_adapters.py",
    "interp/recurrence/kernels.py": "recurrence/test_engine.py",
    "interp/recurrence/sequences.py": "recurrence/test_engine.py",
    "interp/selection.py": "test_schema.py",
    "interp/signatures.py": "cli/test_options.py",
    "interp/statistics/kernels.py": "statistics/test_histograms.py",
    "interp/statistics/matching.py": "interventions/test_edits.py",
    "interp/storage/encoding.py": "storage/test_store.py",
    "interp/storage/fingerprint.py": "activations/test_resumable.py",
    "interp/storage/manifest.py": "activations/test_resumable.py",
    "interp/storage/writer.py": "activations/test_resumable.py",
    "interp/testing/api.py": "testing/conformance/test_check.py",
    "interp/testing/conformance/compare.py": "behaviour/test_broken_plugins.py",
    "interp/testing/conformance/model_rules.py": "behaviour/test_broken_plugins.py",
    "interp/testing/conformance/penalty_rules.py": "behaviour/test_broken_plugins.py",
    "interp/testing/conformance/plugin_rules.py": "behaviour/test_broken_plugins.py",
    "interp/testing/conformance/probe_rules.py": "behaviour/test_broken_plugins.py",
    "interp/testing/conformance/runner.py": "testing/conformance/test_check.py",
    "interp/testing/conformance/viewer_rules.py": "behaviour/test_broken_views.py",
    "interp/testing/toy.py": "testing/conformance/test_check.py",
    "interp/torch_utils.py": "activations/test_hooks.py",
    "interp/training/loop.py": "api/test_train.py",
    "interp/training/penalty.py": "training/test_objective.py",
    "models/interp_models/networks.py": "api/test_loading.py",
    "models/scripts/fit_fusion.py": "interp_transliteration/decoding/test_fusion.py",
    "models/scripts/latin_words.py": "interp_transliteration/languages/test_code_mixing.py",
    "models/scripts/write_figures.py": "interp_transliteration/evaluation/test_compare.py",
    "models/scripts/write_preset.py": "interp_transliteration/baselines/test_ngram.py",
    "plugins/interp_cell_strips/minimap.py": "interp_cell_strips/test_cell_strips.py",
    "plugins/interp_cell_strips/rows.py": "interp_cell_strips/test_cell_strips.py",
    "plugins/interp_cell_strips/scene.py": "interp_cell_strips/test_cell_strips.py",
    "plugins/interp_dashboard/commands.py": "interp_dashboard/test_server.py",
    "plugins/interp_dashboard/component.py": "browser/test_component.py",
    "plugins/interp_dashboard/inference.py": "interp_dashboard/test_dashboard.py",
    "plugins/interp_dashboard/message_handlers.py": "interp_dashboard/test_dashboard.py",
    "plugins/interp_layered_graph/scene.py": "interp_layered_graph/test_viewer.py",
    "plugins/interp_reproduction/claims/claim.py": "interp_reproduction/claims/test_judge.py",
    "plugins/interp_reproduction/settings.py": "interp_reproduction/test_pipeline.py",
}


def mirrored_test(path):
    """Return the test file that mirrors a module."""
    parts = path.relative_to(ROOT).parts
    folders = parts[1:-1]
    return ROOT.joinpath("tests", *folders, f"test_{path.stem}.py")


@pytest.mark.parametrize("path", [path for path in CORE + PLUGINS if path.stem != "__init__"], ids=relative)
def test_every_module_has_a_test(path):
    mirrored = mirrored_test(path)
    if relative(path) in TESTED_BY:
        assert not mirrored.exists(), f"{relative(path)} has a test of its own: remove it from TESTED_BY"
        assert (ROOT / "tests" / TESTED_BY[relative(path)]).exists()
    else:
        assert mirrored.exists(), f"{relative(path)} needs {relative(mirrored)}"


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
        "from interp.registry import active_registry; active_registry()",
    ],
)
def test_light_imports_stay_light(code):
    script = f"import sys\n{code}\nprint([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_functions_are_not_shadowed_by_modules():
    script = (
        "import interp.api.train, interp.api.measure, interp.api.capture, interp\n"
        "print(callable(interp.train), callable(interp.measure), callable(interp.capture))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True True True"


def test_a_capture_runs_few_files():
    """Following one capture in memory takes few files: those under interp/ whose functions run are counted."""
    script = (
        "import sys, torch, interp\n"
        "from pathlib import Path\n"
        "model, batch = torch.nn.LSTM(3, 4, batch_first=True).eval(), torch.zeros(2, 5, 3)\n"
        "interp.capture(model, batch, progress=False)\n"  # what runs once per process is not followed
        "root, files = Path(interp.__file__).parent, set()\n"
        "def profile(frame, event, arg):\n"
        "    if event == 'call' and Path(frame.f_code.co_filename).is_relative_to(root):\n"
        "        files.add(Path(frame.f_code.co_filename).relative_to(root).as_posix())\n"
        "sys.setprofile(profile)\n"
        "interp.capture(model, batch, progress=False)\n"
        "sys.setprofile(None)\n"
        "print(*sorted(files), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    files = done.stdout.split()
    assert 8 < len(files) <= 25, files


def test_shipped_weights_fit_the_limit():
    for path in (ROOT / "models").rglob("*.safetensors"):
        assert path.stat().st_size <= 3.4e6, relative(path)


PUBLIC = [name for name in dir(interp) if not name.startswith("_") and callable(getattr(interp, name))]


@pytest.mark.parametrize("name", PUBLIC)
def test_public_docstrings_cover_parameters_and_results(name):
    value = getattr(interp, name)
    text = inspect.getdoc(value) or ""
    assert len(text.split()) > 3, f"{name} has no docstring"
    if inspect.isfunction(value):
        signature = inspect.signature(value)
        parameters = [key.lstrip("*") for key in signature.parameters]
        missing = [key for key in parameters if not re.search(rf"\b{key}\b", text)]
        assert not missing, f"{name} does not document {missing}"
        returns_nothing = signature.return_annotation in ("None", None) or not parameters
        assert returns_nothing or re.search(r"\n(Returns|Yields)\n---|^Return", text), (
            f"{name} does not document its result"
        )


DATA = ("xr.Dataset", "NDArray", "np.ndarray", "Tensor")
DIM = re.compile(r"\((\w+(, \w+)*),?\)|\b(token|unit|dims?|like|shape)\b")


@pytest.mark.parametrize("name", PUBLIC)
def test_public_functions_of_arrays_name_their_dims(name):
    value = getattr(interp, name)
    if inspect.isfunction(value) and any(kind in str(inspect.signature(value)) for kind in DATA):
        assert DIM.search(inspect.getdoc(value)), f"{name} takes or returns arrays and names no dim"
