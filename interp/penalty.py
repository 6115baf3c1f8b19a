"""What a penalty is, and what it is handed: additions to the loss of a training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import numpy as np
    import torch

BRANCHES = ("task", "own")


@dataclass(frozen=True)
class Live:
    """The units of a penalty in one forward of a batch, with their gradients; padding is left out.

    Tokens come sample by sample, step by step, as in the labels.

    Attributes
    ----------
    units : tuple of str
        The names, in the order of the columns.
    values : Tensor (token, unit)
        Before the penalty's own edit.
    edited : Tensor (token, unit)
        After it; the same where the penalty edits nothing.
    """

    units: tuple[str, ...]
    values: torch.Tensor
    edited: torch.Tensor
    read_outputs: Callable[[], torch.Tensor]
    read_inputs: Callable[[], torch.Tensor]

    @cached_property
    def outputs(self) -> torch.Tensor:
        """What the model returned for every token, such as logits: ``(token, output)``."""
        return self.read_outputs()

    @cached_property
    def inputs(self) -> torch.Tensor:
        """What the first recurrent module read at every token, without a gradient: ``(token, feature)``."""
        return self.read_inputs()


class Penalty(ABC):
    """An addition to the loss of a training, over the live activations of some units.

    Options are keyword-only arguments of the constructor, kept as attributes of the same names; ``units`` is one of
    them. The engine gives a penalty a generator of its own, and saves it with `parameters` and `buffers` in the
    checkpoint: a training that goes on gives the same weights as one that never stopped.

    Attributes
    ----------
    name : str
        Kebab-case.
    branch : {"task", "own"}
        Which forward `edit` acts on: the one that the task's loss sees, or a second one of the same batch that this
        penalty alone sees.
    units : str, sequence of str, mapping or None
        Names, or labels as for `pick`, such as ``{"module": "hidden"}``. None: what the last recurrent module gives
        out, ``h`` of its last layer in all directions.
    version : str
        Raise it when numbers change.
    """

    name: ClassVar[str]
    branch: ClassVar[str] = "task"
    version: ClassVar[str] = "1"
    units: Any = None

    def prepare(self, live: Live, labels: Mapping[str, np.ndarray]) -> None:  # noqa: B027
        """Make what is trained along, once, from the first batch of training; torch's generator is seeded for it.

        Parameters
        ----------
        live : Live
            Without gradients and before any edit.
        labels : mapping of str to array (token,)
            Of the batch; ``sample``, ``step`` and ``source`` are always there.
        """

    @abstractmethod
    def loss(self, live: Live, labels: Mapping[str, np.ndarray]) -> torch.Tensor:
        """Return the scalar that training lowers, times the weight of the penalty."""

    def edit(self, values: torch.Tensor, generator: torch.Generator) -> torch.Tensor:  # noqa: ARG002
        """Return the values ``(row, unit)`` that readers get instead: noise, or do(). The recurrence sees neither.

        Called only where a subclass overrides it. Rows of padding may be among them.
        """
        return values

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        """Return what is trained along with the model, always in the same order; after `prepare`."""
        return ()

    def buffers(self) -> Iterable[torch.Tensor]:
        """Return the tensors that `loss` changes in place, such as running averages; after `prepare`."""
        return ()

    def options(self) -> dict[str, Any]:
        """Return the constructor's options with their values."""
        from inspect import signature

        return {key: getattr(self, key) for key in signature(type(self)).parameters}
