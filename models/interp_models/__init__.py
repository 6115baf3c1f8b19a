"""Named models with their weights; a card stands beside each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp import ModelSpec, hookimpl

if TYPE_CHECKING:
    from torch import nn

FOLDER = Path(__file__).parent


@hookimpl
def register_models(register: Callable[[Any], None]) -> None:
    """Register every network that has a folder here with a ``model.json``."""
    for path in sorted(FOLDER.glob("*/model.json")):
        register(_spec(path))


def _spec(path: Path) -> ModelSpec:
    described: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    name = path.parent.name

    def build() -> nn.Module:
        from interp_models.networks import CharacterBiLSTM

        sizes = {key: described[key] for key in ("cells", "layers") if key in described}
        network = CharacterBiLSTM(described["inputs"], described["outputs"], name=name, **sizes)
        network.ngram = ngram if ngram.is_file() else None
        return network

    ngram = path.parent / "ngram.npz"
    weights = tuple(sorted(path.parent.glob("weights*.safetensors"))) or None
    return ModelSpec(name, build, weights, described["sha256"], described["task"])
