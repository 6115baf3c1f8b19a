"""The verbs ``interp transliterate`` and ``interp evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from interp_transliteration.task import TransliterationTask


def transliterate(
    text: Annotated[
        list[str] | None, typer.Argument(help="Text; without it, files or standard input are read line by line.")
    ] = None,
    file: Annotated[list[Path] | None, typer.Option(help="A text file to read; several times.")] = None,
    output: Annotated[Path | None, typer.Option(help="Written instead of standard output, when all is done.")] = None,
    model: Annotated[str, typer.Option(help="A model, as `interp plugins` lists it.")] = "armenian-bilstm",
    language: Annotated[str, typer.Option(help="Language pack, or the path of one.")] = "hy",
    weights: Annotated[
        Path | None, typer.Option(help="Weights of your own (safetensors), as of `interp train`.")
    ] = None,
    keep_latin: Annotated[bool, typer.Option(help="Leave words that are Latin, and links, as they are typed.")] = True,
    beam: Annotated[int, typer.Option(help="Paths of a search with the model's n-gram; 0 for the network alone.")] = 0,
    rules: Annotated[str | None, typer.Option(help="Rules that the search supposes; by default any.")] = None,
    explain: Annotated[bool, typer.Option(help="Tell under each line its words and what was unsure in them.")] = False,
    threads: Annotated[int, typer.Option(help="Cores to use.")] = 1,
) -> None:
    """Turn romanised text into its script: a line out for a line in, each as soon as it is there.

    What is no text (bytes that are not UTF-8) and what the language has no letter for comes out as it went in.
    """
    import torch

    from interp import OptionError
    from interp_transliteration.reading import told
    from interp_transliteration.streams import blocks_of_files, writer_to
    from interp_transliteration.transliterator import Transliterator

    if text and file:
        raise OptionError("Give text or --file, not both.")
    torch.set_num_threads(threads)
    transliterator = Transliterator(
        model=model, language=language, weights=weights, keep_latin=keep_latin, rules=rules, beam=beam
    )
    blocks = [[" ".join(text) + "\n"]] if text else blocks_of_files(file or [])
    with writer_to(output, file or []) as write:
        for block in blocks:
            lines = [line.rstrip("\r\n") for line in block]
            ends = [line[len(body) :] for line, body in zip(block, lines, strict=True)]
            found = map(told, transliterator.read(lines)) if explain else transliterator(lines)
            write("".join(text + end for text, end in zip(found, ends, strict=True)))


def evaluate(
    task: Annotated[str, typer.Argument(help="transliteration")] = "transliteration",
    corpus: Annotated[
        Path | None, typer.Option(help="A text file, a dump, or a directory; by default the demo sentences.")
    ] = None,
    train: Annotated[
        Path | None, typer.Option(help="Whose split `train` the baselines are fitted on; by default the corpus.")
    ] = None,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    language: Annotated[str, typer.Option(help="Language pack, or the path of one.")] = "hy",
    model: Annotated[list[str] | None, typer.Option(help="A model, by default armenian-bilstm; several times.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights of your own, for one model.")] = None,
    beam: Annotated[int, typer.Option(help="For models that bring an n-gram, the paths of a second writer.")] = 12,
    track: Annotated[
        list[str] | None, typer.Option(help="A rule set, or code-mix; several times; by default all.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Sentences.")] = 500,
    seeds: Annotated[int, typer.Option(help="Spellings of each.")] = 3,
    output: Annotated[Path | None, typer.Option(help="The whole table, with confusions, as CSV.")] = None,
) -> None:
    """Measure models, baselines and what else is installed on the same sentences: one table, as Markdown."""
    from interp_transliteration.comparison import compare, markdown
    from interp_transliteration.tracks import CODE_MIX, tracks_of
    from interp_transliteration.writers import baselines, networks, rivals

    made = {"language": language, "corpus": corpus}
    base = _task(task, **made)
    rules = {name: None if name == CODE_MIX else name for name in track or tracks_of(base)}
    tasks = {name: _task(task, rules=one, **made) for name, one in rules.items()}
    fitted = _task(task, language=language, corpus=train or corpus)
    writers = {
        **networks(model or ["armenian-bilstm"], language, weights, beam),
        **baselines(base.pack, fitted.sentences("train")),
        **rivals(base.pack.name),
    }
    table = compare(writers, tasks, split, limit=limit, seeds=range(seeds))
    typer.echo("\n".join(markdown(table)))
    if output is not None:
        table.to_csv(output)
        typer.echo(f"\nWith confusions: {output}")


def _task(name: str, **options: Any) -> TransliterationTask:
    from interp import OptionError, load_task
    from interp_transliteration.task import TransliterationTask

    task = load_task(name, **options)
    if not isinstance(task, TransliterationTask):
        raise OptionError(f"The task {name!r} is no transliteration; only transliteration can be evaluated here.")
    return task
