"""Page of a report: claims, figures, method and provenance in one file that makes no network request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp import methods_text
from interp.plotting import colors, format_counts, read_asset, render_document, render_template
from interp_reproduction.estimators import sampling_floor
from interp_reproduction.report.claim_table import ablation_section, claim_bodies, column_heads, describe_columns
from interp_reproduction.report.figures import FORMATS, Figure, slug
from interp_reproduction.report.markup import frame_table
from interp_reproduction.report.tables import pair_table
from interp_reproduction.settings import MIN_TOKENS, N_BINS

if TYPE_CHECKING:
    from interp_reproduction.claims.ablations import AblationTables
    from interp_reproduction.claims.judge import JudgedClaim, ReportNetworks

TITLE = "What the neurons of a transliterating LSTM encode"
FLOOR_SIZES = ((300, 3_000), (1_000, 10_000), (3_000, 30_000))


def write_page(
    folder: Path,
    provenance: Mapping[str, Any],
    networks: ReportNetworks,
    claims: Sequence[JudgedClaim],
    figures: Sequence[Figure],
    ablations: AblationTables | None = None,
) -> None:
    """Write ``index.html`` into a folder that already contains all tables, datasets and figures."""
    styles = dict.fromkeys(figure.view.style() for figure in figures if figure.view is not None)
    groups = {name: list(members) for name, members in groupby(figures, key=lambda figure: figure.group)}
    dist = networks.run.raw_distances
    body = render_template(
        _read_asset("report.html"),
        title=TITLE,
        facts=_facts(provenance),
        sections=_sections(groups, ablations is not None),
        columns=describe_columns(networks, ablations is not None),
        heads=column_heads(claims),
        claims=claim_bodies(claims),
        cause="" if ablations is None else ablation_section(ablations),
        figure_groups=groups,
        formats=FORMATS,
        slug=slug,
        limitations=limitations(networks, ablations is not None),
        verdict_methods=_verdict_methods(networks),
        figure_methods=methods_text(dist),
        other_methods=_other_methods(provenance),
        n_pairs=dist.sizes["pair"],
        pairs=frame_table(pair_table(dist)),
        data_files=data_files(folder),
        provenance={name: _format_value(value) for name, value in provenance.items()},
    )
    style = "\n".join([colors.css(), *styles, _read_asset("report.css")])
    script = _read_asset("report.js")
    page = render_document(title=TITLE, body=body, style=style, script=script, generator="interp reproduce")
    (folder / "index.html").write_text(page, encoding="utf-8")


def _read_asset(name: str) -> str:
    return read_asset(name, "interp_reproduction.report")


def _sections(groups: Mapping[str, Any], with_ablations: bool) -> dict[str, str]:
    """Return the names of the sections on causes and figures, by their ids."""
    return ({"cause": "Cause"} if with_ablations else {}) | {slug(name): name for name in groups}


def _facts(provenance: Mapping[str, Any]) -> dict[str, str]:
    is_demo = provenance["corpus"] == "demo"
    text = "demo corpus" if is_demo else f"{provenance['corpus']}, {provenance['split']}"
    facts = {"Network": str(provenance["model"]), "Text": text}
    facts["Samples / sources"] = format_counts(provenance["samples"], provenance["sources"])
    facts["Tokens"] = f"{provenance['tokens']:,}"
    for key, label in (("character error rate", "Its character error rate"), ("words right", "Words right")):
        if provenance[key] is not None:
            facts[label] = f"{100 * provenance[key]:.2f} %"
    return facts


def limitations(networks: ReportNetworks, with_ablations: bool) -> list[str]:
    """Return the limitations of the figures, in one or two sentences each."""
    floors = ", ".join(f"{sampling_floor(a, b, N_BINS):.2f} at {a:,} against {b:,} tokens" for a, b in FLOOR_SIZES)
    causes = (
        "An ablation shows what is lost at the letter itself when units no longer carry information beyond that "
        "letter. Units with the same function may compensate for each other, and effects through the recurrence are "
        "not counted."
        if with_ablations
        else "These results are correlational: no unit was ablated, and a unit can encode something that the network "
        "never uses."
    )
    return [
        f"The figures below the claims, and H in their captions, use raw distances as in the article. With {N_BINS:,} "
        "bins, few tokens have a large distance by chance alone: two samples of one distribution that is uniform over "
        f"all bins have a distance of {floors}; distributions that use fewer bins have less. Such a distance means "
        "nothing without its n, and pairs with different n cannot be compared. No verdict depends on it.",
        f"{format_counts(networks.run.samples, networks.run.sources)} samples / sources: several spellings of one "
        "sentence are not independent, and only sources count as evidence. Intervals are over sources, not over "
        "training runs: there is one trained network.",
        f"The untrained networks are {len(networks.untrained)} random initialisations of the same architecture. A "
        "claim that holds in them describes the architecture and the input, not what was learned.",
        causes,
    ]


def _verdict_methods(networks: ReportNetworks) -> str:
    dist = networks.trained.measured
    if not dist.sizes["pair"]:
        return "No pair that the claims name has enough tokens for the debiased distance."
    return f"Verdicts: {methods_text(dist)}"


def _other_methods(provenance: Mapping[str, Any]) -> str:
    return (
        f"In the figures a pair has at least {MIN_TOKENS} tokens on each side. Activations were recorded while the "
        f"network ran, and compared with those of torch: {provenance['verification']}. Edges of the graphs are weight "
        "x activation, the mean over the tokens of the pair."
    )


def data_files(folder: Path) -> list[Path]:
    """Return the tables and stores of a report, relative to its folder, in order."""
    paths = [path for pattern in ("tables/*.csv", "data/*.zarr") for path in sorted(folder.glob(pattern))]
    return [path.relative_to(folder) for path in paths]


def _format_value(value: Any) -> str:
    return f"{value:,}" if type(value) is int else f"{value:.6g}" if isinstance(value, float) else str(value)
