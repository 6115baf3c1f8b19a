"""What the study reports of each network beside its outcome: readability, what penalties did, the claims."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp import capture, load_model, load_task, measure
from interp_reproduction.claims import Runs, judge
from interp_reproduction.evidence import gather
from interp_reproduction.runs import run
from interp_reproduction.settings import UNTRAINED
from interp_reproduction.study.effects import effects
from interp_reproduction.study.protocol import MODEL, MODULE, SENTENCES
from interp_reproduction.study.training import write

if TYPE_CHECKING:
    import torch

EFFECTS = 2000  # sentences, half of them to fit on
CLAIMS = 5000  # sentences of the claims, as in a report on a corpus


def second(weights: Path, corpus: Path, strength: float) -> dict[str, Any]:
    """Return the secondary outcomes of some weights on test text; kept beside them.

    Parameters
    ----------
    weights : Path
    corpus : Path
    strength : float
        Of ``vib`` in the confirmation: see `effects`.

    Returns
    -------
    dict
        The variables of the probe ``readability``, those over ``basis`` as ``mig units`` and ``mig rotated``; and
        ``effect l1``, ``effect infogan`` and so on.
    """
    kept = weights.with_suffix(".second.json")
    if not kept.is_file():
        task = load_task("transliteration", corpus=corpus, rules="article")
        model = load_model(MODEL, weights=weights)
        told = readable(model, task.batches("test", limit=SENTENCES, seed=0))
        found = effects(model, task.batches("test", limit=EFFECTS, seed=0), strength)
        write(kept, told | {f"effect {name}": value for name, value in found.items()})
    return dict(json.loads(kept.read_text(encoding="utf-8")))


def readable(model: torch.nn.Module, batches: Iterable[Any]) -> dict[str, float]:
    """Return the measures of readability of the units of ``hidden``, each as a number."""
    found = measure("readability", capture(model, batches, modules=[MODULE], progress=False))
    flat = {name: float(held) for name, held in found.data_vars.items() if not held.dims}
    for name, held in found.data_vars.items():
        flat |= {f"{name} {basis}": float(held.sel(basis=basis)) for basis in found["basis"].values if held.dims}
    return {str(name): value for name, value in flat.items()}


def claims(weights: Path, corpus: Path) -> dict[str, dict[str, str]]:
    """Return the claims C1 to C7 judged on some weights, by key: ``figure`` and ``verdict``; kept beside them.

    As `interp reproduce` judges the shipped network, without ablations.
    """
    kept = weights.with_suffix(".claims.json")
    if not kept.is_file():
        task: Any = load_task("transliteration", corpus=corpus, rules="article", batch_size=32)
        batches = task.batches("test", limit=CLAIMS, seed=0)
        figures = run(load_model(MODEL, weights=weights), task, batches, lambda _: None, article=True)
        trained, turned = gather(figures, 0), gather(figures, 0, "rotated")
        blanks = (load_model(MODEL, untrained=seed) for seed in range(UNTRAINED))
        untrained = tuple(gather(run(blank, task, batches, lambda _: None), 0) for blank in blanks)
        rows = judge(Runs(figures, trained, turned, untrained))
        write(kept, {row.claim.key: {"figure": row.trained.text, "verdict": row.verdict} for row in rows})
    return dict(json.loads(kept.read_text(encoding="utf-8")))
