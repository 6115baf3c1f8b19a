"""Helpers for torch modules and tensors: hooks, unwrapping, leading dims, hashes of weights, random state."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor, nn
from torch.jit import ScriptModule
from torch.nn.utils.rnn import PackedSequence


def first_tensor(inputs: Any) -> Any:
    """Return the first tensor or ``PackedSequence`` in the inputs, or None."""
    if isinstance(inputs, Tensor | PackedSequence):
        return inputs
    parts = inputs.values() if isinstance(inputs, Mapping) else inputs if isinstance(inputs, list | tuple) else ()
    return next((first for part in parts if (first := first_tensor(part)) is not None), None)


def force_eager() -> AbstractContextManager[Any]:
    """Return a context in which compiled modules run eagerly, so that their hooks are called."""
    if "torch._dynamo" not in sys.modules:  # nothing is compiled; importing the compiler takes seconds
        return nullcontext()
    stance: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
    return stance


Forward = Callable[..., Any]
OutputCallback = Callable[[Any, Any], None]


@contextmanager
def patched_forward(module: nn.Module, forward: Forward) -> Iterator[None]:
    """Replace the forward of a module by another function; restore it on exit."""
    original = module.__dict__.get("forward")
    module.__dict__["forward"] = forward
    try:
        yield
    finally:
        if original is None:
            del module.__dict__["forward"]
        else:
            module.__dict__["forward"] = original


@contextmanager
def forward_hook(module: nn.Module, note: OutputCallback) -> Iterator[None]:
    """Call ``note(first argument, output)`` after each forward of a module."""

    def hook(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        note(args[0] if args else next(iter(kwargs.values()), None), output)

    if isinstance(module, ScriptModule):  # takes no hooks; some have no forward that Python can call
        own = getattr(module, "forward", None)
        with nullcontext() if own is None else patched_forward(module, partial(forward_with_hook, own, hook)):
            yield
        return
    handle = module.register_forward_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def forward_with_hook(own: Forward, hook: Forward, *args: Any, **kwargs: Any) -> Any:
    """Call a module's own forward, then the hook; return the output."""
    output = own(*args, **kwargs)
    hook(None, args, kwargs, output)
    return output


def class_name(module: nn.Module) -> str:
    """Return the name of a module's class; for a module compiled by ``torch.jit``, the name of the original class."""
    return str(module.original_name) if isinstance(module, ScriptModule) else type(module).__name__


def weights_hash(model: nn.Module) -> str:
    """Return the SHA-256 of the names, dtypes, shapes and bytes of the tensors in a model's state dict."""
    digest = sha256()
    for name, value in sorted(model.state_dict().items()):
        if isinstance(value, torch.Tensor) and value.layout == torch.strided and not value.is_quantized:
            flat = value.detach().cpu().contiguous().reshape(-1)
            digest.update(f"{name}:{flat.dtype}:{tuple(value.shape)}".encode())
            digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@contextmanager
def preserve_rng(state: dict[str, Any]) -> Iterator[None]:
    """Run with a separate random state, which ``state`` carries between calls; preserve the user's random state."""
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        if "cpu" in state:
            torch.set_rng_state(state["cpu"])
        try:
            yield
        finally:
            state["cpu"] = torch.get_rng_state()


WRAPPED = "_orig_mod"


def unwrap(model: nn.Module) -> nn.Module:
    """Return the module inside a ``torch.compile`` wrapper, or the model itself."""
    inner = getattr(model, WRAPPED, model)
    return inner if isinstance(inner, nn.Module) else model


def named_modules(model: nn.Module) -> dict[str, nn.Module]:
    """Return all modules by name, without compile wrappers; the model itself has the name ``model``."""
    modules: dict[str, nn.Module] = {}
    for name, module in unwrap(model).named_modules():
        plain = ".".join(part for part in name.split(".") if part != WRAPPED)
        modules.setdefault(plain or "model", unwrap(module))
    return modules


def is_time_first(modules: Iterable[nn.Module]) -> bool:
    """Return whether all modules and parts that have ``batch_first`` set it to false; False if none has it."""
    parts = [part for module in modules for part in module.modules()]
    flags = [bool(part.batch_first) for part in parts if hasattr(part, "batch_first")]
    return bool(flags) and not any(flags)


def tensor_of(output: Any) -> Tensor | None:
    """Return the tensor of an output: the tensor itself, the data of a ``PackedSequence``, the first of a tuple."""
    if isinstance(output, PackedSequence):
        return output.data
    if isinstance(output, tuple | list) and output:
        return tensor_of(output[0])
    return output if isinstance(output, Tensor) else None
