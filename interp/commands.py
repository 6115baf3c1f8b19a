"""Verbs of the core: list plugins, train."""

from __future__ import annotations

import json
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.errors import OptionError

if TYPE_CHECKING:
    from interp.contracts import Task

PENALTY = "NAME=WEIGHT, then options and unit labels with commas: total-correlation=0.001,module=hidden; several times."


def plugins(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON: also hooks, distributions and options.")] = False,
) -> None:
    """List the installed plugins and what each brings."""
    from rich.console import Console
    from rich.table import Table

    from interp.registry import KINDS, registry

    known = registry()
    if as_json:
        typer.echo(json.dumps([_told(name) for name in known.plugins], ensure_ascii=False, indent=1))
        return
    table = Table("plugin", "version", "brings", box=None)
    for name in known.plugins:
        brings = [
            f"{kind} {owned.name}" for kind in KINDS for owned in known.table(kind).values() if owned.owner == name
        ]
        table.add_row(name, known.versions.get(name, ""), ", ".join(brings) or "-")
    Console().print(table)


def _told(name: str) -> dict[str, Any]:
    """Return what is known of a plugin: its version, hooks, and every object with its options."""
    from interp.registry import KINDS, registry

    known = registry()
    brings = [
        {"kind": kind, "name": owned.name, "options": _options(owned.value)}
        for kind in KINDS
        for owned in known.table(kind).values()
        if owned.owner == name
    ]
    hooks = [KINDS[kind] for kind in dict.fromkeys(str(one["kind"]) for one in brings)]
    where = getattr(known.plugins[name], "__name__", type(known.plugins[name]).__name__)
    made = {"version": known.versions.get(name, ""), "distribution": known.distributions.get(name, "")}
    return {"plugin": name, **made, "from": where, "hooks": hooks, "brings": brings}


def _options(value: Any) -> dict[str, dict[str, str]]:
    """Return the type and the default of each option, as they are written; one without a default is required."""
    from inspect import Parameter, formatannotation

    told = {}
    for key, held in (signature(value).parameters if callable(value) else {}).items():
        if held.kind is Parameter.KEYWORD_ONLY:
            kind = held.annotation if isinstance(held.annotation, str) else formatannotation(held.annotation)
            told[key] = {"type": kind} | ({} if held.default is Parameter.empty else {"default": repr(held.default)})
    return told


def train(
    words: Annotated[list[str], typer.Argument(metavar="TASK [--OPTION VALUE]...")],
    model: Annotated[str, typer.Option(help="The architecture, as `interp plugins` lists it.")] = "armenian-bilstm",
    output: Annotated[Path, typer.Option(help="Weights are written here; a checkpoint beside it.")] = Path(
        "weights.safetensors"
    ),
    minutes: Annotated[
        float, typer.Option(help="Time to train; turned into a number of batches, which is printed.")
    ] = 10.0,
    budget: Annotated[
        int | None, typer.Option(help="Batches, instead of minutes; with a seed it gives the same weights again.")
    ] = None,
    penalty: Annotated[list[str] | None, typer.Option(help=PENALTY)] = None,
    start: Annotated[Path | None, typer.Option(help="Weights to train on from, instead of fresh ones.")] = None,
    learning_rate: Annotated[float, typer.Option(help="At the start; it falls linearly to 0.")] = 2e-3,
    seed: Annotated[int, typer.Option(help="Of weights, spellings and order.")] = 0,
    precision: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    threads: Annotated[int, typer.Option(help="Cores to use; part of what makes a run repeatable.")] = 1,
) -> None:
    """Train a network; started again, it goes on from its checkpoint.

    The options of the task are flags of the same names, of transliteration for example `--language ru`, `--corpus DIR`
    (a text file, a Wikipedia dump, or a directory of them; without it the demo sentences), `--rules article+chat`,
    `--mix 0.25`. A wrong one is answered with the list of all.
    """
    import torch

    import interp
    from interp.loading import load_weights
    from interp.train import checkpoint_budget, save_weights, time_budget
    from interp.training.words import penalties_from

    penalties = penalties_from(penalty or [])
    torch.set_num_threads(threads)
    loaded = _task(words)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = loaded.build_model(model)
    if start is not None:
        load_weights(network, start)
    checkpoint = output.with_name(output.name + ".checkpoint")
    number = (
        budget
        or checkpoint_budget(checkpoint)
        or time_budget(network, loaded, seconds=60 * minutes, penalties=penalties, precision=precision)
    )
    typer.echo(f"Training {model} for {number} batches (--budget {number} --seed {seed} gives it again).")
    options: dict[str, Any] = {"penalties": penalties, "precision": precision, "learning_rate": learning_rate}
    interp.train(network, loaded, seed=seed, budget=number, checkpoint=checkpoint, **options)
    typer.echo(f"Weights: {output} (sha256 {save_weights(network, output)})")
    checkpoint.unlink()


def _task(words: list[str]) -> Task:
    """Return the task that stands among its options."""
    from interp.flags import split_flags
    from interp.loading import load_task
    from interp.registry import registry

    names, _ = split_flags(words, {})
    if len(names) != 1:
        raise OptionError(f"Expected a task and its options, such as transliteration --language ru; got {words}.")
    _, given = split_flags(words, signature(registry().get("task", names[0])).parameters)
    return load_task(names[0], **given)


train.context_settings = {"ignore_unknown_options": True}  # type: ignore[attr-defined]
