"""Finds plugins and knows who owns what."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from interp import hookspecs
from interp.contracts import kebab
from interp.errors import PluginError, unknown

GROUP = "interp"
KINDS = {
    "adapter": "register_adapters",
    "model": "register_models",
    "task": "register_tasks",
    "probe": "register_probes",
    "penalty": "register_penalties",
    "viewer": "register_viewers",
}
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Owned:
    """A registered object, its name and the plugin that brought it."""

    name: str
    owner: str
    value: Any = field(repr=False)


class Registry:
    """What a set of plugins registered.

    Parameters
    ----------
    plugins : mapping of str to object
        Modules or objects with hook implementations, by plugin name.
    versions : mapping of str to str, optional
        The version of each plugin's distribution.
    distributions : mapping of str to str, optional
        What to ``pip install`` for each plugin.
    trace : bool
        Print to standard error what each hook call brings, and which plugin answers to a name.

    Raises
    ------
    PluginError
        For an unknown hook, or two owners of one name; the text names the plugins.
    """

    def __init__(
        self,
        plugins: Mapping[str, object],
        versions: Mapping[str, str] | None = None,
        distributions: Mapping[str, str] | None = None,
        *,
        trace: bool = False,
    ) -> None:
        self.versions, self.distributions, self.trace = dict(versions or {}), dict(distributions or {}), trace
        self.plugins: dict[str, object] = {}
        self._tables: dict[str, dict[str, Owned]] = {kind: {} for kind in KINDS}
        for name, plugin in plugins.items():
            self.add(name, plugin)

    def add(self, name: str, plugin: object) -> None:
        """Take one more plugin, in the place of one of that name; after an error all is as before."""
        manager = pluggy.PluginManager(GROUP)
        manager.add_hookspecs(hookspecs)
        try:
            manager.register(plugin, name)
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise PluginError(f"Plugin {name!r}: {error}. The hooks are {', '.join(KINDS.values())}.") from error
        if not manager.get_hookcallers(plugin):
            raise PluginError(
                f"Plugin {name!r} has no hooks: expected a module or an object with functions under @interp.hookimpl, "
                f"named {' or '.join(KINDS.values())}."
            )
        tables = {kind: without(table, name) for kind, table in self._tables.items()}
        for kind, hook in KINDS.items():
            getattr(manager.hook, hook)(register=partial(enter, tables[kind], kind, name))
            if self.trace:
                brought = ", ".join(one.name for one in tables[kind].values() if one.owner == name)
                sys.stderr.write(f"{hook}: plugin {name!r} brings {brought or 'nothing'}\n")
        self.plugins, self._tables = {**self.plugins, name: plugin}, tables

    def __repr__(self) -> str:
        """Say what is registered, a line for each kind."""
        lines = [f"<Registry of {len(self.plugins)} plugins: {', '.join(self.plugins)}>"]
        return "\n".join([*lines, *(f"  {kind:<8} {', '.join(held)}" for kind, held in self._tables.items() if held)])

    def table(self, kind: str) -> Mapping[str, Owned]:
        """Return what is registered of a kind (``adapter``, ``model``, ``task``, ``probe``, …), by name."""
        return self._tables[kind]

    def get(self, kind: str, name: str) -> Any:
        """Return the object of a kind and a name, or raise `UnknownNameError` with the nearest names."""
        table = self._tables[kind]
        if name not in table:
            raise unknown(kind, name, table)
        if self.trace:
            sys.stderr.write(f"{kind} {name!r}: plugin {table[name].owner!r} answers\n")
        return table[name].value


def without(table: Mapping[str, Owned], owner: str) -> dict[str, Owned]:
    """Return what others than ``owner`` have registered."""
    return {name: owned for name, owned in table.items() if owned.owner != owner}


def enter(table: dict[str, Owned], kind: str, owner: str, value: Any) -> None:
    """Enter what a plugin registers."""
    name = name_of(value)
    if not NAME.fullmatch(name):
        raise PluginError(f"Plugin {owner!r}: {kind} name {name!r} is not kebab-case, such as {kebab(name)!r}.")
    if name in table:
        raise PluginError(
            f"Two plugins own the {kind} {name!r}: {table[name].owner!r} and {owner!r}. "
            f"Rename one, or drop it with INTERP_DISABLE={owner}."
        )
    table[name] = Owned(name, owner, value)


def name_of(value: Any) -> str:
    """Return the name under which an object registers: its ``interp.name``, its ``name``, or its own in kebab-case."""
    info = getattr(value, "interp", None)
    name = getattr(info, "name", None) or getattr(value, "name", None) or kebab(getattr(value, "__name__", ""))
    return str(name)


def discover(environment: Mapping[str, str] = os.environ) -> Registry:
    """Load the plugins of the entry-point group ``interp``.

    Parameters
    ----------
    environment : mapping of str to str
        ``INTERP_PLUGINS=a,b`` restricts to these, ``INTERP_DISABLE=a`` drops, ``INTERP_TRACE=1`` prints hook
        calls, and which plugin answers to a name.

    Raises
    ------
    UnknownNameError
        When a variable names a plugin that is not installed.
    """
    found = {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)}
    only = _names(environment, "INTERP_PLUGINS", found)
    dropped = _names(environment, "INTERP_DISABLE", found)
    chosen = [name for name in (only or found) if name not in dropped]
    loaded = {name: module for name in chosen if (module := _load(found[name])) is not None}
    from_where = {name: dist for name in loaded if (dist := found[name].dist)}
    versions = {name: dist.version for name, dist in from_where.items()}
    names = {name: dist.name for name, dist in from_where.items()}
    known = Registry({}, versions, names, trace=environment.get("INTERP_TRACE", "") not in ("", "0"))
    for name in sorted(loaded, key=lambda name: (not _ours(found[name]), name)):
        try:
            known.add(name, loaded[name])
        except Exception as error:  # a stranger's hook may raise anything: the rest has to work
            told = str(error) if isinstance(error, PluginError) else f"Plugin {name!r}: its hooks raised {error!r}."
            warnings.warn(f"{told} It is left out; INTERP_DISABLE={name} silences this.", stacklevel=2)
    return known


def _ours(point: EntryPoint) -> bool:
    """Return whether a plugin comes with interp: its names can't be taken by another."""
    return point.dist is None or point.dist.name == "interp"


