"""Models and tasks by name; weights from safetensors, checked by their sha256."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.contracts import ModelSpec, Task
from interp.errors import OptionError, WeightsError
from interp.registry import registry

if TYPE_CHECKING:
    import torch


def load_model(name: str, *, weights: str | Path | None = None, untrained: int | None = None) -> torch.nn.Module:
    """Load a registered model, in eval mode.

    Parameters
    ----------
    name : str
        As ``interp.models()`` lists it.
    weights : path, optional
        A safetensors file of your own instead of the shipped one.
    untrained : int, optional
        Fresh weights drawn with this seed instead: the control network.

    Returns
    -------
    Module
        On the processor, with these weights.

    Raises
    ------
    UnknownNameError
        No such model.
    WeightsError
        The file is missing, altered, or of another network.
    """
    import torch

    spec: ModelSpec = registry().get("model", name)
    with torch.random.fork_rng():
        torch.manual_seed(untrained or 0)
        model = spec.build()
    if untrained is None:
        _fill(model, spec, Path(weights) if weights is not None else None)
    return model.eval()


def _fill(model: torch.nn.Module, spec: ModelSpec, weights: Path | None) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = weights or spec.weights
    if path is None or not path.is_file():
        raise WeightsError(f"The weights of {spec.name!r} are missing: {path}. Reinstall, or give weights=PATH.")
    data = path.read_bytes()
    if weights is None and sha256(data).hexdigest() != spec.sha256:
        raise WeightsError(
            f"The weights of {spec.name!r} are altered: {path} has another sha256. Reinstall, or give weights=PATH."
        )
    try:
        model.load_state_dict(load(data))
    except (SafetensorError, RuntimeError) as error:
        raise WeightsError(f"{path} does not hold weights of {spec.name!r}: {error}") from error


def load_task(name: str, **options: Any) -> Task:
    """Return a registered task, made with these options.

    Parameters
    ----------
    name : str
        As ``interp.tasks()`` lists it.
    **options
        Of the task.

    Raises
    ------
    UnknownNameError
        No such task.
    OptionError
        An option that the task does not have.
    """
    from inspect import signature

    factory = registry().get("task", name)
    known = signature(factory).parameters
    for option in options:
        if option not in known:
            raise OptionError(f"Task {name!r} has no option {option!r}; it has {', '.join(known)}.")
    task: Task = factory(**options)
    return task
