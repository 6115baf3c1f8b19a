"""Checks of penalties: a scalar with a gradient, and nothing at all at weight 0."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.conformance.checking import Subject, answered
from interp.testing import toy

if TYPE_CHECKING:
    import torch

STEPS = 3


class ToyTask:
    """What training asks of a task, over the text of the toy."""

    name = "toy"

    def __init__(self) -> None:
        self.world = toy(sources=16)

    def batches(self, split: str, *, limit: int | None = None, seed: int = 0) -> Any:  # noqa: ARG002
        """Return the text."""
        return list(self.world.batches) * STEPS

    def loss(self, output: torch.Tensor, batch: Any) -> torch.Tensor:  # noqa: ARG002
        """Return how far the logits are from naught: any function of them will do."""
        return (output**2).mean()


def trained(subject: Subject, weight: float) -> tuple[dict[str, np.ndarray], Any]:
    """Return the weights after some steps with the penalty, and the history."""
    from copy import deepcopy

    from interp.train import train

    task = ToyTask()
    model = deepcopy(task.world.model)
    options = subject.options(task.world)
    if "units" in signature(subject.value).parameters and "units" not in subject.fixed:
        options["units"] = {"module": "hidden"}
    term = (answered(lambda: subject.value(**options)), weight)
    settings: Any = {"seed": 0, "budget": STEPS, "penalties": [term], "progress": False}
    told = answered(lambda: train(model, task, **settings))  # type: ignore[arg-type]
    return {name: held.numpy().copy() for name, held in model.state_dict().items()}, told


def finite_scalar(subject: Subject) -> None:
    """Train with it: at every step one finite number."""
    _, told = trained(subject, 1.0)
    if not np.isfinite(told["penalty"].values).all():
        subject.fail("its loss is not finite on the toy.", "guard logarithms and divisions: .clamp(min=1e-6).")


def gradient(subject: Subject) -> None:
    """Train with and without it: the weights of the model differ."""
    moved, still = trained(subject, 1.0)[0], trained(subject, 0.0)[0]
    if all(np.array_equal(moved[name], still[name]) for name in still):
        subject.fail(
            "training with it changes no weight of the model.", "compute the loss from live.values, without .detach()."
        )


def weight_naught(subject: Subject) -> None:
    """Train with weight 0, and without any: the same weights to the bit."""
    from copy import deepcopy

    from interp.train import train

    task = ToyTask()
    model = deepcopy(task.world.model)
    train(model, task, seed=0, budget=STEPS, progress=False)  # type: ignore[arg-type]
    still = trained(subject, 0.0)[0]
    if any(not np.array_equal(held.numpy(), still[name]) for name, held in model.state_dict().items()):
        subject.fail(
            "at weight 0 it changes what is trained.", "draw from the generator that edit is given, from no other."
        )


def repeats(subject: Subject) -> None:
    """Train twice: the same weights."""
    one, two = trained(subject, 1.0)[0], trained(subject, 1.0)[0]
    if any(not np.array_equal(one[name], two[name]) for name in one):
        subject.fail(
            "two trainings with one seed differ.", "draw from the generator that edit is given, from no other."
        )


RULES = {"finite-scalar": finite_scalar, "gradient": gradient, "weight-naught": weight_naught, "repeats": repeats}
