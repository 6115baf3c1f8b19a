"""Finds plugins and knows who owns what."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from interp import hookspecs
from interp.contracts import Owned, kebab
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


class Registry:
    """What a set of plugins registered.

    Parameters
    ----------
    plugins : mapping of str to object
        Modules or objects with hook implementations, by plugin name.
    versions : mapping of str to str, optional
        The version of each plugin's distribution.
    trace : bool
        Print every hook call to standard error.

    Raises
    ------
    PluginError
        For an unknown hook, or two owners of one name; the text names the plugins.
    """

    def __init__(
        self, plugins: Mapping[str, object], versions: Mapping[str, str] | None = None, *, trace: bool = False
    ) -> None:
        self.plugins = dict(plugins)
        self.versions = dict(versions or {})
        self._tables: dict[str, dict[str, Owned]] = {kind: {} for kind in KINDS}
        manager = pluggy.PluginManager(GROUP)
        manager.add_hookspecs(hookspecs)
        if trace:
            manager.trace.root.setwriter(sys.stderr.write)
            manager.enable_tracing()
        for name, plugin in self.plugins.items():
            self._admit(manager, name, plugin)

    def _admit(self, manager: pluggy.PluginManager, name: str, plugin: object) -> None:
        try:
            manager.register(plugin, name)
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            hooks = ", ".join(KINDS.values())
            raise PluginError(f"Plugin {name!r}: {error}. The hooks are {hooks}.") from error
        for kind, hook in KINDS.items():
            others = [other for other in manager.get_plugins() if other is not plugin]
            call = manager.subset_hook_caller(hook, remove_plugins=others)
            call(register=partial(self._add, kind, name))

    def _add(self, kind: str, owner: str, value: Any) -> None:
        name = name_of(value)
        if not NAME.fullmatch(name):
            raise PluginError(f"Plugin {owner!r}: {kind} name {name!r} is not kebab-case, such as {kebab(name)!r}.")
        table = self._tables[kind]
        if name in table:
            raise PluginError(
                f"Two plugins own the {kind} {name!r}: {table[name].owner!r} and {owner!r}. "
                f"Drop one with INTERP_DISABLE={owner}."
            )
        table[name] = Owned(name, owner, value)

    def table(self, kind: str) -> Mapping[str, Owned]:
        """Return what is registered of a kind (``adapter``, ``model``, ``task``, ``probe``, …), by name."""
        return self._tables[kind]

    def get(self, kind: str, name: str) -> Any:
        """Return the object of a kind and a name, or raise `UnknownNameError` with the nearest names."""
        table = self._tables[kind]
        if name not in table:
            raise unknown(kind, name, table)
        return table[name].value


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
        ``INTERP_PLUGINS=a,b`` restricts to these, ``INTERP_DISABLE=a`` drops, ``INTERP_TRACE=1`` prints hook calls.

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
    versions = {name: found[name].dist.version for name in loaded if found[name].dist}  # type: ignore[union-attr]
    return Registry(loaded, versions, trace=environment.get("INTERP_TRACE", "") not in ("", "0"))


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
def registry() -> Registry:
    """Return the registry of the installed plugins, found once a process."""
    return discover()


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


def plugins() -> dict[str, str]:
    """Return the loaded plugins: name to version."""
    known = registry()
    return {name: known.versions.get(name, "") for name in known.plugins}
