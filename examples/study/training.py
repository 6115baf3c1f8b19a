"""The trainings of the study, each in a process of its own; what is done is not done again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from interp import load_model, load_task, save_weights, train
from interp_reproduction.study.outcomes import outcomes
from interp_reproduction.study.protocol import BASELINE, MODEL, PRECISION, RULES, SENTENCES, SNAPSHOTS, Job

TOGETHER = 2  # each with one thread: faster than one after the other with two


def weights_of(folder: Path, job: Job) -> Path:
    """Return where the weights of a training are."""
    return folder / f"{job.name}.safetensors"


def snapshot_of(folder: Path, job: Job, batches: int) -> Path:
    """Return where the weights of a baseline after some batches are."""
    return folder / "snapshots" / f"{job.name}-{batches:05d}.safetensors"


def train_job(job: Job, folder: Path, corpus: Path) -> None:
    """Train one network, or go on with it from its checkpoint; write its weights and its losses."""
    target = weights_of(folder, job)
    if target.is_file():
        return
    model = load_model(MODEL) if job.stage == "screen" else load_model(MODEL, untrained=job.seed)
    checkpoint = folder / f"{job.name}.checkpoint"

    def snapshot(batches: int, network: Any) -> None:
        if job.arm.name == BASELINE.name:
            save_weights(network, snapshot_of(folder, job, batches))

    losses = train(
        model, load_task("transliteration", corpus=corpus, rules=RULES), seed=job.seed, budget=job.budget,
        penalties=job.penalties, learning_rate=job.rate, precision=PRECISION, checkpoint=checkpoint, every=SNAPSHOTS,
        after=snapshot, progress=False,
    )  # fmt: skip
    last = losses.isel(batch=slice(-SNAPSHOTS, None)).mean("batch")
    told = {str(name): held.values.tolist() for name, held in last.data_vars.items()}
    write(folder / f"{job.name}.losses.json", told)
    save_weights(model, target)
    checkpoint.unlink(missing_ok=True)


def measure_weights(weights: Path, split: str, corpus: Path) -> dict[str, Any]:
    """Return the outcomes of some weights; kept beside them."""
    kept = weights.with_suffix(f".{split}.json")
    if kept.is_file():
        return dict(json.loads(kept.read_text(encoding="utf-8")))
    task = load_task("transliteration", corpus=corpus, rules="article")
    found = outcomes(load_model(MODEL, weights=weights), task, task.batches(split, limit=SENTENCES, seed=0))
    write(kept, found)
    return found


def write(path: Path, told: dict[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")
    partial.replace(path)


def do_job(job: Job, folder: Path, corpus: Path, split: str) -> str:
    """Train and measure one network with one thread."""
    import torch

    torch.set_num_threads(1)
    train_job(job, folder, corpus)
    if split:
        measure_weights(weights_of(folder, job), split, corpus)
    return job.name


def do_all(jobs: Iterable[Job], folder: Path, corpus: Path, split: str, tell: Callable[[str], None]) -> None:
    """Do trainings side by side, those that are not done; ``tell(name)`` as each is ready.

    Parameters
    ----------
    jobs : iterable of Job
    folder : Path
        Where weights, checkpoints and outcomes are kept.
    corpus : Path
    split : str
        On which networks are measured as soon as they are trained; empty: not yet.
    """
    (folder / "snapshots").mkdir(parents=True, exist_ok=True)
    side_by_side(do_job, [(job, folder, corpus, split) for job in jobs], tell)


def side_by_side(work: Callable[..., str], calls: Iterable[tuple[Any, ...]], tell: Callable[[str], None]) -> None:
    """Call a function of this module or another with each of some arguments, in two processes; tell what it returns."""
    with ProcessPoolExecutor(TOGETHER, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(work, *call) for call in calls]
        try:
            for future in as_completed(running):
                tell(future.result())
        finally:
            pool.shutdown(cancel_futures=True)
