"""Verbs for those who write plugins: begin one, check it, look into a store."""

from __future__ import annotations

import json
import keyword
import re
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
        For a name that is not kebab-case, and a folder that is there.
    """
    from interp.errors import OptionError, unknown

    if kind not in KINDS:
        raise unknown("kind of plugin", kind, KINDS)
    words = name.replace("-", "_")
    if not NAME.fullmatch(name) or keyword.iskeyword(words):
        raise OptionError(f"A name is in kebab-case, such as burst-size; got {name!r}.")
    target = folder / write_name(name)
    if target.exists():
        raise OptionError(f"{target} is there already: choose another name, or --folder.")
    package = f"interp_{words}"
    told = {"kind": kind, "name": name, "function": words, "class_": name.title().replace("-", ""), "package": package}
    told |= {"distribution": write_name(name), "title": name.replace("-", " ").capitalize()}
    files = {"pyproject.toml": "pyproject", "README.md": "readme", f"tests/test_{words}.py": "test"}
    files |= {f"{package}/__init__.py": kind} | ({f"{package}/cell.py": "cell"} if kind == "adapter" else {})
    for path, template in files.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        text = Template((TEMPLATES / f"{template}.txt").read_text(encoding="utf-8"))
        (target / path).write_text(text.substitute(told), encoding="utf-8")
    return target


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
    from interp.schema import ACTIVATIONS, validate
    from interp.storage import open as open_store

    held = open_store(file)
    if held.attrs.get("schema") == ACTIVATIONS:
        validate(held)
    told = described(held)
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False, indent=1))
        return
    typer.echo(f"{held.attrs.get('schema')}, version {held.attrs.get('schema_version')}: no fault")
    for heading in ("dims", "variables", "labels", "from"):
        typer.echo(f"\n{heading}")
        for name, value in told[heading].items():
            typer.echo(f"  {name:<22} {short(value)}")


def described(held: Any) -> dict[str, dict[str, Any]]:
    """Return what a dataset holds, in words: its dims, variables, labels and provenance."""

    def said(variable: Any) -> str:
        return f"({', '.join(map(str, variable.dims))}) {variable.dtype}"

    return {
        "dims": {str(name): size for name, size in held.sizes.items()},
        "variables": {str(name): said(one) for name, one in held.data_vars.items()},
        "labels": {str(name): said(one) for name, one in held.coords.items()},
        "from": {str(name): value for name, value in held.attrs.items()},
    }


def short(value: Any, most: int = 160) -> str:
    """Return a value on one line, cut where it is long."""
    text = " ".join(str(value).split())
    return text if len(text) <= most else f"{text[: most - 1]}…"
