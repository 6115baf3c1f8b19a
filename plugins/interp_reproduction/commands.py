"""The verb ``reproduce``; light to import, so that ``interp --help`` is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CORPUS = "A text file, a Wikipedia dump, or a directory of them. Without it, the demo corpus that is shipped."
LIMIT = "Samples, distinct sentences first; by default 5000 of a corpus, 2000 of the demo."
FULL = "Ablate the units that claims name, against 999 random groups each: some minutes more."
STUDY = "Instead, do the study of regularisation in --output, on --corpus: some hours; started again, it goes on."
OF_CORPUS, OF_DEMO = 5000, 2000  # the demo has 598 sentences: more spellings of them would add no sources


def reproduce(
    corpus: Annotated[Path | None, typer.Option(help=CORPUS)] = None,
    split: Annotated[str, typer.Option(help="Of the corpus: train, validation or test.")] = "test",
    limit: Annotated[int | None, typer.Option(help=LIMIT, min=1)] = None,
    rules: Annotated[str, typer.Option(help="Rule set of the romanisation: article or chat.")] = "article",
    seed: Annotated[int, typer.Option(help="Of the spellings, the untrained networks and shuffles.", min=0)] = 0,
    model: Annotated[str, typer.Option(help="The network, as `interp plugins` lists it.")] = "armenian-bilstm",
    full: Annotated[bool, typer.Option("--full", help=FULL)] = False,
    study: Annotated[bool, typer.Option("--study", help=STUDY)] = False,
    output: Annotated[Path, typer.Option(help="Directory of the report; an older one is replaced.")] = Path("report"),
) -> None:
    """Make the figures of the 2017 article again and check its claims: a report of one page, with all its data."""
    if study:
        return _study(corpus, output)
    from interp_reproduction.pipeline import write_report
    from interp_reproduction.settings import Settings

    samples = limit or (OF_DEMO if corpus is None else OF_CORPUS)
    split = split if corpus is not None else "demo"
    page = write_report(Settings(corpus, split, samples, rules, seed, model, full), output)
    typer.echo(f"The report: {page}")
    return None


def _study(corpus: Path | None, output: Path) -> None:
    from interp import OptionError
    from interp_reproduction.study.stages import study

    if corpus is None:
        raise OptionError("--study trains networks, and needs text to train on: give --corpus.")
    page = study(output, corpus, typer.echo)
    typer.echo(f"The results: {page}")
