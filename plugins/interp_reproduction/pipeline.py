"""Pipeline from text to a finished report: task, network runs, distances, claims, figures, page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp import load_model, load_task
from interp_reproduction.claims.agreement import measure_agreement
from interp_reproduction.claims.evidence import LAYERS, collect_evidence
from interp_reproduction.claims.judge import ReportNetworks, ablation_findings, ablation_groups, judge_claims
from interp_reproduction.network_run import NetworkRun, run_network
from interp_reproduction.report.figures import Figure, figure_steps
from interp_reproduction.report.folder import new_report
from interp_reproduction.report.page import write_page
from interp_reproduction.report.provenance import describe_provenance, write_marker
from interp_reproduction.report.tables import write_datasets, write_tables
from interp_reproduction.settings import N_UNTRAINED, Settings

if TYPE_CHECKING:
    from rich.progress import Progress

    from interp_reproduction.claims.ablations import AblationTables

BATCH_SIZE = 32  # samples: two batches of the longest sentences, with every unit, are in memory


def write_report(settings: Settings, output: Path) -> Path:
    """Write a report and return its page. If an error occurs, nothing is left behind.

    Parameters
    ----------
    settings : Settings
        Options of the report.
    output : Path
        Directory of the report; see `new_report`.

    Returns
    -------
    Path
        Path of ``index.html``.

    Raises
    ------
    InterpError
        If the directory, the text, the weights or an option is invalid; one sentence per error.
    """
    with new_report(output) as draft, _progress() as progress, one_thread():
        networks = _run_networks(settings, progress)
        ablations = _ablate(networks, progress) if settings.with_ablations else None
        with _step(progress, "Claims", 1):
            claims = judge_claims(networks, None if ablations is None else ablation_findings(ablations))
        figures = _draw_figures(networks.run, draft, progress)
        with _step(progress, "Tables, datasets and page", 1):
            provenance = describe_provenance(settings, networks)
            write_tables(draft / "tables", networks, claims, ablations)
            write_datasets(draft / "data", networks, figures)
            write_page(draft, provenance, networks, claims, figures, ablations)
            write_marker(draft, provenance, claims)
    return Path(output).resolve() / "index.html"


@contextmanager
def one_thread() -> Iterator[None]:
    """Restrict torch to one thread, for the same bytes on every machine; other cores count the previous chunk.

    Several threads that share small products also wait for each other: while another program used one of the cores,
    that made a report ten times slower.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


@contextmanager
def _step(progress: Progress, description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar and yield ``advance(n)``, which fills it; the bar is full at the end of the block."""
    bar = progress.add_task(f"{description:<42}", total=total)
    yield lambda n: progress.advance(bar, n)
    progress.update(bar, completed=total)


def _run_networks(settings: Settings, progress: Progress) -> ReportNetworks:
    """Run the trained network, then untrained ones on the same samples, of which only the evidence is retained."""
    trained_model = load_model(settings.model)
    untrained_models = [load_model(settings.model, random_init=settings.seed + k) for k in range(N_UNTRAINED)]
    with _step(progress, "Reading the text", 1):
        options = {"corpus": settings.corpus, "rules": settings.rules, "batch_size": BATCH_SIZE}
        task: Any = load_task("transliteration", **options)
        batches = task.batches(settings.split, limit=settings.limit, seed=settings.seed)
    network = _run(progress, "Trained network", trained_model, task, batches,
                   with_raw_distances=True, with_ablations=settings.with_ablations)  # fmt: skip
    with _step(progress, "Distances with intervals and permutations", 2) as advance:
        trained = collect_evidence(network, settings.seed)
        advance(1)
        rotated = collect_evidence(network, settings.seed, "rotated")
    unused = ("ambiguous_acts",) if settings.with_ablations else ("ambiguous_acts", "gate_acts")
    network = network.without_tokens(*unused)
    untrained = [
        collect_evidence(_run(progress, f"Untrained network {number}", model, task, batches), settings.seed)
        for number, model in enumerate(untrained_models, 1)
    ]
    return ReportNetworks(network, trained, rotated, tuple(untrained))


def _run(progress: Progress, description: str, model: Any, task: Any, batches: Any, **options: bool) -> NetworkRun:
    passes = 2 if options.get("with_raw_distances") else 1
    with _step(progress, f"{description}, {len(batches):,} samples", passes * len(batches)) as advance:
        return run_network(model, task, batches, advance, **options)


def _ablate(networks: ReportNetworks, progress: Progress) -> AblationTables:
    """Ablate the units that the claims name, and every unit alone."""
    import pandas as pd

    from interp_reproduction.claims.ablations import AblationTables, ablation_steps, concat_tables

    groups = ablation_groups(networks.trained)
    steps = list(ablation_steps(networks.run, networks.trained, networks.rotated, groups))
    parts = []
    with _step(progress, "Ablations", len(steps) + len(LAYERS)) as advance:
        for step in steps:
            parts.append(step())
            advance(1)
        agreement = [measure_agreement(networks.run, networks.trained, layer) for layer in LAYERS] if steps else []
    tables = concat_tables(parts)
    return AblationTables(
        tables["effects"], tables["curves"], pd.concat(agreement, ignore_index=True) if agreement else pd.DataFrame()
    )


def _draw_figures(network: NetworkRun, draft: Path, progress: Progress) -> list[Figure]:
    for folder in ("figures", "tables"):
        (draft / folder).mkdir()
    figures, steps = [], list(figure_steps(network))
    with _step(progress, "Figures", len(steps)) as advance:
        for step in steps:
            figures.append(step())
            figures[-1].save(draft)
            advance(1)
    return figures
