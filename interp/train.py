"""Training of a model on a task: seeded, and resumable with identical results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from interp.contracts import Batch, Task
from interp.errors import OptionError, WeightsError
from interp.training.penalised import Penalised, cast, forward
from interp.training.terms import Term, terms_of

if TYPE_CHECKING:
    import xarray as xr

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass
class _Run:
    """State of a training run, all of which is saved in a checkpoint."""

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    penalised: Penalised | None = None
    losses: list[float] = field(default_factory=list)
    penalties: list[list[float]] = field(default_factory=list)


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
    terms = terms_of(penalties, seed)
    run = _begin(model.train(), task, terms, seed, learning_rate)
    path = Path(checkpoint) if checkpoint else None
    penalty_keys = [(term.penalty.name, term.penalty.version, term.weight, term.penalty.options()) for term in terms]
    fingerprint = _mark(model, seed, learning_rate, clip, precision, *penalty_keys)
    metadata = {"budget": str(budget), "run": fingerprint}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if path is not None and path.is_file():
            _resume(run, path, metadata)
        for step, batch in _shown(_batches(task, seed, budget, skip=len(run.losses)), run, budget, progress):
            _set_rate(run.optimizer, learning_rate * (1 - step / budget))
            _step(run, task, batch, clip, PRECISIONS[precision])
            if (step + 1) % every == 0 or step + 1 == budget:
                if path is not None:
                    _save(run, path, metadata)
                if after is not None:
                    after(step + 1, model)
    model.eval()
    return _history(run, terms)


def time_budget(
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


def save_weights(model: torch.nn.Module, path: str | Path) -> str:
    """Write the weights of a model as safetensors, atomically, and return their sha256.

    Parameters
    ----------
    model : Module
        Model whose state dict is written.
    path : path
        File to write; an existing file is replaced.

    Returns
    -------
    str
        Hash of the file, in hexadecimal digits.
    """
    from safetensors.torch import save

    target = Path(path)
    data = save({name: value.contiguous() for name, value in model.state_dict().items()})
    partial = target.with_name(target.name + ".partial")
    partial.write_bytes(data)
    partial.replace(target)
    return sha256(data).hexdigest()


def _begin(model: torch.nn.Module, task: Task, terms: Sequence[Term], seed: int, rate: float) -> _Run:
    """Return a new run; parameters of penalties are a separate group, with their own gradient norm."""
    if not terms:
        return _Run(model, torch.optim.Adam(model.parameters(), lr=rate))
    _, first = next(_batches(task, seed, 1, skip=0))
    penalised = Penalised(model, terms, first, seed)
    groups = [{"params": list(model.parameters())}, {"params": penalised.parameters()}]
    return _Run(model, torch.optim.Adam([group for group in groups if group["params"]], lr=rate), penalised)


def _step(run: _Run, task: Task, batch: Batch, clip: float, precision: torch.dtype) -> None:
    if run.penalised is None:
        with cast(precision):
            loss = task_loss = task.loss(forward(run.model, batch), batch)
    else:
        loss, task_loss, values = run.penalised.loss(task, batch, precision)
        run.penalties.append(values)
    run.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    for group in run.optimizer.param_groups:
        torch.nn.utils.clip_grad_norm_(group["params"], clip)
    run.optimizer.step()
    run.losses.append(float(task_loss.detach()))


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
            raise OptionError("The split 'train' has no batches; use a larger corpus.")
        epoch += 1


def _shown(batches: Iterator[tuple[int, Batch]], run: _Run, budget: int, progress: bool) -> Iterator[tuple[int, Batch]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not progress) as bar:
        bar_task = bar.add_task("training", total=budget, completed=len(run.losses))
        for step, batch in batches:
            yield step, batch
            bar.update(bar_task, completed=step + 1, description=f"loss {np.mean(run.losses[-50:]):.4f}")


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def _history(run: _Run, terms: Sequence[Term]) -> xr.Dataset:
    import xarray as xr

    losses = xr.Dataset({"loss": ("batch", np.asarray(run.losses))}, {"batch": np.arange(len(run.losses))})
    if not terms:
        return losses
    coords = {"penalty_name": ("term", [term.penalty.name for term in terms]),
              "weight": ("term", [term.weight for term in terms])}  # fmt: skip
    return losses.assign(penalty=(("batch", "term"), np.asarray(run.penalties))).assign_coords(coords)


def _mark(model: torch.nn.Module, *options: object) -> str:
    shapes = {name: tuple(value.shape) for name, value in model.named_parameters()}
    return sha256(repr((shapes, options)).encode()).hexdigest()


def checkpoint_budget(path: str | Path) -> int | None:
    """Return the budget of the run that wrote a checkpoint; None if there is no such file."""
    from safetensors import safe_open

    if not Path(path).is_file():
        return None
    with safe_open(path, "pt") as file:
        return int((file.metadata() or {}).get("budget", 0)) or None


def _save(run: _Run, path: Path, metadata: dict[str, str]) -> None:
    from safetensors.torch import save_file

    tensors = {f"model.{name}": value for name, value in run.model.state_dict().items()}
    for index, state in run.optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{name}": value for name, value in state.items()}
    tensors["generator"] = torch.get_rng_state()
    tensors["losses"] = torch.tensor(run.losses, dtype=torch.float64)
    if run.penalised is not None:
        tensors |= {f"penalty.{name}": value for name, value in run.penalised.tensors().items()}
        tensors["penalties"] = torch.tensor(run.penalties, dtype=torch.float64)
    partial = path.with_name(path.name + ".partial")
    save_file({name: value.contiguous() for name, value in tensors.items()}, partial, metadata)
    partial.replace(path)


def _resume(run: _Run, path: Path, metadata: dict[str, str]) -> None:
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
