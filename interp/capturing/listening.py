"""Modules under watch for the time of a forward, also those that torch.jit has compiled."""

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
    """Let a module compute with another function; afterwards it is as before."""
    had = module.__dict__.get("forward")
    module.__dict__["forward"] = forward
    try:
        yield
    finally:
        if had is None:
            del module.__dict__["forward"]
        else:
            module.__dict__["forward"] = had


@contextmanager
def listening(module: nn.Module, note: Note) -> Iterator[None]:
    """Have ``note(first argument, output)`` called after each forward of a module."""

    def hook(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        note(args[0] if args else next(iter(kwargs.values()), None), output)

    if isinstance(module, ScriptModule):  # it takes no hooks, and some have no forward that Python may call
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
    """Return what a module's own forward gives, after the hook has heard of it."""
    output = own(*args, **kwargs)
    hook(None, args, kwargs, output)
    return output


def kind_of(module: nn.Module) -> str:
    """Return the name of a module's class, also of one that torch.jit has compiled."""
    return str(module.original_name) if isinstance(module, ScriptModule) else type(module).__name__
