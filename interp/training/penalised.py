"""The loss of a batch with penalties on it."""

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
    """Penalties over the live units of a model.

    Parameters
    ----------
    model : Module
    terms : sequence of Term
    first : Batch
        The first of training; penalties make what is trained along from it.
    seed : int

    Raises
    ------
    UnknownNameError, CaptureError, OptionError
        For units that are not there, or that a penalty can't edit.
    """

    def __init__(self, model: nn.Module, terms: Sequence[Term], first: Batch, seed: int) -> None:
        self.model, self.terms, self.ears = model, list(terms), Ears(model)
        self.heard = [self._heard(term) for term in terms]
        bare = [self.ears.heard(term.penalty.units) for term in terms]
        with torch.random.fork_rng(), torch.no_grad(), self.ears.hearing(first, bare) as hearing:
            output = forward(model, first)
        for number, (term, heard) in enumerate(zip(terms, bare, strict=True)):
            with torch.random.fork_rng(), torch.no_grad():
                torch.manual_seed(seed * 2_003 + number)
                term.penalty.prepare(live_of(heard, hearing, output), hearing.tokens.labels)

    def _heard(self, term: Term) -> Heard:
        change: Change | None = partial(term.penalty.edit, generator=term.generator) if term.edits else None
        return self.ears.heard(term.penalty.units, change)

    def parameters(self) -> list[nn.Parameter]:
        """Return what is trained along."""
        return [parameter for term in self.terms for parameter in term.penalty.parameters()]

    def tensors(self) -> dict[str, Tensor]:
        """Return what a checkpoint holds of the penalties."""
        return {f"{at}.{name}": held for at, term in enumerate(self.terms) for name, held in term.tensors().items()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take back what `tensors` gave."""
        for at, term in enumerate(self.terms):
            mine = {name.partition(".")[2]: held for name, held in tensors.items() if name.startswith(f"{at}.")}
            term.load(mine)

    def loss(self, task: Task, batch: Batch, precision: torch.dtype) -> tuple[Tensor, Tensor, list[float]]:
        """Return what training lowers, the task's part of it, and each penalty without its weight."""
        ours = [at for at, term in enumerate(self.terms) if not term.own]
        output, hearing = self._run(batch, ours, precision)
        with cast(precision):
            told = task.loss(output, batch)
        values = {at: self._value(at, hearing, output) for at in ours}
        for at in set(range(len(self.terms))) - set(ours):
            output, hearing = self._run(batch, [at], precision)
            values[at] = self._value(at, hearing, output)
        whole = told + sum(term.weight * values[at] for at, term in enumerate(self.terms))
        return whole, told, [float(values[at].detach()) for at in range(len(self.terms))]

    def _run(self, batch: Batch, which: Sequence[int], precision: torch.dtype) -> tuple[Any, Hearing]:
        with self.ears.hearing(batch, [self.heard[at] for at in which]) as hearing, cast(precision):
            return forward(self.model, batch), hearing

    def _value(self, at: int, hearing: Hearing, output: Any) -> Tensor:
        penalty = self.terms[at].penalty
        value = penalty.loss(live_of(self.heard[at], hearing, output), hearing.tokens.labels)
        if not isinstance(value, Tensor) or value.dim():
            got = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
            raise PluginError(f"Penalty {penalty.name!r}: loss must return a scalar tensor; got {got}.")
        if not bool(torch.isfinite(value)):
            raise PluginError(
                f"Penalty {penalty.name!r} gave {float(value.detach())}: its formula, or a training that has come "
                "apart. Nothing was changed by this batch; try a lower weight or learning rate."
            )
        return value


def cast(precision: torch.dtype) -> torch.autocast:
    """Return the arithmetic of a forward."""
    return torch.autocast("cpu", dtype=precision, enabled=precision is not torch.float32)


def live_of(heard: Heard, hearing: Hearing, output: Any) -> Live:
    """Return what a penalty is handed, in float32 at least."""
    values, edited = heard.value(), heard.edited()
    return Live(
        tuple(heard.every),
        full(values),
        full(edited) if heard.function is not None else full(values),
        lambda: full(hearing.read_outputs(output)),
        hearing.read_inputs,
    )


def full(value: Tensor) -> Tensor:
    """Return half precision as float32."""
    return value.float() if value.dtype in (torch.bfloat16, torch.float16) else value


def forward(model: nn.Module, batch: Batch) -> Any:
    """Return what a model makes of a batch."""
    if batch.call is not None:
        return batch.call(model, batch)
    return model(*batch.inputs) if isinstance(batch.inputs, tuple) else model(batch.inputs)
