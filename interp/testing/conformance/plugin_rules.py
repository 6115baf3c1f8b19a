"""Conformance rules of a whole plugin: imports and hooks."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from inspect import Parameter, getdoc, isclass, signature
from pathlib import Path
from types import ModuleType
from typing import Any

from interp.api.draw import POSITIONAL
from interp.errors import PluginError
from interp.signatures import annotation_types
from interp.testing.conformance.check import CheckedObject, NotApplicable

HEAVY_PACKAGES = ("torch", "holoviews", "captum", "matplotlib", "panel", "sklearn", "dask", "zarr", "numba",
         "scipy", "tensorflow", "jax", "transformers")  # fmt: skip
PUBLIC_MODULES = ("interp", "interp.adapters", "interp.plotting", "interp.statistics", "interp.testing")
MAX_IMPORT_SECONDS = 2.0  # maximal import time of a plugin; built-in ones take 0.1
IMPORT_SCRIPT = """
import sys, time, importlib
import interp, interp.registry, xarray
before, start = set(sys.modules), time.perf_counter()
plugin = importlib.import_module(sys.argv[1])
host = interp.registry.Registry({sys.argv[1]: plugin})
print(time.perf_counter() - start, *[name for name in sys.argv[2:] if name in set(sys.modules) - before])
"""


def light_import(subject: CheckedObject) -> None:
    """Require a fast import and hooks that load no heavy packages."""
    plugin = subject.value
    if not (isinstance(plugin, ModuleType) and sys.modules.get(plugin.__name__) is plugin and source_files(plugin)):
        raise NotApplicable("it is not an importable module")
    seconds, heavy = time_import(subject, plugin.__name__)
    if heavy:
        subject.fail(
            f"importing {plugin.__name__} and calling its hooks loads {', '.join(heavy)}, for every user of interp.",
            f"write `import {heavy[0]}` inside the functions that use it, and for annotations under TYPE_CHECKING.",
        )
    if seconds > MAX_IMPORT_SECONDS:
        seconds = min(seconds, time_import(subject, plugin.__name__)[0])  # the machine may have been busy
    if seconds > MAX_IMPORT_SECONDS:
        subject.fail(
            f"importing {plugin.__name__} takes {seconds:.1f} s; at most {MAX_IMPORT_SECONDS:g} s are allowed.",
            "only define functions at import; read files and compute when called.",
        )


def time_import(subject: CheckedObject, name: str) -> tuple[float, list[str]]:
    """Return the import time in a fresh interpreter, in seconds, and the heavy modules that it loads."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    command = [sys.executable, "-W", "ignore", "-c", IMPORT_SCRIPT, name, *HEAVY_PACKAGES]
    process = subprocess.run(  # noqa: S603 (the script above)
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path}
    )
    if process.returncode:
        last = (process.stderr.strip().splitlines() or ["no error message"])[-1]
        subject.fail(f"{name} can't be imported by itself: {last}", f"make `python -c 'import {name}'` work.")
    seconds, *heavy = process.stdout.splitlines()[-1].split()
    return float(seconds), heavy


def source_files(plugin: Any) -> list[Path]:
    """Return the source files of a plugin: all files of a package, or the file of a module."""
    source = getattr(plugin, "__file__", None) if isinstance(plugin, ModuleType) else None
    if source is None or not Path(source).is_file():
        return []
    path = Path(source)
    return sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]


def public_imports(subject: CheckedObject) -> None:
    """Require imports of public names only: those of interp and of its public namespaces."""
    if getattr(subject.value, "__name__", "").partition(".")[0] == "interp":
        raise NotApplicable("it is part of interp")
    files = source_files(subject.value)
    if not files:
        raise NotApplicable("it has no source file")
    public = {module: set(vars(import_module(module))["__all__"]) for module in PUBLIC_MODULES}
    for path in files:
        for line, module, name in iter_imports(path):
            if name and name not in public.get(module, {name}):
                subject.fail(
                    f"{path.name}, line {line} imports {name!r} from {module}, which is not public.",
                    f"import only names in {module}.__all__; request missing ones in the issue tracker.",
                )
            if module.startswith("interp.") and module not in PUBLIC_MODULES:
                subject.fail(
                    f"{path.name}, line {line} imports {module}, which is private and may change at any time.",
                    f"import from {', '.join(PUBLIC_MODULES[:-1])} or {PUBLIC_MODULES[-1]}; "
                    "the __all__ of each lists the public names.",
                )


