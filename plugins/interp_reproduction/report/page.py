"""Page of a report: claims, figures, method and provenance in one file that makes no network request."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from interp import methods_text
from interp.plotting import colors, escape, format_counts
from interp_reproduction.estimators import sampling_floor
from interp_reproduction.report.claim_table import ablation_section, claim_bodies, column_heads, describe_columns
from interp_reproduction.report.figures import FORMATS, Figure, slug
from interp_reproduction.report.markup import definition_boxes, frame_table, list_items, table_rows
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
    script = read_asset("report.js")
    groups = {name: list(members) for name, members in groupby(figures, key=lambda figure: figure.group)}
    styles = dict.fromkeys(figure.view.style() for figure in figures if figure.view is not None)
    dist = networks.run.raw_distances
    content = {
        "title": TITLE,
        "policy": content_security_policy(script),
        "style": "\n".join([colors.css(), *styles, read_asset("report.css")]),
        "script": script,
        "facts": definition_boxes(_facts(provenance)),
        "nav": _navigation(groups, ablations),
        "columns": escape(describe_columns(networks, ablations is not None)),
        "heads": column_heads(claims),
        "claims": claim_bodies(claims),
        "cause": "" if ablations is None else ablation_section(ablations),
        "figures": "\n".join(figure_section(name, members) for name, members in groups.items()),
        "limits": list_items(limitations(networks, ablations is not None)),
        "judged": escape(_verdict_methods(networks)),
        "method": escape(methods_text(dist)),
        "wiring": escape(_other_methods(provenance)),
        "n_pairs": str(dist.sizes["pair"]),
        "pairs": frame_table(pair_table(dist)),
        "files": "\n".join(_file_item(path) for path in data_files(folder)),
        "provenance": table_rows({name: _format_value(value) for name, value in provenance.items()}),
    }
    page = Template(read_asset("report.html")).substitute(content)
    (folder / "index.html").write_text(page, encoding="utf-8")


def _navigation(groups: Mapping[str, Any], ablations: AblationTables | None) -> str:
    """Return the links to the sections on causes and figures."""
    sections = ({} if ablations is None else {"cause": "Cause"}) | {slug(name): name for name in groups}
    return " ".join(f'<a href="#{anchor}">{escape(name)}</a>' for anchor, name in sections.items())


def read_asset(name: str) -> str:
    """Return a text file of this package."""
    return files("interp_reproduction.report").joinpath(name).read_text(encoding="utf-8")


def content_security_policy(script: str) -> str:
    """Return a content security policy that allows one script, by its hash, and no requests."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


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


def figure_section(name: str, figures: Sequence[Figure]) -> str:
    """Return a heading and its figures."""
    body = "\n".join(map(_figure_markup, figures))
    return f'<section id="{slug(name)}">\n<h2>{escape(name)}</h2>\n{body}\n</section>'


def _figure_markup(figure: Figure) -> str:
    description = f"<p>{escape(figure.description)}</p>"
    if figure.view is None:
        return f'<div class="view">{description}<p class="left-out">{escape(figure.reason)}</p></div>'
    links = "".join(f'<a href="figures/{figure.name}{suffix}">{suffix[1:].upper()}</a>' for suffix in FORMATS)
    return (
        f'<figure class="view" id="{figure.name}">\n'
        f"<h3>{escape(figure.view.title)}</h3>\n{description}\n"
        f"{figure.view.picture()}\n<figcaption>{escape(figure.view.summary)} {escape(figure.view.caption)}"
        f'<div class="links"><span>This picture on its own, with its data:</span>{links}</div></figcaption>\n</figure>'
    )


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


def _file_item(path: Path) -> str:
    name = escape(path.as_posix())
    return f"<li><code>{name}</code></li>" if path.suffix == ".zarr" else f'<li><a href="{name}">{name}</a></li>'


def _format_value(value: Any) -> str:
    return f"{value:,}" if type(value) is int else f"{value:.6g}" if isinstance(value, float) else str(value)
