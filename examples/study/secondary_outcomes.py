"""Secondary outcomes of one network: readability, effects of the penalties, and the claims."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp import capture, load_model, load_task, measure
from interp_reproduction.claims.evidence import collect_evidence
from interp_reproduction.claims.judge import ReportNetworks, judge_claims
from interp_reproduction.network_run import run_network
from interp_reproduction.settings import N_UNTRAINED
from study.penalty_effects import measure_effects
from study.protocol import MODEL, MODULE, N_SENTENCES
from study.training import write_json

if TYPE_CHECKING:
    import torch

N_EFFECT_SENTENCES = 2000  # half of them to fit on
N_CLAIM_SENTENCES = 5000  # as in a report on a corpus


def secondary_outcomes(weights: Path, corpus: Path, strength: float) -> dict[str, Any]:
    """Return the secondary outcomes of some weights on test text; stored beside the weights.

    Parameters
    ----------
    weights : Path
        Weights of a network of the study.
    corpus : Path
        Text.
    strength : float
        Strength of ``vib`` in the confirmation; see `measure_effects`.

    Returns
    -------
    dict
        Variables of the probe ``readability``, those over ``basis`` as ``mig units`` and ``mig rotated``; and
        ``effect l1``, ``effect infogan`` and so on.
    """
    path = weights.with_suffix(".second.json")
    if not path.is_file():
        task = load_task("transliteration", corpus=corpus, rules="article")
        model = load_model(MODEL, weights=weights)
        outcomes = measure_readability(model, task.batches("test", limit=N_SENTENCES, seed=0))
        effects = measure_effects(model, task.batches("test", limit=N_EFFECT_SENTENCES, seed=0), strength)
        write_json(path, outcomes | {f"effect {name}": value for name, value in effects.items()})
    return dict(json.loads(path.read_text(encoding="utf-8")))


def measure_readability(model: torch.nn.Module, batches: Iterable[Any]) -> dict[str, float]:
    """Return the measures of readability of the units of ``hidden``, each as a number."""
    result = measure("readability", capture(model, batches, modules=[MODULE], progress=False))
    values = {name: float(variable) for name, variable in result.data_vars.items() if not variable.dims}
    for name, variable in result.data_vars.items():
        for basis in result["basis"].values if variable.dims else ():
            values[f"{name} {basis}"] = float(variable.sel(basis=basis))
    return {str(name): value for name, value in values.items()}


def judge_weights(weights: Path, corpus: Path) -> dict[str, dict[str, str]]:
    """Judge the claims C1 to C7 on some weights, as `interp reproduce` does without ablations.

    Returns
    -------
    dict
        ``figure`` and ``verdict`` by claim; stored beside the weights.
    """
    path = weights.with_suffix(".claims.json")
    if not path.is_file():
        task: Any = load_task("transliteration", corpus=corpus, rules="article", batch_size=32)
        batches = task.batches("test", limit=N_CLAIM_SENTENCES, seed=0)
        model = load_model(MODEL, weights=weights)
        network = run_network(model, task, batches, lambda _: None, with_raw_distances=True)
        trained, rotated = collect_evidence(network, 0), collect_evidence(network, 0, "rotated")
        models = (load_model(MODEL, random_init=seed) for seed in range(N_UNTRAINED))
        untrained = tuple(collect_evidence(run_network(one, task, batches, lambda _: None), 0) for one in models)
        claims = judge_claims(ReportNetworks(network, trained, rotated, untrained))
        records = {one.claim.key: {"figure": one.trained.text, "verdict": one.verdict} for one in claims}
        write_json(path, records)
    return dict(json.loads(path.read_text(encoding="utf-8")))
