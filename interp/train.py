"""Train a model on a task: seeded, and resumable to the same bytes."""

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
    """What changes while training; all of it goes into a checkpoint."""

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
    penalties : sequence of tuple
        ``(name or Penalty, weight)`` or ``(name, weight, options)``, such as
        ``("total-correlation", 0.1, {"units": {"module": "hidden"}})``: added to the loss, times their weights. One of
        weight 0 is not called, and changes nothing.
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
    after : callable, optional
        ``after(batches, model)`` is called at each of these points and at the end, for snapshots; the model is not to
        be changed.
    progress : bool
        Show a bar.

    Returns
    -------
    Dataset
        ``loss (batch)``: the task's. With penalties also ``penalty (batch, term)``, without the weights, and the coords
        ``penalty_name`` and ``weight`` (term).

    Raises
    ------
    OptionError
        A budget under 1, an unknown precision, or penalties that are none.
    UnknownNameError
        A penalty, or a unit of one, that is not there.
    PluginError
        A penalty that gives no finite scalar.
    WeightsError
        A checkpoint of another run.
    """
    if budget < 1 or every < 1:
        raise OptionError(f"budget and every must be at least 1, got {budget} and {every}.")
    if precision not in PRECISIONS:
        raise OptionError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}.")
    terms = terms_of(penalties, seed)
    run = _begin(model.train(), task, terms, seed, learning_rate)
    path = Path(checkpoint) if checkpoint else None
    told = [(term.penalty.name, term.penalty.version, term.weight, term.penalty.options()) for term in terms]
    mark = {"budget": str(budget), "run": _mark(model, seed, learning_rate, clip, precision, *told)}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if path is not None and path.is_file():
            _resume(run, path, mark)
        for step, batch in _shown(_batches(task, seed, budget, skip=len(run.losses)), run, budget, progress):
            _set_rate(run.optimizer, learning_rate * (1 - step / budget))
            _step(run, task, batch, clip, PRECISIONS[precision])
            if (step + 1) % every == 0 or step + 1 == budget:
                if path is not None:
                    _save(run, path, mark)
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
    """Return the number of batches that training can do in a time, measured on a copy of the model.

    Parameters
    ----------
    model : Module
        Not changed.
    task : Task
    seconds : float
        Of training, without reading the corpus.
    penalties : sequence of tuple
        As of `train`.
    precision : {"float32", "bfloat16"}
    batches : int
        To measure, after three that warm up.
    """
    from copy import deepcopy
    from time import perf_counter

    copy = deepcopy(model)
    train(copy, task, seed=0, budget=3, penalties=penalties, precision=precision, progress=False)
    start = perf_counter()
    train(copy, task, seed=0, budget=batches, penalties=penalties, precision=precision, progress=False)
    return max(1, int(seconds * batches / (perf_counter() - start)))


def save_weights(model: torch.nn.Module, path: str | Path) -> str:
    """Write a model's weights as safetensors, whole or not at all, and return their sha256.

    Parameters
    ----------
    model : Module
    path : path
        A file; one that is there is replaced.

    Returns
    -------
    str
        Of the bytes, in hexadecimal digits.
    """
    from safetensors.torch import save

    target = Path(path)
    data = save({name: value.contiguous() for name, value in model.state_dict().items()})
    partial = target.with_name(target.name + ".partial")
    partial.write_bytes(data)
    partial.replace(target)
    return sha256(data).hexdigest()


def _begin(model: torch.nn.Module, task: Task, terms: Sequence[Term], seed: int, rate: float) -> _Run:
    """Return a run that has done nothing yet; what penalties train along has a learning rate and a norm of its own."""
    if not terms:
        return _Run(model, torch.optim.Adam(model.parameters(), lr=rate))
    _, first = next(_batches(task, seed, 1, skip=0))
    penalised = Penalised(model, terms, first, seed)
    groups = [{"params": list(model.parameters())}, {"params": penalised.parameters()}]
    return _Run(model, torch.optim.Adam([group for group in groups if group["params"]], lr=rate), penalised)


def _step(run: _Run, task: Task, batch: Batch, clip: float, precision: torch.dtype) -> None:
    if run.penalised is None:
        with cast(precision):
            loss = told = task.loss(forward(run.model, batch), batch)
    else:
        loss, told, values = run.penalised.loss(task, batch, precision)
        run.penalties.append(values)
    run.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    for group in run.optimizer.param_groups:
        torch.nn.utils.clip_grad_norm_(group["params"], clip)
    run.optimizer.step()
    run.losses.append(float(told.detach()))


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
    if run.penalised is not None:
        tensors |= {f"penalty.{name}": value for name, value in run.penalised.tensors().items()}
        tensors["penalties"] = torch.tensor(run.penalties, dtype=torch.float64)
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
    if run.penalised is not None:
        run.penalties[:] = tensors["penalties"].tolist()
        run.penalised.load({name[8:]: value for name, value in tensors.items() if name.startswith("penalty.")})
