"""Make the files of a quality preset: weights in half precision and in shards, and the pruned n-gram.

python models/write_preset.py --corpus DIR --weights large.safetensors

``--weights`` is what ``interp train`` wrote, ``--corpus`` the text that it was trained on.
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

from interp_transliteration.baselines import CharacterNGram
from interp_transliteration.task import TransliterationTask

FOLDER = Path(__file__).parent / "interp_models" / "armenian-bilstm-large"
SHARD = 3_400_000  # bytes
ORDER, CUTOFFS = 7, (1, 1, 1, 2, 2, 2, 3)


def main(
    corpus: Annotated[Path, typer.Option(help="What the network was trained on.")],
    weights: Annotated[Path | None, typer.Option(help="In full precision; by default only the n-gram.")] = None,
) -> None:
    """Write the shards, their sha256 into ``model.json``, and the n-gram."""
    task = TransliterationTask(corpus=corpus)
    if weights is not None:
        _write_shards(task, load_file(weights))
    ngram = CharacterNGram(task.pack, task.romaniser.rules, order=ORDER)
    ngram.language.fit((ngram.channel.codes(text) for text in task.sentences("train")), CUTOFFS)
    ngram.language.save(FOLDER / "ngram.npz")
    typer.echo("\n".join(f"{path.name} {path.stat().st_size:,} bytes" for path in sorted(FOLDER.iterdir())))


def _write_shards(task: TransliterationTask, tensors: dict[str, torch.Tensor]) -> None:
    for old in FOLDER.glob("weights*.safetensors"):
        old.unlink()
    digest = sha256()
    for number, shard in enumerate(_shards({name: value.half().contiguous() for name, value in tensors.items()}), 1):
        data = save(shard)
        digest.update(data)
        (FOLDER / f"weights-{number}.safetensors").write_bytes(data)
    cells = tensors["lstm.weight_hh_l0"].shape[1]
    layers = sum(name.startswith("lstm.weight_hh_l") and not name.endswith("reverse") for name in tensors)
    described = {
        "task": task.name,
        "cells": cells,
        "layers": layers,
        "sha256": digest.hexdigest(),
        "inputs": task.pack.inputs,
        "outputs": task.pack.outputs,
    }
    (FOLDER / "model.json").write_text(json.dumps(described, ensure_ascii=False) + "\n", encoding="utf-8")


def _shards(tensors: dict[str, torch.Tensor]) -> Iterator[dict[str, torch.Tensor]]:
    shard: dict[str, torch.Tensor] = {}
    for name, value in sorted(tensors.items()):
        size = sum(one.numel() * one.element_size() for one in (*shard.values(), value))
        if shard and size > SHARD - 4_000:  # the header
            yield shard
            shard = {}
        shard[name] = value
    yield shard


if __name__ == "__main__":
    typer.run(main)
