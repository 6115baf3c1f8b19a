"""The commands ``interp transliterate`` and ``interp evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from interp_transliteration.task import TransliterationTask


def transliterate(
    text: Annotated[
        list[str] | None, typer.Argument(help="Text to convert. Default: the lines of --file or of standard input.")
    ] = None,
    file: Annotated[list[Path] | None, typer.Option(help="Text file to read; repeatable.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="File to write once all is done. Default: standard output.")
    ] = None,
    model: Annotated[str, typer.Option(help="Model, as listed by `interp plugins`.")] = "armenian-bilstm",
    language: Annotated[str, typer.Option(help="Language pack, or its path.")] = "hy",
    weights: Annotated[
        Path | None, typer.Option(help="Weights from `interp train` (safetensors). Default: those of the model.")
    ] = None,
    keep_latin: Annotated[bool, typer.Option(help="Leave Latin words and links as typed.")] = True,
    beam_width: Annotated[
        int, typer.Option(help="Paths of a beam search with the model's n-gram; 0 for the network alone.")
    ] = 0,
    rules: Annotated[
        str | None, typer.Option(help="Rule sets that the beam search assumes, joined with +. Default: all.")
    ] = None,
    explain: Annotated[
        bool, typer.Option(help="Print words with uncertain letters and their alternatives below each line.")
    ] = False,
    threads: Annotated[int, typer.Option(help="Number of CPU threads.")] = 1,
) -> None:
    """Convert romanised text to its script, line by line; each line is written as soon as it is ready.

    Bytes that are not UTF-8 and characters without a letter in the language are written unchanged.
    """
    import torch

    from interp import OptionError
    from interp_transliteration.decoding.confidence import format_reading
    from interp_transliteration.decoding.streams import iter_file_blocks, open_writer
    from interp_transliteration.decoding.transliterator import Transliterator

    if text and file:
        raise OptionError("Give text or --file, not both.")
    torch.set_num_threads(threads)
    transliterator = Transliterator(
        model=model, language=language, weights=weights, keep_latin=keep_latin, rules=rules, beam_width=beam_width
    )
    blocks = [[" ".join(text) + "\n"]] if text else iter_file_blocks(file or [])
    with open_writer(output, file or []) as write:
        for block in blocks:
            lines = [line.rstrip("\r\n") for line in block]
            ends = [line[len(body) :] for line, body in zip(block, lines, strict=True)]
            results = map(format_reading, transliterator.read(lines)) if explain else transliterator(lines)
            write("".join(result + end for result, end in zip(results, ends, strict=True)))


def evaluate(
    task: Annotated[str, typer.Argument(help="Task; only transliteration can be evaluated.")] = "transliteration",
    corpus: Annotated[
        Path | None, typer.Option(help="Text file, dump, or directory of them. Default: the demo sentences.")
    ] = None,
    train: Annotated[
        Path | None, typer.Option(help="Corpus whose split `train` the baselines are fitted on. Default: --corpus.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split to evaluate on: train, validation or test.")] = "test",
    language: Annotated[str, typer.Option(help="Language pack, or its path.")] = "hy",
    model: Annotated[
        list[str] | None, typer.Option(help="Model to evaluate; repeatable. Default: armenian-bilstm.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights from `interp train`, for a single model. Default: its own.")
    ] = None,
    beam_width: Annotated[
        int, typer.Option(help="Paths of the beam search of models with an n-gram; 0 for none.")
    ] = 12,
    task_variant: Annotated[
        list[str] | None, typer.Option(help="Track: a rule set, or code-mix; repeatable. Default: all.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Number of sentences.")] = 500,
    seeds: Annotated[int, typer.Option(help="Number of spellings of each sentence.")] = 3,
    output: Annotated[
        Path | None, typer.Option(help="CSV file for the whole table with confusions. Default: none.")
    ] = None,
) -> None:
    """Evaluate models, baselines and other installed packages on the same sentences; print a Markdown table."""
    from interp_transliteration.evaluation.compare import compare, to_markdown
    from interp_transliteration.evaluation.systems import baseline_systems, network_systems, package_systems
    from interp_transliteration.evaluation.tracks import CODE_MIX, list_tracks

    options = {"language": language, "corpus": corpus}
    base = _load_task(task, **options)
    rules = {name: None if name == CODE_MIX else name for name in task_variant or list_tracks(base)}
    tasks = {name: _load_task(task, rules=rule_set, **options) for name, rule_set in rules.items()}
    train_task = _load_task(task, language=language, corpus=train or corpus)
    systems = {
        **network_systems(model or ["armenian-bilstm"], language, weights, beam_width),
        **baseline_systems(base.pack, train_task.sentences("train")),
        **package_systems(base.pack.name),
    }
    table = compare(systems, tasks, split, limit=limit, seeds=range(seeds))
    typer.echo("\n".join(to_markdown(table)))
    if output is not None:
        table.to_csv(output)
        typer.echo(f"\nTable with confusions: {output}")


def _load_task(name: str, **options: Any) -> TransliterationTask:
    from interp import OptionError, load_task
    from interp_transliteration.task import TransliterationTask

    task = load_task(name, **options)
    if not isinstance(task, TransliterationTask):
        raise OptionError(f"The task {name!r} is not a transliteration; give a TransliterationTask.")
    return task
