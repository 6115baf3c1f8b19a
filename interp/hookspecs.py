"""The plugin API: six hooks, each called once, each handed a ``register`` callback."""

from collections.abc import Callable
from typing import Any

import pluggy

hookspec = pluggy.HookspecMarker("interp")
hookimpl = pluggy.HookimplMarker("interp")

Register = Callable[[Any], None]


@hookspec
def register_adapters(register: Register) -> None:
    """Register `Adapter` objects: how to read a type of recurrent module."""


@hookspec
def register_models(register: Register) -> None:
    """Register `ModelSpec` objects: named models, loaded when asked for."""


@hookspec
def register_tasks(register: Register) -> None:
    """Register `Task` classes: they make batches with labels, decode and score."""


@hookspec
def register_probes(register: Register) -> None:
    """Register functions under ``@probe`` and subclasses of `Reducer`."""


@hookspec
def register_penalties(register: Register) -> None:
    """Register `Penalty` classes: additions to a training loss."""


@hookspec
def register_viewers(register: Register) -> None:
    """Register functions under ``@viewer``: datasets in, `View` out."""
