"""The training loop, its checkpoints and its history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from interp.base import Batch, Task
from interp.errors import OptionError, WeightsError
from interp.storage.filesystem import write_atomically
from interp.training.objective import PenalisedLoss, WeightedPenalty, autocast, run_model

if TYPE_CHECKING:
    import xarray as xr


PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass
class TrainingRun:
    """State of a training run, all of which is saved in a checkpoint."""

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    penalised: PenalisedLoss | None = None
    losses: list[float] = field(default_factory=list)
    penalties: list[list[float]] = field(default_factory=list)


def begin_run(
    model: torch.nn.Module, task: Task, terms: Sequence[WeightedPenalty], seed: int, rate: float
) -> TrainingRun:
    """Return a new run; parameters of penalties are a separate group, with their own gradient norm."""
    if not terms:
        return TrainingRun(model, torch.optim.Adam(model.parameters(), lr=rate))
    _, first = next(iter_batches(task, seed, 1, skip=0))
    penalised = PenalisedLoss(model, terms, first, seed)
    groups = [{"params": list(model.parameters())}, {"params": penalised.parameters()}]
    return TrainingRun(model, torch.optim.Adam([group for group in groups if group["params"]], lr=rate), penalised)


def train_step(run: TrainingRun, task: Task, batch: Batch, clip: float, precision: torch.dtype) -> None:
    """Take one optimiser step on a batch; append the loss of the task, and the penalties, to the run."""
    if run.penalised is None:
        with autocast(precision):
            loss = task_loss = task.loss(run_model(run.model, batch), batch)
    else:
        loss, task_loss, values = run.penalised.loss(task, batch, precision)
        run.penalties.append(values)
    run.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    for group in run.optimizer.param_groups:
        torch.nn.utils.clip_grad_norm_(group["params"], clip)
    run.optimizer.step()
    run.losses.append(float(task_loss.detach()))


def iter_batches(task: Task, seed: int, budget: int, skip: int) -> Iterator[tuple[int, Batch]]:
    """Yield the number of each batch and the batch, up to the budget and from ``skip``; each pass has its own seed."""
    step, epoch = 0, 0
    while step < budget:
        before = step
        for batch in task.batches("train", seed=seed * 1_000 + epoch):
            if skip <= step < budget:
                yield step, batch
            step += 1
            if step >= budget:
                return
        if step == before:
            raise OptionError("The split 'train' has no batches; use a larger corpus.")
        epoch += 1


def with_progress(
    batches: Iterator[tuple[int, Batch]], run: TrainingRun, budget: int, progress: bool
) -> Iterator[tuple[int, Batch]]:
    """Yield the batches, with a progress bar that shows the mean of the last 50 losses."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not progress) as bar:
        bar_task = bar.add_task("training", total=budget, completed=len(run.losses))
        for step, batch in batches:
            yield step, batch
            bar.update(bar_task, completed=step + 1, description=f"loss {np.mean(run.losses[-50:]):.4f}")


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def history_dataset(run: TrainingRun, terms: Sequence[WeightedPenalty]) -> xr.Dataset:
    """Return the losses ``(batch)`` of a run and, with penalties, their values ``(batch, term)``."""
    import xarray as xr

    losses = xr.Dataset({"loss": ("batch", np.asarray(run.losses))}, {"batch": np.arange(len(run.losses))})
    if not terms:
        return losses
    coords = {"penalty_name": ("term", [term.penalty.name for term in terms]),
              "weight": ("term", [term.weight for term in terms])}  # fmt: skip
    return losses.assign(penalty=(("batch", "term"), np.asarray(run.penalties))).assign_coords(coords)


def architecture_fingerprint(model: torch.nn.Module, *options: object) -> str:
    """Return a hash of the shapes of the parameters and of the options of a run."""
    shapes = {name: tuple(value.shape) for name, value in model.named_parameters()}
    return sha256(repr((shapes, options)).encode()).hexdigest()


def checkpoint_budget(path: str | Path) -> int | None:
    """Return the budget of the run that wrote a checkpoint; None if there is no such file."""
    from safetensors import safe_open

    if not Path(path).is_file():
        return None
    with safe_open(path, "pt") as file:
        return int((file.metadata() or {}).get("budget", 0)) or None


def save_checkpoint(run: TrainingRun, path: Path, metadata: dict[str, str]) -> None:
    """Write the state of a run, from which `load_checkpoint` continues to the same weights."""
    from safetensors.torch import save

    tensors = {f"model.{name}": value for name, value in run.model.state_dict().items()}
    for index, state in run.optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{name}": value for name, value in state.items()}
    tensors["generator"] = torch.get_rng_state()
    tensors["losses"] = torch.tensor(run.losses, dtype=torch.float64)
    if run.penalised is not None:
        tensors |= {f"penalty.{name}": value for name, value in run.penalised.tensors().items()}
        tensors["penalties"] = torch.tensor(run.penalties, dtype=torch.float64)
    with write_atomically(path) as stream:
        stream.write(save({name: value.contiguous() for name, value in tensors.items()}, metadata))


def load_checkpoint(run: TrainingRun, path: Path, metadata: dict[str, str]) -> None:
    """Restore the state of a run from a checkpoint.

    Raises
    ------
    WeightsError
        If the checkpoint was written by another run, or is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            if file.metadata() != metadata:
                raise WeightsError(
                    f"{path} is a checkpoint of another run; remove it, or use the same options as that run."
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise WeightsError(f"{path} is not a checkpoint: {error}. Remove it to start a new run.") from error
    run.model.load_state_dict({name[6:]: value for name, value in tensors.items() if name.startswith("model.")})
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("adam."):
            _, index, part = name.split(".")
            state.setdefault(int(index), {})[part] = value
    run.optimizer.load_state_dict({**run.optimizer.state_dict(), "state": state})
    torch.set_rng_state(tensors["generator"])
    run.losses[:] = tensors["losses"].tolist()
    if run.penalised is not None:
        run.penalties[:] = tensors["penalties"].tolist()
        run.penalised.load({name[8:]: value for name, value in tensors.items() if name.startswith("penalty.")})