def _names(environment: Mapping[str, str], variable: str, found: Iterable[str]) -> list[str]:
    names = [name.strip() for name in environment.get(variable, "").split(",") if name.strip()]
    for name in names:
        if name not in found:
            raise unknown(f"plugin (in {variable})", name, found)
    return names


def _load(point: EntryPoint) -> object | None:
    try:
        loaded: object = point.load()
    except Exception as error:  # anything a stranger's module may raise: the rest has to work
        warnings.warn(f"Plugin {point.name!r} ({point.value}) could not be imported: {error!r}", stacklevel=3)
        return None
    return loaded


@cache
def installed() -> Registry:
    """Return the registry of the installed plugins, found once a process."""
    return discover()


def registry() -> Registry:
    """Return the registry that names are looked up in: of the installed plugins, or of an isolated host."""
    return _HOSTS[-1] if _HOSTS else installed()


@contextmanager
def isolated(host: Registry) -> Iterator[Registry]:
    """Look names up in another registry until the block ends."""
    _HOSTS.append(host)
    try:
        yield host
    finally:
        _HOSTS.pop()


_HOSTS: list[Registry] = []


def find(kind: str, name: str) -> Any:
    """Return what is registered under a name: the function of a viewer, the class of a reducer.

    Parameters
    ----------
    kind : str
        ``adapter``, ``model``, ``task``, ``probe``, ``penalty`` or ``viewer``.
    name : str
        As `viewers` and its like list it.

    Raises
    ------
    UnknownNameError
        No such name; the text has the nearest.
    """
    return registry().get(kind, name)


def register(plugin: object) -> None:
    """Register a plugin that is not installed, such as a notebook's own, for this process.

    Parameters
    ----------
    plugin : object
        A module, or another object, with functions under ``@hookimpl``; a notebook is ``sys.modules[__name__]``.
        A plugin of the same name gives way to it, so that a cell can run again.

    Raises
    ------
    PluginError
        For a plugin without hooks, an unknown hook, or a name that another plugin owns.
    """
    registry().add(getattr(plugin, "__name__", type(plugin).__name__), plugin)


def _listing(kind: str) -> Callable[[], dict[str, str]]:
    def names() -> dict[str, str]:
        return {name: owned.owner for name, owned in registry().table(kind).items()}

    names.__name__ = names.__qualname__ = f"{kind}s"
    names.__doc__ = f"Return the registered {kind}s: name to the plugin that owns it."
    return names


probes = _listing("probe")
viewers = _listing("viewer")
tasks = _listing("task")
models = _listing("model")
penalties = _listing("penalty")


def plugins() -> dict[str, str]:
    """Return the loaded plugins: name to version."""
    known = registry()
    return {name: known.versions.get(name, "") for name in known.plugins}
