"""Command ``interp reproduce``. Heavy imports happen inside the function, so that ``interp --help`` stays quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CORPUS = "Text file, Wikipedia dump, or directory of them. By default the demo corpus that is shipped."
SPLIT = "Split of the corpus: train, validation or test. Ignored without --corpus."
LIMIT = "Number of samples; distinct sentences come first. By default 5000 with --corpus, 2000 with the demo corpus."
RULES = "Rule set of the romanisation: article or chat."
SEED = "Random seed for spellings, untrained networks, permutations and random groups."
MODEL = "Name of the network, as `interp plugins` lists it."
ABLATIONS = (
    "Also ablate the units that the claims name and compare each with 999 random groups: takes some minutes more."
)
OUTPUT = "Directory of the report. An older report there is replaced."
CORPUS_SAMPLES, DEMO_SAMPLES = 5000, 2000  # the demo has 598 sentences: more spellings of them would add no sources


def reproduce(
    corpus: Annotated[Path | None, typer.Option(help=CORPUS)] = None,
    split: Annotated[str, typer.Option(help=SPLIT)] = "test",
    limit: Annotated[int | None, typer.Option(help=LIMIT, min=1)] = None,
    rules: Annotated[str, typer.Option(help=RULES)] = "article",
    seed: Annotated[int, typer.Option(help=SEED, min=0)] = 0,
    model: Annotated[str, typer.Option(help=MODEL)] = "armenian-bilstm",
    with_ablations: Annotated[bool, typer.Option("--with-ablations", help=ABLATIONS)] = False,
    output: Annotated[Path, typer.Option(help=OUTPUT)] = Path("report"),
) -> None:
    """Reproduce the figures of the 2017 article and check its claims. Writes a one-page report with all its data."""
    from interp_reproduction.pipeline import write_report
    from interp_reproduction.settings import Settings

    samples = limit or (DEMO_SAMPLES if corpus is None else CORPUS_SAMPLES)
    split = split if corpus is not None else "demo"
    page = write_report(Settings(corpus, split, samples, rules, seed, model, with_ablations), output)
    typer.echo(f"Report: {page}")
