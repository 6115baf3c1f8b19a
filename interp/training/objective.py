"""Training loss with penalties."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn

from interp.base import Batch, Task
from interp.errors import OptionError, PluginError
from interp.registry import active_registry
from interp.signatures import check_options
from interp.training.live_units import LiveForward, LiveUnits, RecordedUnits, Transform
from interp.training.penalty import Penalty, PenaltyInputs


class PenalisedLoss:
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

    def __init__(self, model: nn.Module, terms: Sequence[WeightedPenalty], first: Batch, seed: int) -> None:
        self.model, self.terms, self.live_units = model, list(terms), LiveUnits(model)
        self.recorders = [self._recorder(term) for term in terms]
        unedited = [self.live_units.recorder(term.penalty.units) for term in terms]
        with torch.random.fork_rng(), torch.no_grad(), self.live_units.record(first, unedited) as hearing:
            output = run_model(model, first)
        for number, (term, heard) in enumerate(zip(terms, unedited, strict=True)):
            with torch.random.fork_rng(), torch.no_grad():
                torch.manual_seed(seed * 2_003 + number)
                term.penalty.setup(penalty_inputs(heard, hearing, output), hearing.tokens.labels)

    def _recorder(self, term: WeightedPenalty) -> RecordedUnits:
        change: Transform | None = (
            partial(term.penalty.transform, generator=term.generator) if term.has_transform else None
        )
        return self.live_units.recorder(term.penalty.units, change)

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
        shared = [number for number, term in enumerate(self.terms) if not term.has_own_forward]
        output, hearing = self._run_forward(batch, shared, precision)
        with autocast(precision):
            task_loss = task.loss(output, batch)
        values = {number: self._penalty_value(number, hearing, output) for number in shared}
        for number in set(range(len(self.terms))) - set(shared):
            output, hearing = self._run_forward(batch, [number], precision)
            values[number] = self._penalty_value(number, hearing, output)
        total = task_loss + sum(term.weight * values[number] for number, term in enumerate(self.terms))
        return total, task_loss, [float(values[number].detach()) for number in range(len(self.terms))]

    def _run_forward(self, batch: Batch, numbers: Sequence[int], precision: torch.dtype) -> tuple[Any, LiveForward]:
        with (
            self.live_units.record(batch, [self.recorders[number] for number in numbers]) as hearing,
            autocast(precision),
        ):
            return run_model(self.model, batch), hearing

    def _penalty_value(self, number: int, hearing: LiveForward, output: Any) -> Tensor:
        penalty = self.terms[number].penalty
        value = penalty.loss(penalty_inputs(self.recorders[number], hearing, output), hearing.tokens.labels)
        if not isinstance(value, Tensor) or value.dim():
            got = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
            raise PluginError(f"Penalty {penalty.name!r}: loss must return a scalar tensor; got {got}.")
        if not bool(torch.isfinite(value)):
            raise PluginError(
                f"Penalty {penalty.name!r} returned {float(value.detach())}: its formula is wrong, or training has "
                "diverged. This batch changed nothing; try a lower weight or learning rate."
            )
        return value


def autocast(precision: torch.dtype) -> torch.autocast:
    """Return the autocast context for a precision."""
    return torch.autocast("cpu", dtype=precision, enabled=precision is not torch.float32)


def penalty_inputs(heard: RecordedUnits, hearing: LiveForward, output: Any) -> PenaltyInputs:
    """Return the inputs of a penalty, in float32 or higher precision."""
    values, edited = heard.value(), heard.edited()
    return PenaltyInputs(
        tuple(heard.all_names),
        as_float32(values),
        as_float32(edited) if heard.transform is not None else as_float32(values),
        lambda: as_float32(hearing.read_outputs(output)),
        hearing.read_inputs,
    )


def as_float32(value: Tensor) -> Tensor:
    """Return a tensor in half precision as float32."""
    return value.float() if value.dtype in (torch.bfloat16, torch.float16) else value


def run_model(model: nn.Module, batch: Batch) -> Any:
    """Return the output of a model on a batch."""
    if batch.call is not None:
        return batch.call(model, batch)
    return model(*batch.inputs) if isinstance(batch.inputs, tuple) else model(batch.inputs)


EXPECTED_FORMS = "expected ('total-correlation', 0.1), ('total-correlation', 0.1, {'units': …}) or (penalty, 0.1)"


@dataclass
class WeightedPenalty:
    """A penalty with its weight.

    Attributes
    ----------
    generator : Generator
        Random generator of its edits.
    """

    penalty: Penalty
    weight: float
    generator: torch.Generator = field(default_factory=torch.Generator)

    @property
    def has_transform(self) -> bool:
        """True if the penalty changes its units."""
        return type(self.penalty).transform is not Penalty.transform

    @property
    def has_own_forward(self) -> bool:
        """True if the penalty has a separate forward."""
        return self.penalty.separate_forward

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the tensors of the penalty for a checkpoint."""
        state = {f"parameter.{index}": value.detach() for index, value in enumerate(self.penalty.parameters())}
        state |= {f"buffer.{index}": value for index, value in enumerate(self.penalty.buffers())}
        return state | {"generator": self.generator.get_state()}

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        """Restore the tensors of a checkpoint."""
        for name, value in self.tensors().items():
            if name != "generator":
                value.copy_(tensors[name])
        self.generator.set_state(tensors["generator"])


def weighted_penalties(penalties: Iterable[Any], seed: int) -> list[WeightedPenalty]:
    """Return the penalties with a weight above 0.

    Raises
    ------
    UnknownNameError
        If a penalty is not registered.
    OptionError
        If an entry is not a penalty with a weight of at least 0, or for an unknown option.
    """
    terms = [_parse_entry(entry) for entry in penalties]
    for number, term in enumerate(terms):
        term.generator.manual_seed(seed * 1_009 + number + 1)
    return [term for term in terms if term.weight]


def _parse_entry(entry: Any) -> WeightedPenalty:
    if isinstance(entry, str) or not isinstance(entry, list | tuple) or len(entry) not in (2, 3):
        raise OptionError(f"penalties= got {entry!r}; {EXPECTED_FORMS}.")
    item, weight, options = (*entry, {})[:3]
    name = item if isinstance(item, str) else getattr(item, "name", repr(item))
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not isfinite(weight) or weight < 0:
        raise OptionError(f"The weight of the penalty {name!r} must be a number of at least 0; got {weight!r}.")
    return WeightedPenalty(_make_penalty(item, dict(options)), float(weight))


def _make_penalty(item: Any, options: dict[str, Any]) -> Penalty:
    penalty = active_registry().get("penalty", item) if isinstance(item, str) else item
    if isinstance(penalty, type) and issubclass(penalty, Penalty):
        check_options("Penalty", penalty.name, penalty, options)
        penalty = penalty(**options)
    elif options:
        name = getattr(penalty, "name", penalty)
        raise OptionError(f"This {name!r} object already has its options: pass its class, or no options.")
    if not isinstance(penalty, Penalty):
        raise OptionError(f"penalties= got {item!r}; {EXPECTED_FORMS}.")
    return penalty
