"""Stages of the study: screening, selection, confirmation, matching. Each resumes where it was interrupted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp import CorpusError, load_model, load_task
from interp_reproduction.network_run import score_predictions
from study.outcomes import measure_outcomes, predict
from study.protocol import (
    ARMS,
    BASELINE,
    MODEL,
    N_SENTENCES,
    SEEDS,
    TOLERANCE,
    TrainingRun,
    confirmation_runs,
    screening_runs,
)
from study.report import write_results
from study.secondary_outcomes import judge_weights, secondary_outcomes
from study.training import measure_weights, run_parallel, train_all, weights_path, write_json

if TYPE_CHECKING:
    import pandas as pd

Report = Callable[[str], object]
N_MATCHING_SENTENCES = 1000  # of validation, on which a snapshot is matched


def screen(folder: Path, corpus: Path, report: Report) -> dict[str, float]:
    """Train every arm at each strength; return the strengths that the rule of the plan selects."""
    runs = screening_runs()
    train_all(runs, folder, corpus, "validation", report)
    outcomes = {run: measure_weights(weights_path(folder, run), "validation", corpus) for run in runs}
    shipped = folder / "shipped.validation.json"
    if not shipped.is_file():
        task = load_task("transliteration", corpus=corpus, rules="article")
        batches = task.batches("validation", limit=N_SENTENCES, seed=0)
        write_json(shipped, measure_outcomes(load_model(MODEL), task, batches))
    max_cer = json.loads(shipped.read_text(encoding="utf-8"))["cer"] + TOLERANCE
    strengths = {
        arm.name: select_strength({run.strength: outcomes[run] for run in runs if run.arm == arm}, max_cer)
        for arm in ARMS
    }
    write_json(folder / "strengths.json", strengths)
    return strengths


def select_strength(outcomes: Mapping[float, Mapping[str, Any]], max_cer: float) -> float:
    """Return the strength with the lowest primary outcome among those with few enough errors.

    If all make too many errors, return the one with the fewest.

    Parameters
    ----------
    outcomes : mapping of float to mapping
        ``cer`` and ``log_k80`` for each strength.
    max_cer : float
        Maximum character error rate.

    Examples
    --------
    >>> select_strength({0.1: {"cer": 0.01, "log_k80": 4.0}, 1.0: {"cer": 0.02, "log_k80": 3.0}}, 0.015)
    0.1
    """
    accurate = [strength for strength, row in outcomes.items() if row["cer"] <= max_cer]
    if accurate:
        return min(accurate, key=lambda strength: float(outcomes[strength]["log_k80"]))
    return min(outcomes, key=lambda strength: float(outcomes[strength]["cer"]))


def confirm(folder: Path, corpus: Path, strengths: dict[str, float], report: Report) -> pd.DataFrame:
    """Train and measure the confirmation; return one row per network and per matched snapshot."""
    import pandas as pd

    runs = confirmation_runs(strengths)
    train_all(runs, folder, corpus, "test", report)
    run_parallel(match_seed, [(folder, corpus, runs, seed) for seed in SEEDS], report)
    rows = [_network_row(run, "arm", measure_weights(weights_path(folder, run), "test", corpus)) for run in runs]
    rows += [
        _network_row(run, "matched", measure_weights(matched_snapshot(folder, run), "test", corpus))
        for run in runs
        if not run.is_baseline
    ]
    return pd.DataFrame(rows)


def _network_row(run: TrainingRun, role: str, outcomes: Mapping[str, Any]) -> dict[str, Any]:
    row = {"arm": run.arm.name, "strength": run.strength, "seed": run.seed, "role": role, "oracle": run.arm.is_oracle}
    row |= {key: value for key, value in outcomes.items() if key != "k80"}
    return row | {f"k80 {pair}": count for pair, count in outcomes["k80"].items()}


def supplement(
    folder: Path, corpus: Path, strengths: dict[str, float], report: Report
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure the secondary outcomes of the networks of the confirmation, and the claims on its baselines.

    Returns
    -------
    networks, claims : DataFrame
        One row per ``arm`` and ``seed``; one row per ``seed`` and ``claim``.
    """
    import pandas as pd

    runs, strength = confirmation_runs(strengths), strengths["vib"]
    baselines = [weights_path(folder, run) for run in runs if run.is_baseline]
    calls = [(weights_path(folder, run), corpus, strength) for run in runs]
    run_parallel(supplement_weights, [*calls, *((weights, corpus, None) for weights in baselines)], report)
    networks = [
        {"arm": run.arm.name, "seed": run.seed, "role": "arm", **secondary_outcomes(weights, corpus, strength)}
        for run, (weights, *_) in zip(runs, calls, strict=True)
    ]
    claims = [
        {"seed": seed, "claim": key, **record}
        for seed, weights in zip(SEEDS, baselines, strict=True)
        for key, record in judge_weights(weights, corpus).items()
    ]
    return pd.DataFrame(networks), pd.DataFrame(claims)


