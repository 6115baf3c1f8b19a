"""The plugin API: six hooks, each called once with a ``register`` callback."""

from collections.abc import Callable
from typing import Any

import pluggy

hookspec = pluggy.HookspecMarker("interp")
hookimpl = pluggy.HookimplMarker("interp")

Register = Callable[[Any], None]


@hookspec
def register_adapters(register: Register) -> None:
    """Register `Adapter` objects, which read one type of recurrent module each."""


@hookspec
def register_models(register: Register) -> None:
    """Register `ModelSpec` objects, which are built and loaded on request."""


@hookspec
def register_tasks(register: Register) -> None:
    """Register `Task` classes, which make batches with labels, decode and score."""


@hookspec
def register_probes(register: Register) -> None:
    """Register functions decorated with ``@probe``, and subclasses of `Reducer`."""


@hookspec
def register_penalties(register: Register) -> None:
    """Register `Penalty` classes: additions to a training loss."""


@hookspec
def register_viewers(register: Register) -> None:
    """Register functions decorated with ``@viewer``: datasets in, `View` out."""