def iter_imports(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield ``(line, module, name)`` of every absolute import of a file; the name is empty for ``import module``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((node.lineno, node.module or "", alias.name) for alias in node.names)


def known_hooks(subject: CheckedObject) -> None:
    """Require hooks of known names and signatures, and objects with kebab-case names that no other plugin registers."""
    from interp.registry import KINDS, Registry, active_registry

    try:
        alone = Registry({subject.plugin: subject.value})
    except PluginError as error:
        subject.fail(
            str(error),
            "use the hook names and the argument `register` of interp.hookspecs, and kebab-case object names.",
        )
    if not any(alone.table(kind) for kind in KINDS):
        subject.fail("its hooks register no objects.", "call register(…) with each object in the hook.")
    others = active_registry()
    for kind in KINDS:
        for name, owned in alone.table(kind).items():
            installed = others.table(kind).get(name)
            if installed is not None and installed.value is not owned.value and installed.owner != subject.plugin:
                subject.fail(f"its {kind} {name!r} is also registered by {installed.owner!r}.", "choose another name.")


PLUGIN_RULES = {"light-import": light_import, "public-imports": public_imports, "hooks-known": known_hooks}


DIM_NAMES = re.compile(r"\b(token|unit|pair|sample|step|model|source|place|batch)s?\b")


def docstring(subject: CheckedObject) -> None:
    """Require a docstring; those of probes and viewers name the dims of inputs or results."""
    text = getdoc(subject.value) or ""
    if not text.strip() or (isclass(subject.value) and not (subject.value.__doc__ or "").strip()):
        subject.fail("it has no docstring.", "describe the result in one sentence, with its dims: (unit, pair).")
    if subject.kind in ("probe", "viewer") and not DIM_NAMES.search(" ".join(iter_docstrings(subject.value))):
        subject.fail(
            "its docstring names no dims.",
            "name the dims of the result, or of the drawn data: (token, unit), (unit,).",
        )


def iter_docstrings(value: Any) -> Iterator[str]:
    """Yield the docstring of an object and of its own public methods."""
    yield getdoc(value) or ""
    if isclass(value):
        yield from (getdoc(member) or "" for name, member in vars(value).items() if callable(member) and name[0] != "_")


def explicit_signature(subject: CheckedObject) -> None:
    """Require a signature without ``*args`` and ``**kwargs``, with keyword-only options."""
    for name, parameter in signature(subject.value).parameters.items():
        if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            subject.fail(
                f"its signature has {parameter}.", "list every parameter; options become flags of the same names."
            )
        dataset = parameter.kind in POSITIONAL and not isclass(subject.value)
        if dataset and parameter.default not in (None, Parameter.empty):
            subject.fail(
                f"its option {name!r} can be given by position.",
                f"put a `*` before it: f(acts, *, {name}={parameter.default!r}).",
            )
        if isclass(subject.value) and parameter.kind is not Parameter.KEYWORD_ONLY:
            subject.fail(f"its option {name!r} can be given by position.", f"def __init__(self, *, {name}=…).")


def options_as_flags(subject: CheckedObject) -> None:
    """Require an annotation or a default of each option, from which the command line gets its type."""
    for name, parameter in signature(subject.value).parameters.items():
        if parameter.kind is Parameter.KEYWORD_ONLY and not annotation_types(parameter)[0]:
            subject.fail(
                f"its option {name!r} has neither an annotation nor a default with a type.",
                f"annotate it, for example {name}: float = 0.5; the command line parses flags by annotation.",
            )


OBJECT_RULES = {"docstring": docstring, "explicit-signature": explicit_signature, "options-as-flags": options_as_flags}
