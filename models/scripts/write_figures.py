"""Evaluate the shipped networks, baselines and other packages, and write the tables into the cards and the documents.

python models/scripts/write_figures.py --corpus DIR --wiki DUMP --dev FILE --report DIR
python models/scripts/write_figures.py --report DIR

``--corpus`` is the training corpus of the networks (the n-gram is fitted on its ``train`` split), ``--wiki`` a dump
whose ``test`` articles are not in it, ``--dev`` a text file outside the training text, and ``--report`` a report of
``interp reproduce --with-ablations`` on the test split of the dump. With a report alone, only its claims are written,
into
docs/claims.md and the card; the summary of the figures goes into docs/transliteration.md.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer

import interp
from interp_transliteration.evaluation.compare import LinesFunction, compare, to_markdown
from interp_transliteration.evaluation.systems import baseline_systems, network_systems, package_systems
from interp_transliteration.evaluation.tracks import CODE_MIX, list_tracks
from interp_transliteration.languages.romaniser import restore
from interp_transliteration.task import TransliterationTask

ROOT = Path(__file__).parents[2]
DOCS, FOLDER = ROOT / "docs", ROOT / "models" / "interp_models"
MODELS = ("armenian-bilstm", "armenian-bilstm-large")
BEAM_WIDTH = 12


def main(
    corpus: Annotated[Path | None, typer.Option(help="Training corpus of the networks.")] = None,
    wiki: Annotated[Path | None, typer.Option(help="Wikipedia dump; its test articles are used.")] = None,
    dev: Annotated[Path | None, typer.Option(help="Text file outside the training text.")] = None,
    report: Annotated[Path | None, typer.Option(help="Report on the test articles.")] = None,
    limit: Annotated[
        int, typer.Option(help="Number of sentences of each text on each track, spelled three times.")
    ] = 300,
) -> None:
    """Evaluate, then write the tables between their markers."""
    if corpus is not None and wiki is not None and dev is not None:
        _write_figures(corpus, wiki, dev, limit)
    elif report is None or (corpus, wiki, dev) != (None, None, None):
        raise typer.BadParameter("give --corpus, --wiki and --dev together, or --report alone")
    if report is not None:
        claims = _claims_table(report / "tables" / "verdicts.csv")
        _insert(DOCS / "claims.md", "claims", claims)
        _insert(FOLDER / MODELS[0] / "README.md", "claims", claims)


def _write_figures(corpus: Path, wiki: Path, dev: Path, limit: int) -> None:
    """Evaluate on both texts in parallel; write a table of the first rules, and one of all tracks for each text."""
    sets = {"unseen wiki articles": (wiki, "test"), dev.name.partition(".")[0]: (dev, "validation")}
    with ProcessPoolExecutor(len(sets), mp_context=get_context("spawn")) as pool:
        calls = {name: pool.submit(_evaluate, corpus, path, split, limit) for name, (path, split) in sets.items()}
        tables = {name: call.result() for name, call in calls.items()}
    for number, name in enumerate(("all.csv", "tracks.csv")):
        table = pd.concat({text: pair[number] for text, pair in tables.items()}, names=["text"])
        table.to_csv(FOLDER / MODELS[0] / name, float_format="%.6g")
    summary = pd.concat([_with_text_name(pair[0], name) for name, pair in tables.items()])
    tracks = "\n\n".join(_with_title(name, pair[1]) for name, pair in tables.items())
    _insert(DOCS / "transliteration.md", "figures", "\n".join(to_markdown(summary)))
    for name in MODELS:
        if name in interp.models():
            _insert(FOLDER / name / "README.md", "figures", "\n".join(to_markdown(summary)))
            _insert(FOLDER / name / "README.md", "tracks", tracks)


def _evaluate(corpus: Path, path: Path, split: str, limit: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return scores of all sentences in one spelling by the first rules, and of some sentences on every track."""
    torch.set_num_threads(1)
    train, base = TransliterationTask(corpus=corpus), TransliterationTask(corpus=path)
    names = [name for name in MODELS if name in interp.models()]
    networks = network_systems(names, "hy", None, BEAM_WIDTH)
    baselines = baseline_systems(train.pack, train.sentences("train"), fold_capitals=True)
    systems = {f"{MODELS[0]}, letter by letter": _letter_by_letter, **networks, **baselines}
    summary = compare(systems, {base.rules: base}, split, seeds=(0,))
    typer.echo(f"{path.name}\n{summary.iloc[:, :6]}")
    tasks = {
        name: base if name == CODE_MIX else TransliterationTask(corpus=path, rules=name) for name in list_tracks(base)
    }
    plain = {name: system for name, system in baselines.items() if "folded" not in name}
    tracks = compare({**networks, **plain, **package_systems("hy")}, tasks, split, limit=limit)
    typer.echo(f"{path.name}\n{tracks.iloc[:, :6]}")
    return summary, tracks


def _letter_by_letter(task: TransliterationTask) -> LinesFunction:
    """Return a function that writes the network's most probable symbol for each letter."""
    network = interp.load_model(MODELS[0])

    def write(lines: Sequence[str]) -> list[str]:
        texts: list[str] = []
        for start in range(0, len(lines), task.batch_size):
            batch = task.typed_batch(lines[start : start + task.batch_size])
            with torch.inference_mode():
                symbols = task.decode(network(*batch.inputs), batch)
            texts += map(restore, batch.typed, symbols)
        return texts

    return write


def _with_text_name(table: pd.DataFrame, text: str) -> pd.DataFrame:
    """Return a table of one track with its text and rules as the name of the track."""
    rules = table.index.get_level_values("track")[0]
    return table.rename(index={rules: f"{text}, {rules} rules ({int(table.sentences.max()):,} sentences)"}, level=0)


def _with_title(name: str, table: pd.DataFrame) -> str:
    sizes = f"{int(table.sentences.max()):,} sentences, {int(table.samples.max()):,} spellings"
    return f"{name}, {sizes} on every track:\n\n" + "\n".join(to_markdown(table))


def _claims_table(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    heads = {"trained": "trained", "untrained": "untrained, 3 networks", "ablation": "ablation, nats"}
    columns = {name: head for name, head in heads.items() if name in rows[0]}
    lines = ["| " + " | ".join(["claim", *columns.values(), "n, tokens / sources", "verdict"]) + " |"]
    lines.append("|---" * (len(columns) + 3) + "|")
    for row in rows:
        cells = [f"**{row['claim']}** {row['words']}", *(row[name] for name in columns), row["n"], row["verdict"]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _insert(path: Path, marker: str, table: str) -> None:
    begin, end = f"<!-- {marker}:begin -->", f"<!-- {marker}:end -->"
    text = path.read_text(encoding="utf-8")
    if begin not in text or end not in text:
        raise interp.InterpError(f"{path.name} has no lines {begin} and {end}; add them where the table belongs.")
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    path.write_text(pattern.sub(lambda _: f"{begin}\n{table}\n{end}", text), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
