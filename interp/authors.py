"""Verbs for those who write plugins: begin one, check it, look into a store."""

from __future__ import annotations

import ast
import builtins
import json
import keyword
import re
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Annotated, Any

import typer

KINDS = ("probe", "reducer", "viewer", "task", "adapter", "model", "penalty")
TEMPLATES = Path(__file__).parent / "templates"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
COLORS = {"passed": "green", "failed": "red", "left out": "yellow", "expected to fail": "yellow"}


def new(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")],
    name: Annotated[str, typer.Argument(help="Kebab-case, such as burst-size.")],
    folder: Annotated[Path, typer.Option(help="Where its folder interp-NAME is made.")] = Path(),
) -> None:
    """Begin a plugin: a package with an entry point, one source file, and a test that holds it to the rules."""
    typer.echo(f"Written: {write(kind, name, folder)}")
    typer.echo(f"Next: cd {write_name(name)} && pip install -e '.[test]' && interp plugins && pytest")


def write_name(name: str) -> str:
    """Return the name of a distribution."""
    return f"interp-{name}"


def write(kind: str, name: str, folder: Path) -> Path:
    """Write the package of a plugin and return its folder.

    Raises
    ------
    UnknownNameError
        For another kind.
    OptionError
        For a name that is not kebab-case or is taken, and a folder that is there.
    """
    from interp.errors import OptionError, unknown

    if kind not in KINDS:
        raise unknown("kind of plugin", kind, KINDS)
    words = name.replace("-", "_")
    if not NAME.fullmatch(name) or keyword.iskeyword(words):
        raise OptionError(f"A name is in kebab-case, such as burst-size; got {name!r}.")
    check_free(kind, name)
    target = folder / write_name(name)
    if target.exists():
        raise OptionError(f"{target} is there already: choose another name, or --folder.")
    package = f"interp_{words}"
    files = {"pyproject.toml": "pyproject", "README.md": "readme", f"tests/test_{words}.py": "test"}
    files |= {f"{package}/__init__.py": kind} | ({f"{package}/cell.py": "cell"} if kind == "adapter" else {})
    for path, template in files.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(filled(template, kind, name), encoding="utf-8")
    return target


def filled(template: str, kind: str, name: str) -> str:
    """Return the text of a file of the package of a plugin."""
    words = name.replace("-", "_")
    told = {"kind": kind, "name": name, "function": words, "class_": titled(name)}
    told |= {"package": f"interp_{words}", "distribution": write_name(name)}
    told["title"] = name.replace("-", " ").capitalize()
    return Template((TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")).substitute(told)


def titled(name: str) -> str:
    """Return the name of a class."""
    return name.title().replace("-", "")


def check_free(kind: str, name: str) -> None:
    """Raise `OptionError` for a name that a plugin, a module or the package's own source uses already."""
    from interp.errors import OptionError
    from interp.registry import registry

    words, known = name.replace("-", "_"), registry()
    table = "probe" if kind == "reducer" else kind
    owned = known.table(table).get(name)
    if name in known.plugins or owned is not None:
        owner = owned.owner if owned else name
        raise OptionError(f"The name {name!r} is taken, by the plugin {owner!r}: choose another.")
    if find_spec(f"interp_{words}") is not None:
        raise OptionError(f"A module interp_{words} is installed already: choose another name than {name!r}.")
    source = used(filled(kind, kind, "its-own"))
    own = {made for placed, made in {"its_own": words, "ItsOwn": titled(name)}.items() if placed in source}
    if own & (source | set(dir(builtins))):
        raise OptionError(f"The name {name!r} means something else in the source of a {kind}: choose another.")


def used(source: str) -> set[str]:
    """Return every name that a source binds or reads."""
    nodes = list(ast.walk(ast.parse(source)))
    read = {node.id for node in nodes if isinstance(node, ast.Name)}
    bound = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return read | bound | {node.asname or node.name for node in nodes if isinstance(node, ast.alias)}


def check(
    plugin: Annotated[str, typer.Argument(help="An installed plugin, as `interp plugins` lists it.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, one object a check.")] = False,
) -> None:
    """Hold a plugin to the rules that every plugin keeps; ends with 1 where one is broken."""
    from dataclasses import asdict

    from interp.testing import check as run

    found = run(plugin)
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=1))
    else:
        for one in found:
            state = typer.style(f"{one.state:<8}", fg=COLORS[one.state])
            typer.echo(f"{state}  {one.check}" + (f"\n          {one.told}" if one.state != "passed" else ""))
        counts = {state: sum(one.state == state for one in found) for state in COLORS}
        typer.echo(", ".join(f"{count} {state}" for state, count in counts.items() if count))
    if any(one.state == "failed" for one in found):
        raise typer.Exit(1)


def show(
    file: Annotated[Path, typer.Argument(help="A store: activations, or what a probe found.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say what is in a store, where it comes from, and all that is wrong with it; ends with 1 where something is."""
    from interp.storage import open as open_store

    told = described(open_store(file))
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False, indent=1))
    else:
        schema, version = (told["from"].get(name) for name in ("schema", "schema_version"))
        typer.echo(f"{schema}, version {version}: {counted(len(told['faults']))}")
        for fault in told["faults"]:
            typer.echo(typer.style(f"  - {fault}", fg="red"))
        for heading in ("dims", "variables", "labels", "from"):
            typer.echo(f"\n{heading}")
            for name, value in told[heading].items():
                typer.echo(f"  {name:<22} {short(value)}")
    if told["faults"]:
        raise typer.Exit(1)


def counted(faults: int) -> str:
    """Return how many faults there are, in words."""
    return {0: "no fault", 1: "1 fault"}.get(faults, f"{faults} faults")


def described(held: Any) -> dict[str, Any]:
    """Return what a dataset holds, in words: its faults, dims, variables, labels and provenance."""
    from interp.schema import faults

    def said(variable: Any) -> str:
        return f"({', '.join(map(str, variable.dims))}) {variable.dtype}"

    return {
        "faults": faults(held),
        "dims": {str(name): size for name, size in held.sizes.items()},
        "variables": {str(name): said(one) for name, one in held.data_vars.items()},
        "labels": {str(name): said(one) for name, one in held.coords.items()},
        "from": {str(name): value for name, value in held.attrs.items()},
    }


def short(value: Any, most: int = 160) -> str:
    """Return a value on one line, cut where it is long."""
    text = " ".join(str(value).split())
    return text if len(text) <= most else f"{text[: most - 1]}…"
