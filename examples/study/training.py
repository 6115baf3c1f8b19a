"""Training runs of the study, each in a process of its own. Finished runs are not repeated."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from interp import load_model, load_task, save_weights, train
from interp.plotting import write_atomically
from study.outcomes import measure_outcomes
from study.protocol import MODEL, N_SENTENCES, PRECISION, RULES, SNAPSHOT_INTERVAL, TrainingRun

N_PROCESSES = 2  # one thread each: faster than one process after the other with two threads


def weights_path(folder: Path, run: TrainingRun) -> Path:
    """Return the path of the weights of a training run."""
    return folder / f"{run.name}.safetensors"


def snapshot_path(folder: Path, run: TrainingRun, batches: int) -> Path:
    """Return the path of the weights of a baseline after a number of batches."""
    return folder / "snapshots" / f"{run.name}-{batches:05d}.safetensors"


def train_network(run: TrainingRun, folder: Path, corpus: Path) -> None:
    """Train one network, or resume from its checkpoint; write its weights and its losses."""
    target = weights_path(folder, run)
    if target.is_file():
        return
    model = load_model(MODEL) if run.stage == "screen" else load_model(MODEL, random_init=run.seed)
    checkpoint = folder / f"{run.name}.checkpoint"

    def save_snapshot(batches: int, network: Any) -> None:
        if run.is_baseline:
            save_weights(network, snapshot_path(folder, run, batches))

    losses = train(
        model, load_task("transliteration", corpus=corpus, rules=RULES), seed=run.seed, budget=run.budget,
        penalties=run.penalties, learning_rate=run.learning_rate, precision=PRECISION, checkpoint=checkpoint,
        every=SNAPSHOT_INTERVAL, after=save_snapshot, progress=False,
    )  # fmt: skip
    last = losses.isel(batch=slice(-SNAPSHOT_INTERVAL, None)).mean("batch")
    write_json(folder / f"{run.name}.losses.json", {str(name): loss.values.tolist() for name, loss in last.items()})
    save_weights(model, target)
    checkpoint.unlink(missing_ok=True)


def measure_weights(weights: Path, split: str, corpus: Path) -> dict[str, Any]:
    """Return the outcomes of some weights; stored beside the weights."""
    path = weights.with_suffix(f".{split}.json")
    if path.is_file():
        return dict(json.loads(path.read_text(encoding="utf-8")))
    task = load_task("transliteration", corpus=corpus, rules="article")
    batches = task.batches(split, limit=N_SENTENCES, seed=0)
    outcomes = measure_outcomes(load_model(MODEL, weights=weights), task, batches)
    write_json(path, outcomes)
    return outcomes


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file atomically."""
    with write_atomically(path) as stream:
        stream.write(json.dumps(content, ensure_ascii=False, indent=1).encode())


def train_and_measure(run: TrainingRun, folder: Path, corpus: Path, split: str) -> str:
    """Train and measure one network with one thread; return the name of the run."""
    import torch

    torch.set_num_threads(1)
    train_network(run, folder, corpus)
    if split:
        measure_weights(weights_path(folder, run), split, corpus)
    return run.name


def train_all(
    runs: Iterable[TrainingRun], folder: Path, corpus: Path, split: str, report: Callable[[str], object]
) -> None:
    """Train and measure networks in parallel, without those that are finished.

    Parameters
    ----------
    runs : iterable of TrainingRun
        Training runs.
    folder : Path
        Directory of weights, checkpoints and outcomes.
    corpus : Path
        Text.
    split : str
        Split on which networks are measured as soon as they are trained; empty to measure nothing.
    report : callable
        ``report(name)``, called for each finished run.
    """
    (folder / "snapshots").mkdir(parents=True, exist_ok=True)
    run_parallel(train_and_measure, [(run, folder, corpus, split) for run in runs], report)


def run_parallel(work: Callable[..., str], calls: Iterable[tuple[Any, ...]], report: Callable[[str], object]) -> None:
    """Call a module-level function with each tuple of arguments, in two processes; report its return values."""
    with ProcessPoolExecutor(N_PROCESSES, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(work, *call) for call in calls]
        try:
            for future in as_completed(futures):
                report(future.result())
        finally:
            pool.shutdown(cancel_futures=True)
