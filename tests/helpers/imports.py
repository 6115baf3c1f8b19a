"""Imports of a source tree as a graph: circles, imports that run up, and private names of other rooms."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Import(NamedTuple):
    """One import: the importing module, the imported one, the imported name (empty for a module), and the line."""

    importer: str
    imported: str
    name: str
    line: int


def package_modules(*folders: Path) -> dict[str, Path]:
    """Return the modules of all packages in some folders, by dotted name."""
    modules = {}
    for folder in folders:
        for path in folder.glob("*/**/*.py"):
            if (folder / path.relative_to(folder).parts[0] / "__init__.py").exists():
                dotted = ".".join(path.relative_to(folder).with_suffix("").parts)
                modules[dotted.removesuffix(".__init__")] = path
    return modules


def imports_of(module: str, path: Path, modules: dict[str, Path]) -> Iterator[Import]:
    """Yield the imports of other modules in the tree, including those in functions and for types only."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in modules:
                    yield Import(module, alias.name, "", node.lineno)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                if submodule in modules:
                    yield Import(module, submodule, "", node.lineno)
                elif node.module in modules:
                    yield Import(module, node.module, alias.name, node.lineno)


def import_graph(modules: dict[str, Path]) -> list[Import]:
    """Return all imports between the modules of a tree."""
    return [
        one for module, path in modules.items() for one in imports_of(module, path, modules) if one.imported != module
    ]


def circles(imports: list[Import]) -> list[list[str]]:
    """Return the groups of modules that import each other, directly or through others."""
    graph: dict[str, set[str]] = {}
    for one in imports:
        graph.setdefault(one.importer, set()).add(one.imported)
    reach = {module: reachable(graph, module) for module in graph}
    groups = {tuple(sorted(other for other in reach[module] if module in reach.get(other, ()))) for module in graph}
    return [list(group) for group in sorted(groups) if group]


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    """Return the modules that a module imports, directly or through others."""
    found, todo = set(), [start]
    while todo:
        new = graph.get(todo.pop(), set()) - found
        found |= new
        todo += new
    return found


def room_of(module: str) -> str:
    """Return the room of a module of interp: the folder or file below the package, empty for the package itself."""
    return module.split(".")[1] if "." in module else ""


def upward_imports(imports: list[Import], floors: tuple[tuple[str, ...], ...]) -> list[Import]:
    """Return the imports from a room on the same or a higher floor. The ground floor may import from itself."""
    floor = {room: number for number, rooms in enumerate(floors) for room in rooms}
    found = []
    for one in imports:
        importer, imported = room_of(one.importer), room_of(one.imported)
        if importer and imported and importer != imported:
            is_ground = floor[importer] == floor[imported] == 0
            if floor[imported] >= floor[importer] and not is_ground:
                found.append(one)
    return found


def private_imports(imports: list[Import]) -> list[Import]:
    """Return the imports of a name with a leading underscore from another module."""
    return [one for one in imports if one.name.startswith("_") and not one.name.startswith("__")]
