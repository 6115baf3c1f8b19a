"""Command `interp train`."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.errors import OptionError

if TYPE_CHECKING:
    from interp.base import Task


PENALTY_HELP = (
    "NAME=WEIGHT[,OPTION=VALUE...]; options or unit labels: total-correlation=0.001,module=hidden. Repeatable."
)


def train(
    words: Annotated[list[str], typer.Argument(metavar="TASK [--OPTION VALUE]...")],
    model: Annotated[
        str, typer.Option(help="Name of the architecture; `interp plugins` lists them.")
    ] = "armenian-bilstm",
    output: Annotated[Path, typer.Option(help="File for the weights; the checkpoint is written beside it.")] = Path(
        "weights.safetensors"
    ),
    minutes: Annotated[
        float, typer.Option(help="Training time in minutes; converted to a number of batches, which is printed.")
    ] = 10.0,
    budget: Annotated[
        int | None,
        typer.Option(help="Number of batches, instead of --minutes; with the same seed it reproduces the weights."),
    ] = None,
    penalty: Annotated[list[str] | None, typer.Option(help=PENALTY_HELP)] = None,
    init_from: Annotated[Path | None, typer.Option(help="File with the initial weights; random by default.")] = None,
    learning_rate: Annotated[float, typer.Option(help="Initial learning rate; decays linearly to 0.")] = 2e-3,
    seed: Annotated[int, typer.Option(help="Random seed for weight initialisation, spellings and batch order.")] = 0,
    precision: Annotated[
        str, typer.Option(help="Precision of the forward and backward pass: float32 or bfloat16.")
    ] = "float32",
    threads: Annotated[
        int, typer.Option(help="Number of threads; the weights are reproducible only with the same number.")
    ] = 1,
) -> None:
    """Train a network; an interrupted run resumes from its checkpoint.

    Options of the task are flags of the same names. For transliteration, examples are `--language ru`, `--corpus DIR`
    (a text file, a Wikipedia dump, or a directory of them; the demo sentences by default), `--rules article+chat` and
    `--latin-share 0.25`. An unknown flag is an error that lists all flags.
    """
    import torch

    import interp
    from interp.api.loading import load_weights, save_weights
    from interp.api.train import batches_in_time
    from interp.cli.options import parse_penalties
    from interp.training.loop import checkpoint_budget

    penalties = parse_penalties(penalty or [])
    torch.set_num_threads(threads)
    task = _load_task_from_words(words)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = task.build_model(model)
    if init_from is not None:
        load_weights(network, init_from)
    checkpoint = output.with_name(output.name + ".checkpoint")
    number = (
        budget
        or checkpoint_budget(checkpoint)
        or batches_in_time(network, task, seconds=60 * minutes, penalties=penalties, precision=precision)
    )
    typer.echo(f"Training {model} for {number} batches (reproduce with --budget {number} --seed {seed}).")
    options: dict[str, Any] = {"penalties": penalties, "precision": precision, "learning_rate": learning_rate}
    interp.train(network, task, seed=seed, budget=number, checkpoint=checkpoint, **options)
    typer.echo(f"Weights: {output} (sha256 {save_weights(network, output)})")
    checkpoint.unlink()


def _load_task_from_words(words: list[str]) -> Task:
    """Load the task named among the words, with its options."""
    from interp.api.loading import load_task
    from interp.cli.options import split_flags
    from interp.registry import active_registry

    names, _ = split_flags(words, {})
    if len(names) != 1:
        raise OptionError(f"Expected one task and its options, such as transliteration --language ru; got {words}.")
    _, options = split_flags(words, signature(active_registry().get("task", names[0])).parameters)
    return load_task(names[0], **options)


train.context_settings = {"ignore_unknown_options": True}  # type: ignore[attr-defined]
