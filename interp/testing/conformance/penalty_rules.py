"""Conformance rules of penalties: a finite scalar with a gradient, and no effect at weight 0."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.testing.conformance.check import CheckedObject, run_or_skip
from interp.testing.toy import toy_capture

if TYPE_CHECKING:
    import torch


N_STEPS = 3


class ToyTask:
    """Minimal training task on the text of the toy."""

    name = "toy"

    def __init__(self) -> None:
        self.toy = toy_capture(sources=16)

    def batches(self, split: str, *, limit: int | None = None, seed: int = 0) -> Any:  # noqa: ARG002
        """Return the batches of the toy, repeated."""
        return list(self.toy.batches) * N_STEPS

    def loss(self, output: torch.Tensor, batch: Any) -> torch.Tensor:  # noqa: ARG002
        """Return the mean square of the logits, as an arbitrary loss."""
        return (output**2).mean()


def train_with_penalty(subject: CheckedObject, weight: float) -> tuple[dict[str, np.ndarray], Any]:
    """Return the weights after a few training steps with the penalty, and the history."""
    from copy import deepcopy

    from interp.api.train import train

    task = ToyTask()
    model = deepcopy(task.toy.model)
    options = subject.options(task.toy)
    if "units" in signature(subject.value).parameters and "units" not in subject.fixed_options:
        options["units"] = {"module": "hidden"}
    weighted_penalty = (run_or_skip(lambda: subject.value(**options)), weight)
    arguments: Any = {"seed": 0, "budget": N_STEPS, "penalties": [weighted_penalty], "progress": False}
    history = run_or_skip(lambda: train(model, task, **arguments))  # type: ignore[arg-type]
    return {name: parameter.numpy().copy() for name, parameter in model.state_dict().items()}, history


def finite_scalar(subject: CheckedObject) -> None:
    """Require a finite loss at every training step."""
    _, history = train_with_penalty(subject, 1.0)
    if not np.isfinite(history["penalty"].values).all():
        subject.fail("its loss is not finite on the toy.", "guard logarithms and divisions: .clamp(min=1e-6).")


def gradient(subject: CheckedObject) -> None:
    """Require that training with and without the penalty gives different weights."""
    with_penalty, without_penalty = train_with_penalty(subject, 1.0)[0], train_with_penalty(subject, 0.0)[0]
    if all(np.array_equal(with_penalty[name], without_penalty[name]) for name in without_penalty):
        subject.fail(
            "training with it changes no weight of the model.", "compute the loss from live.values, without .detach()."
        )


def zero_weight(subject: CheckedObject) -> None:
    """Require identical weights after training at weight 0 and without the penalty."""
    from copy import deepcopy

    from interp.api.train import train

    task = ToyTask()
    model = deepcopy(task.toy.model)
    train(model, task, seed=0, budget=N_STEPS, progress=False)  # type: ignore[arg-type]
    without_penalty = train_with_penalty(subject, 0.0)[0]
    parameters = model.state_dict().items()
    if any(not np.array_equal(parameter.numpy(), without_penalty[name]) for name, parameter in parameters):
        subject.fail("at weight 0 it changes the trained weights.", "draw only from the generator passed to edit.")


def repeats(subject: CheckedObject) -> None:
    """Require the same weights from two training runs."""
    one, two = train_with_penalty(subject, 1.0)[0], train_with_penalty(subject, 1.0)[0]
    if any(not np.array_equal(one[name], two[name]) for name in one):
        subject.fail("two training runs with one seed differ.", "draw only from the generator passed to edit.")


PENALTY_RULES = {"finite-scalar": finite_scalar, "gradient": gradient, "zero-weight": zero_weight, "repeats": repeats}
