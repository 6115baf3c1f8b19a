"""Training of a model on a task: seeded, and resumable with identical results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from interp.base import Task
from interp.errors import OptionError
from interp.registry import names_missing_extra
from interp.training.loop import (
    PRECISIONS,
    architecture_fingerprint,
    begin_run,
    history_dataset,
    iter_batches,
    load_checkpoint,
    save_checkpoint,
    set_learning_rate,
    train_step,
    with_progress,
)
from interp.training.objective import weighted_penalties

if TYPE_CHECKING:
    import xarray as xr


@names_missing_extra
def train(
    model: torch.nn.Module,
    task: Task,
    *,
    seed: int,
    budget: int,
    penalties: Sequence[Any] = (),
    learning_rate: float = 2e-3,
    clip: float = 1.0,
    precision: str = "float32",
    checkpoint: str | Path | None = None,
    every: int = 500,
    after: Callable[[int, torch.nn.Module], None] | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Train a model in place, with Adam and a learning rate that decays linearly to zero.

    Parameters
    ----------
    model : Module
        Model to train, called as in `capture`; it is left in eval mode.
    task : Task
        Task that provides the split ``train``, with another seed for each epoch.
    seed : int
        Random seed of the batches and of random numbers in the model. The same seed and number of threads give the
        same weights.
    budget : int
        Number of batches.
    penalties : sequence of tuple
        Penalties ``(name or Penalty, weight)`` or ``(name, weight, options)``, such as
        ``("total-correlation", 0.1, {"units": {"module": "hidden"}})``, which are added to the loss times their
        weights. A penalty with weight 0 is not called and has no effect.
    learning_rate : float
        Initial learning rate.
    clip : float
        Maximal norm of the gradient.
    precision : {"float32", "bfloat16"}
        Precision of the arithmetic; weights keep their precision.
    checkpoint : path, optional
        Checkpoint file, written every ``every`` batches. If it exists, training resumes from it.
    every : int
        Number of batches between checkpoints.
    after : callable, optional
        ``after(batches, model)``, called at each checkpoint and at the end, for example to store snapshots. It must not
        change the model.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Dataset
        Variable ``loss (batch)``, the loss of the task. With penalties also ``penalty (batch, term)``, unweighted, and
        the coords ``penalty_name`` and ``weight`` (term).

    Raises
    ------
    OptionError
        For a budget below 1, an unknown precision, or invalid penalties.
    UnknownNameError
        If a penalty, or a unit of one, does not exist.
    PluginError
        If a penalty does not return a finite scalar.
    WeightsError
        If the checkpoint was made by another run.
    """
    if budget < 1 or every < 1:
        raise OptionError(f"budget and every must be at least 1, got {budget} and {every}.")
    if precision not in PRECISIONS:
        raise OptionError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}.")
    terms = weighted_penalties(penalties, seed)
    run = begin_run(model.train(), task, terms, seed, learning_rate)
    path = Path(checkpoint) if checkpoint else None
    penalty_keys = [(term.penalty.name, term.penalty.version, term.weight, term.penalty.options()) for term in terms]
    fingerprint = architecture_fingerprint(model, seed, learning_rate, clip, precision, *penalty_keys)
    metadata = {"budget": str(budget), "run": fingerprint}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if path is not None and path.is_file():
            load_checkpoint(run, path, metadata)
        for step, batch in with_progress(iter_batches(task, seed, budget, skip=len(run.losses)), run, budget, progress):
            set_learning_rate(run.optimizer, learning_rate * (1 - step / budget))
            train_step(run, task, batch, clip, PRECISIONS[precision])
            if (step + 1) % every == 0 or step + 1 == budget:
                if path is not None:
                    save_checkpoint(run, path, metadata)
                if after is not None:
                    after(step + 1, model)
    model.eval()
    return history_dataset(run, terms)


def batches_in_time(
    model: torch.nn.Module,
    task: Task,
    *,
    seconds: float,
    penalties: Sequence[Any] = (),
    precision: str = "float32",
    batches: int = 30,
) -> int:
    """Return the number of batches that training can process in a given time, measured on a copy of the model.

    Parameters
    ----------
    model : Module
        Model, which is not changed.
    task : Task
        Task to train on.
    seconds : float
        Training time in seconds, without reading the corpus.
    penalties : sequence of tuple
        Penalties as in `train`.
    precision : {"float32", "bfloat16"}
        Precision of the arithmetic.
    batches : int
        Number of batches to measure, after three warm-up batches.
    """
    from copy import deepcopy
    from time import perf_counter

    copy = deepcopy(model)
    train(copy, task, seed=0, budget=3, penalties=penalties, precision=precision, progress=False)
    start = perf_counter()
    train(copy, task, seed=0, budget=batches, penalties=penalties, precision=precision, progress=False)
    return max(1, int(seconds * batches / (perf_counter() - start)))
