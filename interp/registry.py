"""Plugin discovery, and the registry of names and their owners."""

from __future__ import annotations

import functools
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution, entry_points
from typing import Any, ParamSpec, TypeVar

import pluggy

from interp import hookspecs
from interp.base import to_kebab_case
from interp.errors import PluginError, unknown_name_error

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


DISTRIBUTIONS = {"distributed": "dask", "sklearn": "scikit-learn"}  # by module, where the names differ
UNNAMED = {"all", "test"}  # extras that contain others
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Entry:
    """A registered object, its name and the plugin that registered it."""

    name: str
    owner: str
    value: Any = field(repr=False)


class Registry:
    """The objects that a set of plugins registered, by kind and name.

    Parameters
    ----------
    plugins : mapping of str to object
        Modules or objects with hook implementations, by plugin name.
    versions : mapping of str to str, optional
        Version of each plugin's distribution.
    distributions : mapping of str to str, optional
        Name of each plugin's distribution, as for ``pip install``.
    trace : bool
        Print to standard error the names that each hook call registers, and the plugin behind each lookup.

    Raises
    ------
    PluginError
        For an unknown hook, or two owners of one name; the message names the plugins.
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
        self._tables: dict[str, dict[str, Entry]] = {kind: {} for kind in KINDS}
        for name, plugin in plugins.items():
            self.add(name, plugin)

    def add(self, name: str, plugin: object) -> None:
        """Add a plugin, replacing one of the same name; after an error the registry is unchanged."""
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
        tables = {kind: entries_of_others(table, name) for kind, table in self._tables.items()}
        for kind, hook in KINDS.items():
            getattr(manager.hook, hook)(register=partial(add_entry, tables[kind], kind, name))
            if self.trace:
                names = ", ".join(entry.name for entry in tables[kind].values() if entry.owner == name)
                sys.stderr.write(f"{hook}: plugin {name!r} registers {names or 'nothing'}\n")
        self.plugins, self._tables = {**self.plugins, name: plugin}, tables

    def __repr__(self) -> str:
        """Return the registered names, one line per kind."""
        title = f"<Registry of {len(self.plugins)} plugins: {', '.join(self.plugins)}>"
        lines = [f"  {kind:<8} {', '.join(table)}" for kind, table in self._tables.items() if table]
        return "\n".join([title, *lines])

    def table(self, kind: str) -> Mapping[str, Entry]:
        """Return the entries of a kind (``adapter``, ``model``, ``task``, ``probe``, …), by name."""
        return self._tables[kind]

    def get(self, kind: str, name: str) -> Any:
        """Return the object of a kind and a name, or raise `UnknownNameError` with the nearest names."""
        table = self._tables[kind]
        if name not in table:
            raise unknown_name_error(kind, name, table)
        if self.trace:
            sys.stderr.write(f"{kind} {name!r}: found in plugin {table[name].owner!r}\n")
        return table[name].value


def entries_of_others(table: Mapping[str, Entry], owner: str) -> dict[str, Entry]:
    """Return the entries of plugins other than ``owner``."""
    return {name: entry for name, entry in table.items() if entry.owner != owner}


def add_entry(table: dict[str, Entry], kind: str, owner: str, value: Any) -> None:
    """Add an object that a plugin registers to a table."""
    name = registered_name(value)
    if not NAME.fullmatch(name):
        raise PluginError(f"Plugin {owner!r}: {kind} name {name!r} is not kebab-case, such as {to_kebab_case(name)!r}.")
    if name in table:
        raise PluginError(
            f"Two plugins own the {kind} {name!r}: {table[name].owner!r} and {owner!r}. "
            f"Rename one, or disable the plugin with INTERP_DISABLE={owner}."
        )
    table[name] = Entry(name, owner, value)


def registered_name(value: Any) -> str:
    """Return the registered name of an object: its ``interp.name``, ``name``, or ``__name__`` in kebab-case."""
    info = getattr(value, "interp", None)
    name = getattr(info, "name", None) or getattr(value, "name", None) or to_kebab_case(getattr(value, "__name__", ""))
    return str(name)


def discover(environment: Mapping[str, str] = os.environ) -> Registry:
    """Load the plugins of the entry-point group ``interp``.

    Parameters
    ----------
    environment : mapping of str to str
        ``INTERP_PLUGINS=a,b`` loads only these plugins, ``INTERP_DISABLE=a`` skips one, ``INTERP_TRACE=1`` prints hook
        calls and the plugin behind each lookup.

    Raises
    ------
    UnknownNameError
        If a variable names a plugin that is not installed.
    """
    points = {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)}
    only = _names(environment, "INTERP_PLUGINS", points)
    disabled = _names(environment, "INTERP_DISABLE", points)
    enabled = [name for name in (only or points) if name not in disabled]
    modules = {name: module for name in enabled if (module := _load(points[name])) is not None}
    distributions = {name: dist for name in modules if (dist := points[name].dist)}
    versions = {name: dist.version for name, dist in distributions.items()}
    names = {name: dist.name for name, dist in distributions.items()}
    plugin_registry = Registry({}, versions, names, trace=environment.get("INTERP_TRACE", "") not in ("", "0"))
    for name in sorted(modules, key=lambda name: (not _is_builtin(points[name]), name)):
        try:
            plugin_registry.add(name, modules[name])
        except Exception as error:  # hooks of third-party plugins may raise anything; the others must still load
            reason = str(error) if isinstance(error, PluginError) else f"Plugin {name!r}: its hooks raised {error!r}."
            warnings.warn(
                f"{reason} The plugin is skipped; set INTERP_DISABLE={name} to silence this warning.", stacklevel=2
            )
    return plugin_registry


def _is_builtin(point: EntryPoint) -> bool:
    """Return whether a plugin is part of interp; other plugins can't take its names."""
    return point.dist is None or point.dist.name == "interp"


