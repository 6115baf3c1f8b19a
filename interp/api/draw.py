"""Draw: a viewer over activations and results, its options checked before it starts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from inspect import Parameter, getdoc, signature
from typing import TYPE_CHECKING, Any

from interp.errors import OptionError, PluginError
from interp.plotting.view import View
from interp.registry import active_registry, names_missing_extra
from interp.schema import require_labels, validate

if TYPE_CHECKING:
    import xarray as xr


Viewer = Callable[..., View]
POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


@names_missing_extra
def draw(name_or_viewer: str | Viewer, /, acts: xr.Dataset, *results: xr.Dataset, **options: Any) -> View:
    """Draw with a viewer.

    Parameters
    ----------
    name_or_viewer : str or function
        The name of a registered viewer, or a function under ``@interp.viewer``.
    acts : Dataset
        Activations ``(token, unit)``; a viewer of results alone takes its first result here.
    *results : Dataset
        What probes found, in the order of the viewer's parameters; None for one that it can do without.
    **options
        Of the viewer.

    Returns
    -------
    View
        Saves itself as ``.html``, ``.png`` and ``.svg``, and shows itself in a notebook.

    Raises
    ------
    UnknownNameError
        No such viewer.
    OptionError
        An option that the viewer does not have or that it lacks, datasets too many or too few, or a ``model`` with
        other weights than the one that was captured.
    SchemaError
        Activations that break the schema, or labels that the viewer reads and they lack.
    """
    viewer = active_registry().get("viewer", name_or_viewer) if isinstance(name_or_viewer, str) else name_or_viewer
    if not hasattr(viewer, "interp"):
        raise OptionError(f"Expected the name of a viewer or a function under @interp.viewer; got {viewer!r}.")
    who = f"Viewer {viewer.interp.name!r}"
    parameters = signature(viewer).parameters
    _check_datasets(who, parameters, (acts, *results), getdoc(viewer) or "")
    _check_options(who, parameters, options)
    require_labels(acts, viewer.interp.requires, who)
    _check_model(who, acts, options.get("model"))
    view = viewer(acts, *results, **options)
    if not isinstance(view, View):
        raise PluginError(f"{who} returned a {type(view).__name__}; a viewer returns an interp.View.")
    return view


def _documented(text: str, name: str) -> str:
    """Return what a docstring says of a parameter, on one line."""
    found = re.search(rf"^{name} : .*\n((?: +.*\n?)+)", text, re.MULTILINE)
    return " ".join(found[1].replace("``", "").split()) if found else "not described."


def _check_datasets(who: str, parameters: Mapping[str, Parameter], given: tuple[Any, ...], documented: str) -> None:
    import xarray as xr

    taken = [parameter for parameter in parameters.values() if parameter.kind in POSITIONAL]
    needed = sum(parameter.default is Parameter.empty for parameter in taken)
    listed = ", ".join(parameter.name for parameter in taken)
    if not needed <= len(given) <= len(taken):
        got = f"{len(given)} dataset{'s' if len(given) > 1 else ''}"
        lacking = [held for held in taken[len(given) :] if held.default is Parameter.empty]
        told = "".join(f" {held.name}: {_documented(documented, held.name)}" for held in lacking)
        raise OptionError(f"{who} draws from ({listed}); got {got}.{told}")
    for parameter, dataset in zip(taken, given, strict=False):
        if dataset is None and parameter.default is None:
            continue
        if not isinstance(dataset, xr.Dataset):
            got = type(dataset).__name__
            raise OptionError(f"{who} draws from datasets ({listed}); {parameter.name} is a {got}.")
        if parameter.name == "acts":
            validate(dataset)


def _check_options(who: str, parameters: Mapping[str, Parameter], options: Mapping[str, Any]) -> None:
    known = {name: held.default for name, held in parameters.items() if held.kind is Parameter.KEYWORD_ONLY}
    shown = ", ".join(name if value is Parameter.empty else f"{name}={value!r}" for name, value in known.items())
    for option in options:
        if option not in known:
            near = get_close_matches(option, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise OptionError(f"{who} has no option {option!r}.{hint} Options: {shown or 'none'}.")
    missing = [name for name, value in known.items() if value is Parameter.empty and name not in options]
    if missing:
        raise OptionError(f"{who} needs the option {', '.join(missing)}. Options: {shown}.")


def _check_model(who: str, acts: xr.Dataset, model: Any) -> None:
    """Refuse another model than the captured one: its picture would look as good and be wrong."""
    known = acts.attrs.get("model_sha256")
    if model is None or not known:
        return
    from interp.torch_utils import unwrap, weights_hash

    if weights_hash(unwrap(model)) != known:
        name = acts.attrs.get("model", "the network")
        raise OptionError(
            f"{who} got a model= with other weights than {name!r} had when it was captured. "
            "Pass that one, or capture again."
        )
