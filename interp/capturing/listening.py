"""Forward hooks and replaced forwards of modules, including those compiled by ``torch.jit``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

from torch import nn
from torch.jit import ScriptModule

Forward = Callable[..., Any]
Note = Callable[[Any, Any], None]


@contextmanager
def replaced(module: nn.Module, forward: Forward) -> Iterator[None]:
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
def listening(module: nn.Module, note: Note) -> Iterator[None]:
    """Call ``note(first argument, output)`` after each forward of a module."""

    def hook(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        note(args[0] if args else next(iter(kwargs.values()), None), output)

    if isinstance(module, ScriptModule):  # takes no hooks; some have no forward that Python can call
        own = getattr(module, "forward", None)
        with nullcontext() if own is None else replaced(module, partial(heard, own, hook)):
            yield
        return
    handle = module.register_forward_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def heard(own: Forward, hook: Forward, *args: Any, **kwargs: Any) -> Any:
    """Call a module's own forward, then the hook; return the output."""
    output = own(*args, **kwargs)
    hook(None, args, kwargs, output)
    return output


def kind_of(module: nn.Module) -> str:
    """Return the name of a module's class; for a module compiled by ``torch.jit``, the name of the original class."""
    return str(module.original_name) if isinstance(module, ScriptModule) else type(module).__name__
