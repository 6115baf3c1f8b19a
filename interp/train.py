"""Train a model on a task: seeded, and resumable to the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from interp.contracts import Batch, Task
from interp.errors import OptionError, WeightsError

if TYPE_CHECKING:
    import xarray as xr

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass
class _Run:
    """What changes while training; all of it goes into a checkpoint."""

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    losses: list[float] = field(default_factory=list)


def train(
    model: torch.nn.Module,
    task: Task,
    *,
    seed: int,
    budget: int,
    learning_rate: float = 2e-3,
    clip: float = 1.0,
    precision: str = "float32",
    checkpoint: str | Path | None = None,
    every: int = 500,
    progress: bool = True,
) -> xr.Dataset:
    """Train a model in place, with Adam and a learning rate that falls linearly to zero.

    Parameters
    ----------
    model : Module
        Called as capture calls it; left in eval mode.
    task : Task
        Gives the split ``train`` anew, with another seed, for each pass over it.
    seed : int
        Of the batches and of what the model draws. The same seed and number of threads give the same weights.
    budget : int
        Batches.
    learning_rate : float
        At the start.
    clip : float
        Largest norm of the gradient.
    precision : {"float32", "bfloat16"}
        Of the arithmetic; weights stay as they are.
    checkpoint : path, optional
        A file that is written every so many batches; when it is there, training goes on from it.
    every : int
        Batches between checkpoints.
    progress : bool
        Show a bar.

    Returns
    -------
    Dataset
        ``loss (batch)``.

    Raises
    ------
    OptionError
        A budget under 1, or an unknown precision.
    WeightsError
        A checkpoint of another run.
    """
    if budget < 1 or every < 1:
        raise OptionError(f"budget and every must be at least 1, got {budget} and {every}.")
    if precision not in PRECISIONS:
        raise OptionError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}.")
    run = _Run(model.train(), torch.optim.Adam(model.parameters(), lr=learning_rate))
    path = Path(checkpoint) if checkpoint else None
    mark = {"budget": str(budget), "run": _mark(model, seed, learning_rate, clip, precision)}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if path is not None and path.is_file():
            _resume(run, path, mark)
        for step, batch in _shown(_batches(task, seed, budget, skip=len(run.losses)), run, budget, progress):
            _set_rate(run.optimizer, learning_rate * (1 - step / budget))
            run.losses.append(_step(run, task, batch, clip, PRECISIONS[precision]))
            if path is not None and ((step + 1) % every == 0 or step + 1 == budget):
                _save(run, path, mark)
    model.eval()
    return _history(run.losses)


def time_budget(
    model: torch.nn.Module, task: Task, *, seconds: float, precision: str = "float32", batches: int = 30
) -> int:
    """Return the number of batches that training can do in a time, measured on a copy of the model.

    Parameters
    ----------
    model : Module
        Not changed.
    task : Task
    seconds : float
        Of training, without reading the corpus.
    precision : {"float32", "bfloat16"}
    batches : int
        To measure, after three that warm up.
    """
    from copy import deepcopy
    from time import perf_counter

    copy = deepcopy(model)
    train(copy, task, seed=0, budget=3, precision=precision, progress=False)
    start = perf_counter()
    train(copy, task, seed=0, budget=batches, precision=precision, progress=False)
    return max(1, int(seconds * batches / (perf_counter() - start)))


def save_weights(model: torch.nn.Module, path: str | Path) -> str:
    """Write a model's weights as safetensors and return their sha256."""
    from safetensors.torch import save

    target = Path(path)
    data = save({name: value.contiguous() for name, value in model.state_dict().items()})
    partial = target.with_name(target.name + ".partial")
    partial.write_bytes(data)
    partial.replace(target)
    return sha256(data).hexdigest()


def forward(model: torch.nn.Module, batch: Batch) -> object:
    """Return what a model makes of a batch."""
    if batch.call is not None:
        return batch.call(model, batch)
    return model(*batch.inputs) if isinstance(batch.inputs, tuple) else model(batch.inputs)


def _step(run: _Run, task: Task, batch: Batch, clip: float, precision: torch.dtype) -> float:
    with torch.autocast("cpu", dtype=precision, enabled=precision is not torch.float32):
        loss = task.loss(forward(run.model, batch), batch)
    run.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), clip)
    run.optimizer.step()
    return float(loss.detach())


def _batches(task: Task, seed: int, budget: int, skip: int) -> Iterator[tuple[int, Batch]]:
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
            raise OptionError("The split 'train' has no batches; give a larger corpus.")
        epoch += 1


def _shown(batches: Iterator[tuple[int, Batch]], run: _Run, budget: int, progress: bool) -> Iterator[tuple[int, Batch]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not progress) as bar:
        shown = bar.add_task("training", total=budget, completed=len(run.losses))
        for step, batch in batches:
            yield step, batch
            bar.update(shown, completed=step + 1, description=f"loss {np.mean(run.losses[-50:]):.4f}")


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def _history(losses: Sequence[float]) -> xr.Dataset:
    import xarray as xr

    return xr.Dataset({"loss": ("batch", np.asarray(losses))}, {"batch": np.arange(len(losses))})


def _mark(model: torch.nn.Module, *options: object) -> str:
    shapes = {name: tuple(value.shape) for name, value in model.named_parameters()}
    return sha256(repr((shapes, options)).encode()).hexdigest()


def checkpoint_budget(path: str | Path) -> int | None:
    """Return the budget that a checkpoint was made with; None where there is no such file."""
    from safetensors import safe_open

    if not Path(path).is_file():
        return None
    with safe_open(path, "pt") as stored:
        return int((stored.metadata() or {}).get("budget", 0)) or None


def _save(run: _Run, path: Path, mark: dict[str, str]) -> None:
    from safetensors.torch import save_file

    tensors = {f"model.{name}": value for name, value in run.model.state_dict().items()}
    for index, state in run.optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{name}": value for name, value in state.items()}
    tensors["generator"] = torch.get_rng_state()
    tensors["losses"] = torch.tensor(run.losses, dtype=torch.float64)
    partial = path.with_name(path.name + ".partial")
    save_file({name: value.contiguous() for name, value in tensors.items()}, partial, mark)
    partial.replace(path)


def _resume(run: _Run, path: Path, mark: dict[str, str]) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as stored:
            if stored.metadata() != mark:
                raise WeightsError(
                    f"{path} is a checkpoint of another run; remove it, or give the options it was made with."
                )
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise WeightsError(f"{path} is not a checkpoint: {error}. Remove it to start again.") from error
    run.model.load_state_dict({name[6:]: value for name, value in tensors.items() if name.startswith("model.")})
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("adam."):
            _, index, part = name.split(".")
            state.setdefault(int(index), {})[part] = value
    run.optimizer.load_state_dict({**run.optimizer.state_dict(), "state": state})
    torch.set_rng_state(tensors["generator"])
    run.losses[:] = tensors["losses"].tolist()
