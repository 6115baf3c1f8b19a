"""From text to a finished report: task, capture, probe, claims, figures, page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp import load_model, load_task
from interp_reproduction.claims import Row, Runs, judge
from interp_reproduction.evidence import gather
from interp_reproduction.figures import Figure, each_figure
from interp_reproduction.folder import new_report
from interp_reproduction.page import write_page
from interp_reproduction.provenance import describe, write_marker
from interp_reproduction.runs import Run, run
from interp_reproduction.settings import UNTRAINED, Settings
from interp_reproduction.tables import write_data, write_tables

if TYPE_CHECKING:
    from rich.progress import Progress

    from interp_reproduction.causes import Ablated

BATCH = 32  # samples at once: two batches of the longest sentences, every unit of them, are in memory


def write_report(settings: Settings, output: Path) -> Path:
    """Make a report and return its page; on any error nothing is left behind.

    Parameters
    ----------
    settings : Settings
        What to reproduce, and on what.
    output : Path
        Directory of the report; see `new_report`.

    Returns
    -------
    Path
        ``index.html``.

    Raises
    ------
    InterpError
        For a directory, text, weights or options that don't do; each in one sentence.
    """
    with new_report(output) as draft, _bars() as bars, one_thread():
        runs = _runs(settings, bars)
        ablated = _ablated(runs, bars) if settings.full else None
        with _step(bars, "Claims", 1):
            rows = _rows(runs, ablated)
        figures = _figures(runs.figures, draft, bars)
        with _step(bars, "Tables, datasets and page", 1):
            told = describe(settings, runs)
            write_tables(draft / "tables", runs, rows, ablated)
            write_data(draft / "data", runs, figures)
            write_page(draft, told, runs, rows, figures, ablated)
            write_marker(draft, told, rows)
    return Path(output).resolve() / "index.html"


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one core: the same bytes on every machine, and another core counts what the network did before.

    Several threads that share each small product also wait for each other; where another program runs on one of the
    cores, that made a report ten times slower.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _bars() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


@contextmanager
def _step(bars: Progress, words: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar that ``advance(n)`` fills; it is full when the step is over."""
    bar = bars.add_task(f"{words:<42}", total=total)
    yield lambda done: bars.advance(bar, done)
    bars.update(bar, completed=total)


def _runs(settings: Settings, bars: Progress) -> Runs:
    """Run the trained network, then untrained ones on the same samples; of these only the evidence is kept."""
    network = load_model(settings.model)
    blanks = [load_model(settings.model, untrained=settings.seed + number) for number in range(UNTRAINED)]
    with _step(bars, "Reading the text", 1):
        options = {"corpus": settings.corpus, "rules": settings.rules, "batch_size": BATCH}
        task: Any = load_task("transliteration", **options)
        batches = task.batches(settings.split, limit=settings.limit, seed=settings.seed)
    figures = _run(bars, "Trained network", network, task, batches, article=True, full=settings.full)
    with _step(bars, "Distances with their intervals and nulls", 2) as tell:
        trained = gather(figures, settings.seed)
        tell(1)
        rotated = gather(figures, settings.seed, "rotated")
    figures = figures.lighter("spread") if settings.full else figures.lighter("spread", "inner")
    untrained = [
        gather(_run(bars, f"Untrained network {number}", blank, task, batches), settings.seed)
        for number, blank in enumerate(blanks, 1)
    ]
    return Runs(figures, trained, rotated, tuple(untrained))


def _run(bars: Progress, words: str, model: Any, task: Any, batches: Any, **options: bool) -> Run:
    passes = 2 if options.get("article") else 1
    with _step(bars, f"{words}, {len(batches):,} samples", passes * len(batches)) as tell:
        return run(model, task, batches, tell, **options)


def _ablated(runs: Runs, bars: Progress) -> Ablated:
    """Ablate what claims name, and every unit alone."""
    import pandas as pd

    from interp_reproduction.agreeing import agreement
    from interp_reproduction.causes import LAYERS, Ablated, joined, steps

    work = list(steps(runs.figures, runs.trained, runs.rotated))
    parts = []
    with _step(bars, "Ablations", len(work) + len(LAYERS)) as tell:
        for step in work:
            parts.append(step())
            tell(1)
        agreed = [agreement(runs.figures, runs.trained, layer) for layer in LAYERS] if work else []
    tables = joined(parts)
    return Ablated(
        tables["effects"], tables["curves"], pd.concat(agreed, ignore_index=True) if agreed else pd.DataFrame()
    )


def _rows(runs: Runs, ablated: Ablated | None) -> list[Row]:
    from interp_reproduction.used import causes

    return judge(runs, causes(ablated) if ablated is not None else None)


def _figures(figures: Run, draft: Path, bars: Progress) -> list[Figure]:
    for folder in ("figures", "tables"):
        (draft / folder).mkdir()
    drawn, todo = [], list(each_figure(figures))
    with _step(bars, "Figures", len(todo)) as tell:
        for make in todo:
            drawn.append(make())
            drawn[-1].save(draft)
            tell(1)
    return drawn
