"""Did each penalty do what it says? Its own measure, on held-out text, of networks as they are."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import capture, measure, train
from interp_reproduction.study.protocol import MODULE, UNITS

if TYPE_CHECKING:
    import torch

    from interp import Batch

FITTED = 200
"""Batches of held-out text over which Q, or the scale of the noise, is fitted to a network that stays as it is."""
LAST = 100
"""Of these the last so many count: each is measured before anything has been fitted to it."""
RATE = 1e-2


class HeldOut:
    """A task whose training text is held-out sentences, in any order.

    Parameters
    ----------
    task : Task
    split : str
    limit : int
        Sentences.
    """

    def __init__(self, task: Any, split: str, limit: int) -> None:
        self.task, self.held, self.name = task, list(task.batches(split, limit=limit, seed=0)), str(task.name)

    def batches(self, split: str, *, limit: int | None = None, seed: int = 0) -> list[Batch]:  # noqa: ARG002
        """Return the sentences, their batches in another order for each seed."""
        order = np.random.default_rng([seed, 4]).permutation(len(self.held))
        return [self.held[at] for at in order]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.task, name)


def fitted(model: torch.nn.Module, task: Any, penalty: str, weight: float, options: Mapping[str, Any]) -> float:
    """Return a penalty of a network that stays as it is, when what the penalty trains along has been fitted to it.

    Parameters
    ----------
    model : Module
    task : Task
        Gives held-out text as ``train``, each batch once.
    penalty, weight, options
        As of `interp.train`.
    """
    frozen = deepcopy(model).requires_grad_(requires_grad=False)
    told = train(frozen, task, seed=0, budget=FITTED, penalties=[(penalty, weight, dict(options))],
                 learning_rate=RATE, progress=False)  # fmt: skip
    return float(told["penalty"][-LAST:].mean())


def effects(model: torch.nn.Module, task: HeldOut, strengths: Mapping[str, float]) -> dict[str, float]:
    """Return what each penalty is about, of one network.

    Parameters
    ----------
    model : Module
    task : HeldOut
    strengths : mapping of str to float
        Of ``vib``: how dear the noise's information is when its scale is fitted.

    Returns
    -------
    dict
        ``l1`` the mean of abs(activation); ``total-correlation`` (nats, less its chance value); ``infogan`` the
        information that a fresh Q finds (nats a code, at most ln 2); ``vib`` the divergence with fitted noise (nats).
    """
    acts = capture(model, task.held, modules=[MODULE], progress=False)
    return {
        "l1": float(np.abs(acts["activation"].values).mean()),
        "total-correlation": float(measure("total-correlation", acts)["total_correlation"]),
        "infogan": -fitted(model, task, "infogan", 1.0, {"units": UNITS}),
        "vib": fitted(model, task, "vib", strengths["vib"], {"units": UNITS}),
    }
