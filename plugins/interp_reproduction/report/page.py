"""The page of a report: claims, figures, method, provenance; one file, which asks no network for anything."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from interp import captions, methods, palette
from interp_reproduction.causepage import section as cause_section
from interp_reproduction.claimtable import claim_bodies, column_heads, columns_said
from interp_reproduction.figures import FORMATS, Figure, slug
from interp_reproduction.markup import escape, facts, frame_table, items, rows_of
from interp_reproduction.numbers import flat_floor
from interp_reproduction.settings import BINS, MINIMUM
from interp_reproduction.tables import pair_table

if TYPE_CHECKING:
    from interp_reproduction.causes import Ablated
    from interp_reproduction.claims import Row, Runs

TITLE = "What the neurons of a transliterating LSTM know"
SIZES = ((300, 3_000), (1_000, 10_000), (3_000, 30_000))


def write_page(
    folder: Path,
    told: Mapping[str, Any],
    runs: Runs,
    rows: Sequence[Row],
    figures: Sequence[Figure],
    ablated: Ablated | None = None,
) -> None:
    """Write ``index.html`` into a folder that holds everything else already."""
    script = asset("report.js")
    groups = {name: list(drawn) for name, drawn in groupby(figures, key=lambda figure: figure.group)}
    styles = dict.fromkeys(figure.view.style() for figure in figures if figure.view is not None)
    content = {
        "title": TITLE,
        "policy": policy(script),
        "style": "\n".join([palette.css(), *styles, asset("report.css")]),
        "script": script,
        "facts": facts(_facts(told)),
        "nav": " ".join(
            f'<a href="#{anchor}">{escape(name)}</a>' for anchor, name in _sections(groups, ablated).items()
        ),
        "columns": escape(columns_said(runs, ablated is not None)),
        "heads": column_heads(rows),
        "claims": claim_bodies(rows),
        "cause": "" if ablated is None else cause_section(ablated),
        "figures": "\n".join(section(name, drawn) for name, drawn in groups.items()),
        "limits": items(limits(runs, ablated is not None)),
        "judged": escape(_judged(runs)),
        "method": escape(methods(runs.figures.dist)),
        "wiring": escape(_other_methods(told)),
        "n_pairs": str(runs.figures.dist.sizes["pair"]),
        "pairs": frame_table(pair_table(runs.figures.dist)),
        "files": "\n".join(_file(path) for path in listed(folder)),
        "provenance": rows_of({name: _plain(value) for name, value in told.items()}),
    }
    page = Template(asset("report.html")).substitute(content)
    (folder / "index.html").write_text(page, encoding="utf-8")


def _sections(groups: Mapping[str, Any], ablated: Ablated | None) -> dict[str, str]:
    """Return the names of the sections by their anchors."""
    return ({} if ablated is None else {"cause": "Cause"}) | {slug(name): name for name in groups}


def asset(name: str) -> str:
    """Return a text file of this package."""
    return files("interp_reproduction").joinpath(name).read_text(encoding="utf-8")


def policy(script: str) -> str:
    """Return a content security policy that allows one script, by its hash, and nothing from anywhere."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def _facts(told: Mapping[str, Any]) -> dict[str, str]:
    text = "demo corpus" if told["corpus"] == "demo" else f"{told['corpus']}, {told['split']}"
    shown = {"Network": str(told["model"]), "Text": text}
    shown["Samples / sources"] = captions.counts(told["samples"], told["sources"])
    shown["Tokens"] = f"{told['tokens']:,}"
    for key, words in (("character error rate", "Its character error rate"), ("words right", "Words right")):
        if told[key] is not None:
            shown[words] = f"{100 * told[key]:.2f} %"
    return shown


def section(name: str, figures: Sequence[Figure]) -> str:
    """Return a heading and its figures."""
    body = "\n".join(map(_figure, figures))
    return f'<section id="{slug(name)}">\n<h2>{escape(name)}</h2>\n{body}\n</section>'


def _figure(figure: Figure) -> str:
    if figure.view is None:
        return f'<div class="view"><p>{escape(figure.words)}</p><p class="left-out">{escape(figure.reason)}</p></div>'
    links = "".join(f'<a href="figures/{figure.name}{suffix}">{suffix[1:].upper()}</a>' for suffix in FORMATS)
    return (
        f'<figure class="view" id="{figure.name}">\n'
        f"<h3>{escape(figure.view.title)}</h3>\n<p>{escape(figure.words)}</p>\n"
        f"{figure.view.picture()}\n<figcaption>{escape(figure.view.summary)} {escape(figure.view.caption)}"
        f'<div class="links"><span>The picture alone, with its table:</span>{links}</div></figcaption>\n</figure>'
    )


def limits(runs: Runs, full: bool) -> list[str]:
    """Return what a reader must know before trusting a figure, a sentence or two each."""
    floors = ", ".join(f"{flat_floor(a, b, BINS):.2f} at {a:,} against {b:,} tokens" for a, b in SIZES)
    used = (
        "An ablation shows what is lost at the letter itself when units forget what they know beyond it. Units that do "
        "the same work may stand in for each other, and what goes through the recurrence is not counted."
        if full
        else "A unit that knows need not be used: nothing was switched off, so that no figure here is about causes."
    )
    return [
        f"The figures below the claims, and H in their captions, are in the article's mode: with {BINS:,} bins "
        "few tokens look far apart by chance alone: two samples of one law that is flat over all bins have a distance "
        f"of {floors}; of laws that use fewer bins, less. Such a distance means nothing without its n, and pairs with "
        "different n can't be compared. No verdict rests on it.",
        f"{captions.counts(runs.figures.samples, runs.figures.sources)} samples / sources: several spellings of one "
        "sentence are not independent, and only sources count as evidence. Intervals are over sources, not over "
        "trainings: there is one trained network.",
        f"The untrained networks are {len(runs.untrained)} draws of the same architecture. A claim that holds in them "
        "speaks of the architecture and the input, not of what was learned.",
        used,
    ]


def _judged(runs: Runs) -> str:
    measured = runs.trained.measured
    if not measured.sizes["pair"]:
        return "No pair that claims name has enough tokens for the honest distance."
    return f"Verdicts: {methods(measured)}"


def _other_methods(told: Mapping[str, Any]) -> str:
    return (
        f"In the figures a pair has at least {MINIMUM} tokens on each side. Activations were read while the network "
        f"ran, and compared with what torch computes: {told['self-check']}. Edges of the graphs are weight x "
        "activation, the plain mean over the tokens of the pair."
    )


def listed(folder: Path) -> list[Path]:
    """Return the tables and stores of a report, relative to it, in order."""
    found = [path for kind in ("tables/*.csv", "data/*.zarr") for path in sorted(folder.glob(kind))]
    return [path.relative_to(folder) for path in found]


def _file(path: Path) -> str:
    shown = escape(path.as_posix())
    return f"<li><code>{shown}</code></li>" if path.suffix == ".zarr" else f'<li><a href="{shown}">{shown}</a></li>'


def _plain(value: Any) -> str:
    return f"{value:,}" if type(value) is int else f"{value:.6g}" if isinstance(value, float) else str(value)
