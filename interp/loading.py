"""Models and tasks by name; weights from safetensors, checked by their sha256."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.contracts import ModelSpec, Task
from interp.errors import OptionError, WeightsError
from interp.registry import registry

if TYPE_CHECKING:
    import torch

PICKLED = (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")  # how files of torch.save begin
HEADER = 2**20  # bytes of the names and shapes of a network's weights, and more


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
    if untrained is not None:
        return model.eval()
    data = [_read(Path(weights), model)] if weights is not None else _shipped(spec)
    return _fill(model, data, str(weights or "What is installed"), repr(spec.name))


def load_weights(model: torch.nn.Module, path: str | Path) -> torch.nn.Module:
    """Fill a model with the weights of a safetensors file, and return it in eval mode.

    Parameters
    ----------
    model : Module
        Changed in place; its own precision stays.
    path : path
        As `save_weights` wrote it for a model of the same architecture.

    Returns
    -------
    Module
        The same one.

    Raises
    ------
    WeightsError
        The file is missing, broken, or of another network.
    """
    return _fill(model, [_read(Path(path), model)], str(path), f"this {type(model).__name__}")


def _read(path: Path, model: torch.nn.Module) -> bytes:
    if not path.is_file():
        raise WeightsError(f"There are no weights {path}; give the path of a safetensors file.")
    with path.open("rb") as stream:
        if stream.read(2) in PICKLED:
            raise WeightsError(
                f"{path} looks like a checkpoint of torch.save, which can run its maker's code when it is read, and is "
                "not read. Where you trust it, write its tensors with safetensors.torch.save_file(state_dict, path)."
            )
    most = HEADER + sum(8 * value.numel() for value in model.state_dict().values())
    if path.stat().st_size > most:
        size, name = path.stat().st_size, type(model).__name__
        raise WeightsError(f"{path} has {size:,} bytes, and weights of this {name} have at most {most:,}.")
    return path.read_bytes()


def _shipped(spec: ModelSpec) -> list[bytes]:
    """Return what stands in the files of a model's weights, which is what its maker wrote."""
    paths = [spec.weights] if isinstance(spec.weights, Path) else list(spec.weights or ())
    missing = [path for path in paths if not path.is_file()]
    if missing or not paths:
        names = ", ".join(map(str, missing)) or None
        raise WeightsError(f"The weights of {spec.name!r} are missing: {names}. Reinstall, or give weights=PATH.")
    data = [path.read_bytes() for path in paths]
    if sha256(b"".join(data)).hexdigest() != spec.sha256:
        names = ", ".join(map(str, paths))
        raise WeightsError(
            f"The weights of {spec.name!r} are altered: {names} has another sha256. Reinstall, or give weights=PATH."
        )
    return data


def _fill(model: torch.nn.Module, data: Sequence[bytes], where: str, name: str) -> torch.nn.Module:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        model.load_state_dict({key: value for part in data for key, value in load(part).items()})
    except (SafetensorError, RuntimeError) as error:
        raise WeightsError(f"{where} does not hold weights of {name}: {error}") from error
    strange = [key for key, value in model.state_dict().items() if value.is_floating_point() and value.isnan().any()]
    if strange:
        raise WeightsError(f"{where} has NaN in {', '.join(strange[:3])}: no network can be read with that.")
    return model.eval()


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
