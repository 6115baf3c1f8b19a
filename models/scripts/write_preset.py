"""Write the files of the preset armenian-bilstm-large: sharded half-precision weights, and the pruned n-gram.

python models/scripts/write_preset.py --corpus DIR --weights large.safetensors

``--weights`` is the output of ``interp train``, ``--corpus`` its training text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import torch
import typer
from safetensors.torch import load_file, save

from interp_transliteration.baselines.baselines import CharacterNGram
from interp_transliteration.task import TransliterationTask

FOLDER = Path(__file__).parents[1] / "interp_models" / "armenian-bilstm-large"
MAX_SHARD_BYTES = 3_400_000
MAX_HEADER_BYTES = 4_000
ORDER, CUTOFFS = 7, (1, 1, 1, 2, 2, 2, 3)


def main(
    corpus: Annotated[Path, typer.Option(help="Training corpus of the network.")],
    weights: Annotated[
        Path | None, typer.Option(help="Full-precision weights. Default: write the n-gram only.")
    ] = None,
) -> None:
    """Write the shards, ``model.json`` with their sha256, and the n-gram."""
    task = TransliterationTask(corpus=corpus)
    if weights is not None:
        _write_shards(task, load_file(weights))
    baseline = CharacterNGram(task.pack, task.romaniser.rules, order=ORDER)
    baseline.ngram.fit((baseline.channel.unit_codes(text) for text in task.sentences("train")), CUTOFFS)
    baseline.ngram.save(FOLDER / "ngram.npz")
    typer.echo("\n".join(f"{path.name} {path.stat().st_size:,} bytes" for path in sorted(FOLDER.iterdir())))


def _write_shards(task: TransliterationTask, tensors: dict[str, torch.Tensor]) -> None:
    for old in FOLDER.glob("weights*.safetensors"):
        old.unlink()
    digest = sha256()
    for number, shard in enumerate(
        _split_tensors({name: value.half().contiguous() for name, value in tensors.items()}), 1
    ):
        data = save(shard)
        digest.update(data)
        (FOLDER / f"weights-{number}.safetensors").write_bytes(data)
    cells = tensors["lstm.weight_hh_l0"].shape[1]
    layers = sum(name.startswith("lstm.weight_hh_l") and not name.endswith("reverse") for name in tensors)
    description = {
        "task": task.name,
        "cells": cells,
        "layers": layers,
        "sha256": digest.hexdigest(),
        "inputs": task.pack.inputs,
        "outputs": task.pack.outputs,
    }
    (FOLDER / "model.json").write_text(json.dumps(description, ensure_ascii=False) + "\n", encoding="utf-8")


def _split_tensors(tensors: dict[str, torch.Tensor]) -> Iterator[dict[str, torch.Tensor]]:
    shard: dict[str, torch.Tensor] = {}
    for name, value in sorted(tensors.items()):
        size = sum(tensor.numel() * tensor.element_size() for tensor in (*shard.values(), value))
        if shard and size > MAX_SHARD_BYTES - MAX_HEADER_BYTES:
            yield shard
            shard = {}
        shard[name] = value
    yield shard


if __name__ == "__main__":
    typer.run(main)
