"""Registered models with their weights and cards."""

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
    """Register each network with a ``model.json`` in a subfolder."""
    for path in sorted(FOLDER.glob("*/model.json")):
        register(_spec(path))


def _spec(path: Path) -> ModelSpec:
    description: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    name = path.parent.name

    def build() -> nn.Module:
        from interp_models.networks import CharacterBiLSTM

        sizes = {key: description[key] for key in ("cells", "layers") if key in description}
        network = CharacterBiLSTM(description["inputs"], description["outputs"], name=name, **sizes)
        network.ngram = ngram if ngram.is_file() else None
        return network

    ngram = path.parent / "ngram.npz"
    weights = tuple(sorted(path.parent.glob("weights*.safetensors"))) or None
    return ModelSpec(name, build, weights, description["sha256"], description["task"])