def supplement_weights(weights: Path, corpus: Path, strength: float | None) -> str:
    """Measure the secondary outcomes of some weights, or without a strength the claims, with one thread."""
    import torch

    torch.set_num_threads(1)
    if strength is None:
        judge_weights(weights, corpus)
        return f"{weights.stem}, claims"
    secondary_outcomes(weights, corpus, strength)
    return f"{weights.stem}, secondary outcomes"


def run_study(folder: Path, corpus: Path, report: Report) -> Path:
    """Run the whole study, or resume it; return the path of its results.

    Parameters
    ----------
    folder : Path
        Directory of the results, created if it is missing. Weights and measurements are in ``networks/``.
    corpus : Path
        Text.
    report : callable
        ``report(description)``, called for each finished piece of work.
    """
    networks = folder / "networks"
    networks.mkdir(parents=True, exist_ok=True)
    strengths = screen(networks, corpus, report)
    rows = confirm(networks, corpus, strengths, report)
    secondary, claims = supplement(networks, corpus, strengths, report)
    return write_results(rows.merge(secondary, "left", ["arm", "seed", "role"]), claims, folder)


def snapshots(folder: Path, seed: int) -> list[Path]:
    """Return the snapshots of a baseline, earliest first."""
    baseline = TrainingRun("confirm", BASELINE, 0.0, seed)
    return sorted((folder / "snapshots").glob(f"{baseline.name}-*.safetensors"))


def match_seed(folder: Path, corpus: Path, runs: Sequence[TrainingRun], seed: int) -> str:
    """Measure the errors of one seed's networks and snapshots on validation, and the outcomes of matched snapshots."""
    import torch

    torch.set_num_threads(1)
    of_seed = [run for run in runs if run.seed == seed]
    for path in [*(weights_path(folder, run) for run in of_seed), *snapshots(folder, seed)]:
        validation_cer(path, corpus)
    for run in of_seed:
        if not run.is_baseline:
            measure_weights(matched_snapshot(folder, run), "test", corpus)
    return f"matched, seed {seed}"


def validation_cer(weights: Path, corpus: Path) -> float:
    """Return the character error rate on some validation text; stored beside the weights."""
    path = weights.with_suffix(".errors.json")
    if not path.is_file():
        task, batches = validation_text(corpus)
        predictions = predict(load_model(MODEL, weights=weights), task, batches)
        write_json(path, score_predictions(task, batches, predictions))
    return _stored_cer(weights)


def _stored_cer(weights: Path) -> float:
    return float(json.loads(weights.with_suffix(".errors.json").read_text(encoding="utf-8"))["cer"])


@cache
def validation_text(corpus: Path) -> tuple[Any, list[Any]]:
    """Return the task and the validation text on which snapshots are matched; read once per process."""
    task = load_task("transliteration", corpus=corpus, rules="article")
    return task, list(task.batches("validation", limit=N_MATCHING_SENTENCES, seed=0))


def matched_snapshot(folder: Path, run: TrainingRun) -> Path:
    """Return the baseline snapshot of the same seed with the nearest error rate on validation."""
    cer = {path: _stored_cer(path) for path in snapshots(folder, run.seed)}
    if not cer:
        raise CorpusError(
            f"{folder} has no snapshots of the baseline of seed {run.seed}. Remove its weights and run the same "
            "command again."
        )
    target = _stored_cer(weights_path(folder, run))
    return min(cer, key=lambda path: (abs(cer[path] - target), path.name))
