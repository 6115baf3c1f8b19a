"""Optional dependencies: a missing one becomes an error that names the extra to install."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from importlib.metadata import Distribution, PackageNotFoundError, distribution, entry_points
from typing import ParamSpec, TypeVar

from interp.errors import PluginError

DISTRIBUTIONS = {"distributed": "dask", "sklearn": "scikit-learn"}  # by module, where the names differ
UNNAMED = {"all", "test"}  # extras that contain others
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


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
