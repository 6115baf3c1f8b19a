"""Training loss with penalties."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from interp.contracts import Batch, Task
from interp.errors import PluginError
from interp.penalty import Live
from interp.training.ears import Ears, Hearing
from interp.training.heard import Change, Heard
from interp.training.terms import Term


class Penalised:
    """Loss of a task plus weighted penalties on the units of a model.

    Parameters
    ----------
    model : Module
        Model to train.
    terms : sequence of Term
        Penalties with their weights.
    first : Batch
        First batch of training, from which penalties create their parameters.
    seed : int
        Random seed of the parameters.

    Raises
    ------
    UnknownNameError, CaptureError, OptionError
        If units do not exist, or a penalty can't edit them.
    """

    def __init__(self, model: nn.Module, terms: Sequence[Term], first: Batch, seed: int) -> None:
        self.model, self.terms, self.ears = model, list(terms), Ears(model)
        self.heard = [self._recorder(term) for term in terms]
        unedited = [self.ears.heard(term.penalty.units) for term in terms]
        with torch.random.fork_rng(), torch.no_grad(), self.ears.hearing(first, unedited) as hearing:
            output = forward(model, first)
        for number, (term, heard) in enumerate(zip(terms, unedited, strict=True)):
            with torch.random.fork_rng(), torch.no_grad():
                torch.manual_seed(seed * 2_003 + number)
                term.penalty.prepare(live_of(heard, hearing, output), hearing.tokens.labels)

    def _recorder(self, term: Term) -> Heard:
        change: Change | None = partial(term.penalty.edit, generator=term.generator) if term.edits else None
        return self.ears.heard(term.penalty.units, change)

    def parameters(self) -> list[nn.Parameter]:
        """Return the trainable parameters of the penalties."""
        return [parameter for term in self.terms for parameter in term.penalty.parameters()]

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors of the penalties for a checkpoint."""
        tensors = [(number, term.tensors()) for number, term in enumerate(self.terms)]
        return {f"{number}.{name}": value for number, values in tensors for name, value in values.items()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Restore the tensors of a checkpoint."""
        for number, term in enumerate(self.terms):
            prefix = f"{number}."
            term.load({name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)})

    def loss(self, task: Task, batch: Batch, precision: torch.dtype) -> tuple[Tensor, Tensor, list[float]]:
        """Return the total loss, the loss of the task, and the unweighted value of each penalty."""
        shared = [number for number, term in enumerate(self.terms) if not term.own]
        output, hearing = self._run_forward(batch, shared, precision)
        with cast(precision):
            task_loss = task.loss(output, batch)
        values = {number: self._penalty_value(number, hearing, output) for number in shared}
        for number in set(range(len(self.terms))) - set(shared):
            output, hearing = self._run_forward(batch, [number], precision)
            values[number] = self._penalty_value(number, hearing, output)
        total = task_loss + sum(term.weight * values[number] for number, term in enumerate(self.terms))
        return total, task_loss, [float(values[number].detach()) for number in range(len(self.terms))]

    def _run_forward(self, batch: Batch, numbers: Sequence[int], precision: torch.dtype) -> tuple[Any, Hearing]:
        with self.ears.hearing(batch, [self.heard[number] for number in numbers]) as hearing, cast(precision):
            return forward(self.model, batch), hearing

    def _penalty_value(self, number: int, hearing: Hearing, output: Any) -> Tensor:
        penalty = self.terms[number].penalty
        value = penalty.loss(live_of(self.heard[number], hearing, output), hearing.tokens.labels)
        if not isinstance(value, Tensor) or value.dim():
            got = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
            raise PluginError(f"Penalty {penalty.name!r}: loss must return a scalar tensor; got {got}.")
        if not bool(torch.isfinite(value)):
            raise PluginError(
                f"Penalty {penalty.name!r} returned {float(value.detach())}: its formula is wrong, or training has "
                "diverged. This batch changed nothing; try a lower weight or learning rate."
            )
        return value


def cast(precision: torch.dtype) -> torch.autocast:
    """Return the autocast context for a precision."""
    return torch.autocast("cpu", dtype=precision, enabled=precision is not torch.float32)


def live_of(heard: Heard, hearing: Hearing, output: Any) -> Live:
    """Return the inputs of a penalty, in float32 or higher precision."""
    values, edited = heard.value(), heard.edited()
    return Live(
        tuple(heard.every),
        full(values),
        full(edited) if heard.function is not None else full(values),
        lambda: full(hearing.read_outputs(output)),
        hearing.read_inputs,
    )


def full(value: Tensor) -> Tensor:
    """Return a tensor in half precision as float32."""
    return value.float() if value.dtype in (torch.bfloat16, torch.float16) else value


def forward(model: nn.Module, batch: Batch) -> Any:
    """Return the output of a model on a batch."""
    if batch.call is not None:
        return batch.call(model, batch)
    return model(*batch.inputs) if isinstance(batch.inputs, tuple) else model(batch.inputs)
