"""Loading of registered models and tasks, and of safetensors weights, which are verified by sha256."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.base import ModelSpec, Task
from interp.errors import OptionError, WeightsError
from interp.registry import active_registry, names_missing_extra
from interp.storage.filesystem import write_atomically

if TYPE_CHECKING:
    import torch

PICKLE_SIGNATURES = (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")  # first bytes of files of torch.save
MAX_HEADER_BYTES = 2**20  # upper bound in bytes for the header of a weights file (names and shapes)


@names_missing_extra
def load_model(name: str, *, weights: str | Path | None = None, random_init: int | None = None) -> torch.nn.Module:
    """Load a registered model, in eval mode.

    Parameters
    ----------
    name : str
        Name as listed by ``interp.models()``.
    weights : path, optional
        A safetensors file to use instead of the installed weights.
    random_init : int, optional
        Random seed: initialise the weights at random instead of loading them, for a control network.

    Returns
    -------
    Module
        The model with these weights, on the CPU.

    Raises
    ------
    UnknownNameError
        If there is no such model.
    WeightsError
        If the file is missing, altered, or of another network.
    """
    import torch

    spec: ModelSpec = active_registry().get("model", name)

    with torch.random.fork_rng():
        torch.manual_seed(random_init or 0)
        model = spec.build()
    if random_init is not None:
        return model.eval()
    data = [_read(Path(weights), model)] if weights is not None else _shipped(spec)
    return _fill(model, data, str(weights or "The installed file"), repr(spec.name))


def load_weights(model: torch.nn.Module, path: str | Path) -> torch.nn.Module:
    """Load the weights of a safetensors file into a model, and return it in eval mode.

    Parameters
    ----------
    model : Module
        Model, modified in place; it keeps its precision.
    path : path
        File written by `save_weights` for a model of the same architecture.

    Returns
    -------
    Module
        The same model.

    Raises
    ------
    WeightsError
        If the file is missing, corrupt, or of another network.
    """
    return _fill(model, [_read(Path(path), model)], str(path), f"this {type(model).__name__}")


def _read(path: Path, model: torch.nn.Module) -> bytes:
    if not path.is_file():
        raise WeightsError(f"There is no weights file {path}; give the path of a safetensors file.")
    with path.open("rb") as stream:
        if stream.read(2) in PICKLE_SIGNATURES:
            raise WeightsError(
                f"{path} looks like a checkpoint of torch.save. Such files can execute code when loaded and are "
                "rejected. If you trust it, convert it with safetensors.torch.save_file(state_dict, path)."
            )
    max_size = MAX_HEADER_BYTES + sum(8 * value.numel() for value in model.state_dict().values())
    if path.stat().st_size > max_size:
        size, name = path.stat().st_size, type(model).__name__
        raise WeightsError(f"{path} has {size:,} bytes, but weights of this {name} have at most {max_size:,}.")
    return path.read_bytes()


def _shipped(spec: ModelSpec) -> list[bytes]:
    """Return the content of the installed weights files of a model, after checking their hash."""
    paths = [spec.weights] if isinstance(spec.weights, Path) else list(spec.weights or ())
    missing = [path for path in paths if not path.is_file()]
    if missing or not paths:
        names = ", ".join(map(str, missing)) or None
        raise WeightsError(
            f"The weights of {spec.name!r} are missing: {names}. Reinstall the package, or give weights=PATH."
        )
    data = [path.read_bytes() for path in paths]
    if sha256(b"".join(data)).hexdigest() != spec.sha256:
        names = ", ".join(map(str, paths))
        raise WeightsError(
            f"The weights of {spec.name!r} are altered: {names} has another sha256. "
            "Reinstall the package, or give weights=PATH."
        )
    return data


def _fill(model: torch.nn.Module, data: Sequence[bytes], where: str, name: str) -> torch.nn.Module:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        model.load_state_dict({key: value for part in data for key, value in load(part).items()})
    except (SafetensorError, RuntimeError) as error:
        raise WeightsError(f"{where} does not contain weights of {name}: {error}") from error
    invalid = [key for key, value in model.state_dict().items() if value.is_floating_point() and value.isnan().any()]
    if invalid:
        raise WeightsError(f"{where} has NaN in {', '.join(invalid[:3])}; give weights without NaN.")
    return model.eval()


@names_missing_extra
def load_task(name: str, **options: Any) -> Task:
    """Return a registered task, created with these options.

    Parameters
    ----------
    name : str
        Name as listed by ``interp.tasks()``.
    **options
        Options of the task.

    Raises
    ------
    UnknownNameError
        If there is no such task.
    OptionError
        If the task has no such option.
    """
    from inspect import signature

    factory = active_registry().get("task", name)
    parameters = signature(factory).parameters
    for option in options:
        if option not in parameters:
            raise OptionError(f"Task {name!r} has no option {option!r}; it has {', '.join(parameters)}.")
    task: Task = factory(**options)
    return task


def save_weights(model: torch.nn.Module, path: str | Path) -> str:
    """Write the weights of a model as safetensors, atomically, and return their sha256.

    Parameters
    ----------
    model : Module
        Model whose state dict is written.
    path : path
        File to write; an existing file is replaced.

    Returns
    -------
    str
        Hash of the file, in hexadecimal digits.
    """
    from safetensors.torch import save

    data = save({name: value.contiguous() for name, value in model.state_dict().items()})
    with write_atomically(Path(path)) as stream:
        stream.write(data)
    return sha256(data).hexdigest()
