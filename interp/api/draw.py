"""The verb ``draw``: check datasets and options, then call a viewer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from inspect import Parameter, getdoc, signature
from typing import TYPE_CHECKING, Any

from interp.errors import OptionError, PluginError
from interp.plotting.text import pluralize
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
        Name of a registered viewer, or a function decorated with ``@interp.viewer``.
    acts : Dataset
        Activations ``(token, unit)``, or the first result of a viewer that draws results only.
    *results : Dataset
        Results of probes, in the order of the viewer's parameters; None for an optional one.
    **options
        Options of the viewer.

    Returns
    -------
    View
        Picture, which notebooks show and ``view.save(path)`` writes as ``.html``, ``.png`` or ``.svg``.

    Raises
    ------
    UnknownNameError
        If there is no such viewer.
    OptionError
        For an unknown or a missing option, too many or too few datasets, or a ``model`` with other weights than the
        captured one.
    SchemaError
        If the activations break the schema or lack labels that the viewer reads.
    """
    viewer = active_registry().get("viewer", name_or_viewer) if isinstance(name_or_viewer, str) else name_or_viewer
    if not hasattr(viewer, "interp"):
        raise OptionError(f"Expected the name of a viewer or a function decorated with @interp.viewer; got {viewer!r}.")
    label = f"Viewer {viewer.interp.name!r}"
    parameters = signature(viewer).parameters
    _check_datasets(label, parameters, (acts, *results), getdoc(viewer) or "")
    _check_options(label, parameters, options)
    require_labels(acts, viewer.interp.requires, label)
    _check_model(label, acts, options.get("model"))
    view = viewer(acts, *results, **options)
    if not isinstance(view, View):
        raise PluginError(f"{label} returned a {type(view).__name__}; expected an interp.View.")
    return view


def _parameter_description(doc: str, name: str) -> str:
    """Return the description of a parameter in a docstring, on one line."""
    match = re.search(rf"^{name} : .*\n((?: +.*\n?)+)", doc, re.MULTILINE)
    return " ".join(match[1].replace("``", "").split()) if match else "not described."


def _check_datasets(viewer: str, parameters: Mapping[str, Parameter], datasets: tuple[Any, ...], doc: str) -> None:
    import xarray as xr

    positional = [parameter for parameter in parameters.values() if parameter.kind in POSITIONAL]
    n_required = sum(parameter.default is Parameter.empty for parameter in positional)
    names = ", ".join(parameter.name for parameter in positional)
    if not n_required <= len(datasets) <= len(positional):
        missing = [parameter.name for parameter in positional[len(datasets) : n_required]]
        descriptions = "".join(f" {name}: {_parameter_description(doc, name)}" for name in missing)
        raise OptionError(f"{viewer} draws from ({names}); got {pluralize(len(datasets), 'dataset')}.{descriptions}")
    for parameter, dataset in zip(positional, datasets, strict=False):
        if dataset is None and parameter.default is None:
            continue
        if not isinstance(dataset, xr.Dataset):
            kind = type(dataset).__name__
            raise OptionError(f"{viewer} draws from datasets ({names}); {parameter.name} is a {kind}.")
        if parameter.name == "acts":
            validate(dataset)


def _check_options(viewer: str, parameters: Mapping[str, Parameter], options: Mapping[str, Any]) -> None:
    defaults = {name: item.default for name, item in parameters.items() if item.kind is Parameter.KEYWORD_ONLY}
    usage = ", ".join(name if value is Parameter.empty else f"{name}={value!r}" for name, value in defaults.items())
    for option in options:
        if option not in defaults:
            matches = get_close_matches(option, defaults, n=1)
            hint = f" Did you mean {matches[0]!r}?" if matches else ""
            raise OptionError(f"{viewer} has no option {option!r}.{hint} Options: {usage or 'none'}.")
    missing = [name for name, value in defaults.items() if value is Parameter.empty and name not in options]
    if missing:
        raise OptionError(f"{viewer} needs the option {', '.join(missing)}. Options: {usage}.")


def _check_model(viewer: str, acts: xr.Dataset, model: Any) -> None:
    """Check that the model is the captured one: with another one the picture would look plausible and be wrong."""
    weights = acts.attrs.get("model_sha256")
    if model is None or not weights:
        return
    from interp.torch_utils import unwrap, weights_hash

    if weights_hash(unwrap(model)) != weights:
        name = acts.attrs.get("model", "the network")
        raise OptionError(
            f"{viewer} got a model= with other weights than {name!r} had when it was captured. "
            "Pass the captured model, or capture again."
        )
