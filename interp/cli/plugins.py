"""Commands for plugins: `interp new`, `interp check` and `interp plugins`."""

from __future__ import annotations

import ast
import builtins
import json
import keyword
import re
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from string import Template
from typing import Annotated, Any

import typer

from interp.errors import OptionError

PLUGIN_KINDS = ("probe", "reducer", "viewer", "task", "adapter", "model", "penalty")
TEMPLATE_DIR = Path(__file__).parent / "templates"
KEBAB_CASE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
STATE_COLORS = {"passed": "green", "failed": "red", "skipped": "yellow", "expected failure": "yellow"}


def new(
    kind: Annotated[str, typer.Argument(help=f"Kind of plugin: {', '.join(PLUGIN_KINDS)}.")],
    name: Annotated[str, typer.Argument(help="Name in kebab-case, such as burst-size.")],
    folder: Annotated[Path, typer.Option(help="Parent directory of interp-NAME; the current one by default.")] = Path(),
) -> None:
    """Create a plugin: a package with an entry point, one source file, and a conformance test."""
    typer.echo(f"Created {write_plugin(kind, name, folder)}")
    typer.echo(f"Next: cd {distribution_name(name)} && pip install -e '.[test]' && interp plugins && pytest")


def distribution_name(name: str) -> str:
    """Return the name of a plugin's distribution."""
    return f"interp-{name}"


def write_plugin(kind: str, name: str, folder: Path) -> Path:
    """Write the package of a plugin and return its folder.

    Raises
    ------
    UnknownNameError
        The kind is unknown.
    OptionError
        The name is not kebab-case or is taken, or the folder exists.
    """
    from interp.errors import unknown_name_error

    if kind not in PLUGIN_KINDS:
        raise unknown_name_error("kind of plugin", kind, PLUGIN_KINDS)
    words = name.replace("-", "_")
    if not KEBAB_CASE.fullmatch(name) or keyword.iskeyword(words):
        raise OptionError(f"Expected a name in kebab-case, such as burst-size; got {name!r}.")
    check_name_is_free(kind, name)
    target = folder / distribution_name(name)
    if target.exists():
        raise OptionError(f"{target} exists already. Choose another name, or another --folder.")
    package = f"interp_{words}"
    files = {"pyproject.toml": "pyproject", "README.md": "readme", f"tests/test_{words}.py": "test"}
    files |= {f"{package}/__init__.py": kind} | ({f"{package}/cell.py": "cell"} if kind == "adapter" else {})
    for path, template in files.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(render_template(template, kind, name), encoding="utf-8")
    return target


def render_template(template: str, kind: str, name: str) -> str:
    """Return the text of a file of a plugin's package, from its template."""
    words = name.replace("-", "_")
    fields = {"kind": kind, "name": name, "function": words, "class_": to_camel_case(name)}
    fields |= {"package": f"interp_{words}", "distribution": distribution_name(name)}
    fields["title"] = name.replace("-", " ").capitalize()
    return Template((TEMPLATE_DIR / f"{template}.txt").read_text(encoding="utf-8")).substitute(fields)


def to_camel_case(name: str) -> str:
    """Return a kebab-case name in camel case."""
    return name.title().replace("-", "")


def check_name_is_free(kind: str, name: str) -> None:
    """Raise `OptionError` if a plugin, a module or the template's own source already uses a name."""
    from interp.registry import active_registry

    words, host = name.replace("-", "_"), active_registry()
    table = "probe" if kind == "reducer" else kind
    owned = host.table(table).get(name)
    if name in host.plugins or owned is not None:
        owner = owned.owner if owned else name
        raise OptionError(f"The name {name!r} is taken by the plugin {owner!r}. Choose another name.")
    if find_spec(f"interp_{words}") is not None:
        raise OptionError(f"A module interp_{words} is already installed. Choose another name than {name!r}.")
    source = names_in_source(render_template(kind, kind, "its-own"))
    names = {"its_own": words, "ItsOwn": to_camel_case(name)}  # placeholders
    bound = {bound_name for placeholder, bound_name in names.items() if placeholder in source}
    if bound & (source | set(dir(builtins))):
        raise OptionError(f"The name {name!r} has another meaning in the source of a {kind}. Choose another name.")


def names_in_source(source: str) -> set[str]:
    """Return all names that a source binds or reads."""
    nodes = list(ast.walk(ast.parse(source)))
    read = {node.id for node in nodes if isinstance(node, ast.Name)}
    bound = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return read | bound | {node.asname or node.name for node in nodes if isinstance(node, ast.alias)}


def check(
    plugin: Annotated[str, typer.Argument(help="Name of an installed plugin; `interp plugins` lists them.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object per check.")] = False,
) -> None:
    """Check an installed plugin against the conformance rules. Exit code 1 if a check fails."""
    from dataclasses import asdict

    from interp.testing.api import check_plugin

    outcomes = check_plugin(plugin)
    if as_json:
        typer.echo(json.dumps([asdict(result) for result in outcomes], ensure_ascii=False, indent=1))
    else:
        for result in outcomes:
            state = typer.style(f"{result.state:<8}", fg=STATE_COLORS[result.state])
            typer.echo(
                f"{state}  {result.check}" + (f"\n          {result.message}" if result.state != "passed" else "")
            )
        counts = {state: sum(result.state == state for result in outcomes) for state in STATE_COLORS}
        typer.echo(", ".join(f"{count} {state}" for state, count in counts.items() if count))
    if any(result.state == "failed" for result in outcomes):
        raise typer.Exit(1)


def plugins(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with hooks, distributions and options.")] = False,
) -> None:
    """List the installed plugins and the objects that each registers."""
    from rich.console import Console
    from rich.table import Table

    from interp.registry import KINDS, active_registry

    host = active_registry()
    if as_json:
        typer.echo(json.dumps([_plugin_record(name) for name in host.plugins], ensure_ascii=False, indent=1))
        return
    table = Table("plugin", "version", "objects", box=None)
    for name in host.plugins:
        objects = [
            f"{kind} {owned.name}" for kind in KINDS for owned in host.table(kind).values() if owned.owner == name
        ]
        table.add_row(name, host.versions.get(name, ""), ", ".join(objects) or "-")
    Console().print(table)


def _plugin_record(name: str) -> dict[str, Any]:
    """Return the record of a plugin: version, distribution, hooks, and its objects with their options."""
    from interp.registry import KINDS, active_registry

    host = active_registry()
    objects = [
        {"kind": kind, "name": owned.name, "options": _options(owned.value)}
        for kind in KINDS
        for owned in host.table(kind).values()
        if owned.owner == name
    ]
    hooks = [KINDS[kind] for kind in dict.fromkeys(str(one["kind"]) for one in objects)]
    module = getattr(host.plugins[name], "__name__", type(host.plugins[name]).__name__)
    origin = {
        "version": host.versions.get(name, ""),
        "distribution": host.distributions.get(name, ""),
    }
    return {"plugin": name, **origin, "from": module, "hooks": hooks, "objects": objects}


def _options(value: Any) -> dict[str, dict[str, str]]:
    """Return the type and default of each option as written; options without a default are required."""
    from inspect import Parameter, formatannotation

    options = {}
    for key, parameter in (signature(value).parameters if callable(value) else {}).items():
        if parameter.kind is Parameter.KEYWORD_ONLY:
            annotation, default = parameter.annotation, parameter.default
            options[key] = {"type": annotation if isinstance(annotation, str) else formatannotation(annotation)}
            options[key] |= {} if default is Parameter.empty else {"default": repr(default)}
    return options