def _names(environment: Mapping[str, str], variable: str, plugin_names: Iterable[str]) -> list[str]:
    names = [name.strip() for name in environment.get(variable, "").split(",") if name.strip()]
    for name in names:
        if name not in plugin_names:
            raise unknown_name_error(f"plugin (in {variable})", name, plugin_names)
    return names


def _load(point: EntryPoint) -> object | None:
    try:
        plugin: object = point.load()
    except Exception as error:  # a third-party module may raise anything; the others must still load
        warnings.warn(f"Plugin {point.name!r} ({point.value}) could not be imported: {error!r}", stacklevel=3)
        return None
    return plugin


@cache
def installed_registry() -> Registry:
    """Return the registry of the installed plugins, built once per process."""
    return discover()


def active_registry() -> Registry:
    """Return the active registry: that of the installed plugins, or the one set by `use_registry`."""
    return _OVERRIDES[-1] if _OVERRIDES else installed_registry()


@contextmanager
def use_registry(host: Registry) -> Iterator[Registry]:
    """Use another registry for all lookups inside the block."""
    _OVERRIDES.append(host)
    try:
        yield host
    finally:
        _OVERRIDES.pop()


_OVERRIDES: list[Registry] = []


def get_viewer(name: str) -> Callable[..., Any]:
    """Return the function of a viewer.

    Parameters
    ----------
    name : str
        As `viewers` lists it.

    Returns
    -------
    callable
        ``(acts, *results, **options) -> View``.

    Raises
    ------
    UnknownNameError
        No such viewer; the text names the nearest.
    """
    viewer: Callable[..., Any] = active_registry().get("viewer", name)
    return viewer


def register(plugin: object) -> None:
    """Register a plugin that is not installed, such as one in a notebook, for this process.

    Parameters
    ----------
    plugin : object
        A module or another object with functions decorated with ``@hookimpl``; for a notebook,
        ``sys.modules[__name__]``. It replaces a plugin of the same name, so that a cell can be run again.

    Raises
    ------
    PluginError
        For a plugin without hooks, an unknown hook, or a name that another plugin owns.
    """
    active_registry().add(getattr(plugin, "__name__", type(plugin).__name__), plugin)


def _listing(kind: str, plural: str) -> Callable[[], dict[str, str]]:
    def names() -> dict[str, str]:
        return {name: entry.owner for name, entry in active_registry().table(kind).items()}

    names.__name__ = names.__qualname__ = plural
    names.__doc__ = f"Return the registered {plural} as a mapping from name to owning plugin."
    return names


probes = _listing("probe", "probes")
viewers = _listing("viewer", "viewers")
tasks = _listing("task", "tasks")
models = _listing("model", "models")
penalties = _listing("penalty", "penalties")


def plugins() -> dict[str, str]:
    """Return the loaded plugins as a mapping from name to version."""
    active = active_registry()
    return {name: active.versions.get(name, "") for name in active.plugins}


def names_missing_extra(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Wrap a function: if it needs a package of an extra that is not installed, `PluginError` names the extra."""

    @functools.wraps(function)
    def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except ModuleNotFoundError as error:
            missing = missing_extra(error)
            if missing is None:
                raise
            raise missing from error

    return wrapped


def missing_extra(error: ModuleNotFoundError) -> PluginError | None:
    """Return the error that names the extra of a missing module, or None if no installed plugin has it in an extra."""
    module = (error.name or "").partition(".")[0]
    package = DISTRIBUTIONS.get(module, module)
    for owner in plugin_distributions():
        for requirement in owner.requires or ():
            match = re.fullmatch(r"([\w.-]+).*;.*extra == ['\"]([\w.-]+)['\"].*", requirement)
            if match and _normalised(match[1]) == _normalised(package) and match[2] not in UNNAMED:
                return PluginError(
                    f"This needs the package {package}, which is not installed. "
                    f"Type: pip install '{owner.name}[{match[2]}]'."
                )
    return None


def plugin_distributions() -> list[Distribution]:
    """Return the distributions of interp and of the installed plugins, interp first."""
    found = {point.dist.name: point.dist for point in entry_points(group="interp") if point.dist is not None}
    try:
        own = distribution("interp")
    except PackageNotFoundError:  # a source tree on the path
        return list(found.values())
    return [own, *(other for name, other in found.items() if name != own.name)]


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
