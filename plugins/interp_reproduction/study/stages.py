"""The stages of the study: screen, choose, confirm, match; each goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp import CorpusError, load_model, load_task
from interp_reproduction.runs import score
from interp_reproduction.study.outcomes import outcomes, predicted
from interp_reproduction.study.protocol import (
    ARMS,
    BASELINE,
    MODEL,
    SEEDS,
    SENTENCES,
    TOLERANCE,
    Job,
    confirming,
    screening,
)
from interp_reproduction.study.training import do_all, measure_weights, side_by_side, weights_of, write

if TYPE_CHECKING:
    import pandas as pd

Tell = Callable[[str], None]
MATCHING = 1000  # sentences of validation, on which a snapshot is matched


def screen(folder: Path, corpus: Path, tell: Tell) -> dict[str, float]:
    """Train every arm at each strength, and return the strengths that the plan's rule chooses."""
    do_all(screening(), folder, corpus, "validation", tell)
    found = {job: measure_weights(weights_of(folder, job), "validation", corpus) for job in screening()}
    shipped = folder / "shipped.validation.json"
    if not shipped.is_file():
        task = load_task("transliteration", corpus=corpus, rules="article")
        write(shipped, outcomes(load_model(MODEL), task, task.batches("validation", limit=SENTENCES, seed=0)))
    limit = json.loads(shipped.read_text(encoding="utf-8"))["cer"] + TOLERANCE
    chosen = {arm.name: choose({j.strength: found[j] for j in found if j.arm.name == arm.name}, limit) for arm in ARMS}
    write(folder / "chosen.json", chosen)
    return chosen


def choose(found: Mapping[float, Mapping[str, Any]], limit: float) -> float:
    """Return the strength with the lowest primary outcome among those with few enough errors, else the fewest errors.

    Parameters
    ----------
    found : mapping of float to mapping
        For each strength ``cer`` and ``log_k80``.
    limit : float
        The largest character error rate.

    Examples
    --------
    >>> choose({0.1: {"cer": 0.01, "log_k80": 4.0}, 1.0: {"cer": 0.02, "log_k80": 3.0}}, 0.015)
    0.1
    """
    good = [strength for strength, row in found.items() if row["cer"] <= limit]
    if good:
        return min(good, key=lambda strength: float(found[strength]["log_k80"]))
    return min(found, key=lambda strength: float(found[strength]["cer"]))


def confirm(folder: Path, corpus: Path, chosen: dict[str, float], tell: Tell) -> pd.DataFrame:
    """Train and measure the second stage; return a row for each network, and for each matched snapshot."""
    import pandas as pd

    jobs = confirming(chosen)
    do_all(jobs, folder, corpus, "test", tell)
    side_by_side(validate_seed, [(folder, corpus, jobs, seed) for seed in SEEDS], tell)
    rows = [_told(job, "arm", measure_weights(weights_of(folder, job), "test", corpus)) for job in jobs]
    held = [job for job in jobs if job.arm.name != BASELINE.name]
    rows += [_told(job, "matched", measure_weights(matched(folder, job), "test", corpus)) for job in held]
    return pd.DataFrame(rows)


def _told(job: Job, role: str, found: Mapping[str, Any]) -> dict[str, Any]:
    told = {"arm": job.arm.name, "strength": job.strength, "seed": job.seed, "role": role, "oracle": job.arm.oracle}
    return told | {key: value for key, value in found.items() if key != "k80"} | {
        f"k80 {pair}": count for pair, count in found["k80"].items()
    }  # fmt: skip


def snapshots(folder: Path, seed: int) -> list[Path]:
    """Return the snapshots of a baseline, earliest first."""
    baseline = Job("confirm", BASELINE, 0.0, seed)
    return sorted((folder / "snapshots").glob(f"{baseline.name}-*.safetensors"))


def validate_seed(folder: Path, corpus: Path, jobs: Sequence[Job], seed: int) -> str:
    """Measure the errors of one seed's networks and snapshots on validation, and the outcomes of those matched."""
    import torch

    torch.set_num_threads(1)
    mine = [job for job in jobs if job.seed == seed]
    for path in [*(weights_of(folder, job) for job in mine), *snapshots(folder, seed)]:
        errors(path, corpus)
    for job in mine:
        if job.arm.name != BASELINE.name:
            measure_weights(matched(folder, job), "test", corpus)
    return f"matched, seed {seed}"


def errors(weights: Path, corpus: Path) -> float:
    """Return the character error rate on some validation text; kept beside the weights."""
    kept = weights.with_suffix(".errors.json")
    if not kept.is_file():
        task = load_task("transliteration", corpus=corpus, rules="article")
        batches = task.batches("validation", limit=MATCHING, seed=0)
        write(kept, score(task, batches, predicted(load_model(MODEL, weights=weights), task, batches)))
    return float(json.loads(kept.read_text(encoding="utf-8"))["cer"])


def matched(folder: Path, job: Job) -> Path:
    """Return the snapshot of the same seed's baseline whose error rate on validation is nearest to a network's."""
    known = {path: json.loads(path.with_suffix(".errors.json").read_text(encoding="utf-8"))["cer"]
             for path in snapshots(folder, job.seed)}  # fmt: skip
    if not known:
        raise CorpusError(
            f"{folder} has no snapshots of the baseline of seed {job.seed}; remove its weights to redo it."
        )
    wanted = json.loads(weights_of(folder, job).with_suffix(".errors.json").read_text(encoding="utf-8"))["cer"]
    return min(known, key=lambda path: (abs(known[path] - wanted), path.name))
