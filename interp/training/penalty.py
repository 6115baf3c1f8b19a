"""Base class of penalties, which are added to a training loss, and the inputs they receive."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass(frozen=True)
class PenaltyInputs:
    """Activations of the units of a penalty in one forward, with gradients and without padding.

    Tokens are ordered by sample and step, as the labels are.

    Attributes
    ----------
    units : tuple of str
        Names of the units, in the order of the columns.
    values : Tensor (token, unit)
        Values before the edit of the penalty.
    edited : Tensor (token, unit)
        Values after the edit; the same tensor if the penalty edits nothing.
    """

    units: tuple[str, ...]
    values: torch.Tensor
    edited: torch.Tensor
    read_outputs: Callable[[], torch.Tensor]
    read_inputs: Callable[[], torch.Tensor]

    @cached_property
    def outputs(self) -> torch.Tensor:
        """Output of the model for every token, such as logits: ``(token, output)``."""
        return self.read_outputs()

    @cached_property
    def inputs(self) -> torch.Tensor:
        """Input of the first recurrent module at every token, without gradient: ``(token, feature)``."""
        return self.read_inputs()


class Penalty(ABC):
    """An additional term of a training loss, computed from the activations of some units.

    Options are keyword-only arguments of the constructor, stored as attributes of the same names; ``units`` is one of
    them. Each penalty has its own random generator, which is saved in the checkpoint together with `parameters` and
    `buffers`. An interrupted run therefore resumes and ends with the same weights.

    Attributes
    ----------
    name : str
        Kebab-case name.
    separate_forward : bool
        Forward that `transform` acts on: that of the task's loss if False, a separate forward of the same batch for
        this penalty alone if True.
    units : str, sequence of str, mapping or None
        Names, or labels as for `select`, such as ``{"module": "hidden"}``. None selects the output of the last
        recurrent module: ``h`` of its last layer in all directions.
    version : str
        Version of the penalty; raise it when numbers change.
    """

    name: ClassVar[str]
    separate_forward: ClassVar[bool] = False
    version: ClassVar[str] = "1"
    units: Any = None

    def setup(self, live: PenaltyInputs, labels: Mapping[str, np.ndarray]) -> None:  # noqa: B027
        """Create trainable parameters and buffers, once, from the first batch; torch's generator is seeded before.

        Parameters
        ----------
        live : PenaltyInputs
            Activations without gradients, before any edit.
        labels : mapping of str to array (token,)
            Labels of the batch, which always include ``sample``, ``step`` and ``source``.
        """

    @abstractmethod
    def loss(self, live: PenaltyInputs, labels: Mapping[str, np.ndarray]) -> torch.Tensor:
        """Return the scalar penalty, which is added to the loss times the weight of the penalty."""

    def transform(self, values: torch.Tensor, generator: torch.Generator) -> torch.Tensor:  # noqa: ARG002
        """Return the values ``(row, unit)`` that downstream modules receive instead; the recurrence is not affected.

        It is only called if a subclass overrides it. Rows may include padding.
        """
        return values

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        """Return the parameters to train with the model, always in the same order; called after `prepare`."""
        return ()

    def buffers(self) -> Iterable[torch.Tensor]:
        """Return the tensors that `loss` changes in place, such as running averages; called after `prepare`."""
        return ()

    def options(self) -> dict[str, Any]:
        """Return the constructor's options with their values."""
        from inspect import signature

        return {key: getattr(self, key) for key in signature(type(self)).parameters}
