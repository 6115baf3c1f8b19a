"""The stages of the study: screen, choose, confirm, match; each goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
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
from interp_reproduction.study.results import write_results
from interp_reproduction.study.secondary import claims, second
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


def supplement(folder: Path, corpus: Path, chosen: dict[str, float], tell: Tell) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure the secondary outcomes of the second stage's networks, and the claims on its baselines.

    Returns
    -------
    networks, claims : DataFrame
        By ``arm`` and ``seed``; by ``seed`` and ``claim``.
    """
    import pandas as pd

    jobs, strength = confirming(chosen), chosen["vib"]
    held = [weights_of(folder, job) for job in jobs if job.arm.name == BASELINE.name]
    calls = [(weights_of(folder, job), corpus, strength) for job in jobs]
    side_by_side(supplement_one, [*calls, *((weights, corpus, None) for weights in held)], tell)
    networks = [
        {"arm": job.arm.name, "seed": job.seed, "role": "arm", **second(weights, corpus, strength)}
        for job, (weights, *_) in zip(jobs, calls, strict=True)
    ]
    judged = [
        {"seed": seed, "claim": key, **found}
        for seed, weights in zip(SEEDS, held, strict=True) for key, found in claims(weights, corpus).items()
    ]  # fmt: skip
    return pd.DataFrame(networks), pd.DataFrame(judged)


def supplement_one(weights: Path, corpus: Path, strength: float | None) -> str:
    """Measure the secondary outcomes of some weights, or without a strength the claims, with one thread."""
    import torch

    torch.set_num_threads(1)
    if strength is None:
        claims(weights, corpus)
        return f"{weights.stem}, claims"
    second(weights, corpus, strength)
    return f"{weights.stem}, secondary outcomes"


def study(folder: Path, corpus: Path, tell: Tell) -> Path:
    """Do the whole study, or go on with it, and return the page of its results.

    Parameters
    ----------
    folder : Path
        Where weights and measurements are kept as ``networks/`` and results are written; made if it is missing.
    corpus : Path
        Where the text is.
    tell : callable
        ``tell(words)`` as each piece of work is done.
    """
    kept = folder / "networks"
    kept.mkdir(parents=True, exist_ok=True)
    chosen = screen(kept, corpus, tell)
    rows = confirm(kept, corpus, chosen, tell)
    more, judged = supplement(kept, corpus, chosen, tell)
    return write_results(rows.merge(more, "left", ["arm", "seed", "role"]), judged, folder)


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
        task, batches = validation(corpus)
        write(kept, score(task, batches, predicted(load_model(MODEL, weights=weights), task, batches)))
    return float(json.loads(kept.read_text(encoding="utf-8"))["cer"])


@cache
def validation(corpus: Path) -> tuple[Any, list[Any]]:
    """Return the task and the validation text on which snapshots are matched, read once a process."""
    task = load_task("transliteration", corpus=corpus, rules="article")
    return task, list(task.batches("validation", limit=MATCHING, seed=0))


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
