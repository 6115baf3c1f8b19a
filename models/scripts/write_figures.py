"""Measure the shipped networks beside their baselines and rivals, and write the figures into the card and the README.

python models/write_figures.py --corpus DIR --wiki DUMP --dev FILE --report DIR
python models/write_figures.py --report DIR

``--corpus`` is what the networks were trained on (the n-gram is fitted on its ``train`` split), ``--wiki`` the dump
whose ``test`` articles they have not seen, ``--dev`` a text file that was never trained on, and ``--report`` a report
of ``interp reproduce --full`` on the wiki's test split. With a report alone only its claims are written.
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
from interp_transliteration.comparison import Lines, compare, markdown
from interp_transliteration.romanise import restore
from interp_transliteration.task import TransliterationTask
from interp_transliteration.tracks import CODE_MIX, tracks_of
from interp_transliteration.writers import baselines, networks, rivals

ROOT = Path(__file__).parents[1]
FOLDER = Path(__file__).parent / "interp_models"
NAMES = ("armenian-bilstm", "armenian-bilstm-large")
BEAM = 12


def main(
    corpus: Annotated[Path | None, typer.Option(help="What the network was trained on.")] = None,
    wiki: Annotated[Path | None, typer.Option(help="A dump; its test articles are measured.")] = None,
    dev: Annotated[Path | None, typer.Option(help="Text that was never trained on.")] = None,
    report: Annotated[Path | None, typer.Option(help="A report on the test articles.")] = None,
    limit: Annotated[int, typer.Option(help="Sentences of each, spelled three times on every track.")] = 300,
) -> None:
    """Measure, then write the tables between their markers."""
    if corpus is not None and wiki is not None and dev is not None:
        _figures(corpus, wiki, dev, limit)
    elif report is None or (corpus, wiki, dev) != (None, None, None):
        raise typer.BadParameter("give --corpus, --wiki and --dev together, or --report alone")
    if report is not None:
        claims = _claims(report / "tables" / "verdicts.csv")
        _insert(ROOT / "README.md", "claims", claims)
        _insert(FOLDER / NAMES[0] / "README.md", "claims", claims)


def _figures(corpus: Path, wiki: Path, dev: Path, limit: int) -> None:
    """Measure on both texts at the same time; write a table of the first rules, and one of all tracks of each text."""
    sets = {"unseen wiki articles": (wiki, "test"), dev.name.partition(".")[0]: (dev, "validation")}
    with ProcessPoolExecutor(len(sets), mp_context=get_context("spawn")) as pool:
        calls = {name: pool.submit(_measure, corpus, path, split, limit) for name, (path, split) in sets.items()}
        tables = {name: call.result() for name, call in calls.items()}
    for number, name in enumerate(("all.csv", "tracks.csv")):
        found = pd.concat({text: pair[number] for text, pair in tables.items()}, names=["text"])
        found.to_csv(FOLDER / NAMES[0] / name, float_format="%.6g")
    whole = pd.concat([_renamed(pair[0], name) for name, pair in tables.items()])
    tracks = "\n\n".join(_titled(name, pair[1]) for name, pair in tables.items())
    _insert(ROOT / "README.md", "figures", "\n".join(markdown(whole)))
    for name in NAMES:
        if name in interp.models():
            _insert(FOLDER / name / "README.md", "figures", "\n".join(markdown(whole)))
            _insert(FOLDER / name / "README.md", "tracks", tracks)


def _measure(corpus: Path, path: Path, split: str, limit: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return figures of all sentences in one spelling by the first rules, and of some on every track."""
    torch.set_num_threads(1)
    train, base = TransliterationTask(corpus=corpus), TransliterationTask(corpus=path)
    names = [name for name in NAMES if name in interp.models()]
    found, ngrams = networks(names, "hy", None, BEAM), baselines(train.pack, train.sentences("train"), folds=True)
    all_writers = {f"{NAMES[0]}, letter by letter": _letters, **found, **ngrams}
    whole = compare(all_writers, {base.rules: base}, split, seeds=(0,))
    typer.echo(f"{path.name}\n{whole.iloc[:, :6]}")
    tasks = {
        name: base if name == CODE_MIX else TransliterationTask(corpus=path, rules=name) for name in tracks_of(base)
    }
    plain = {name: writer for name, writer in ngrams.items() if "folded" not in name}
    tracks = compare({**found, **plain, **rivals("hy")}, tasks, split, limit=limit)
    typer.echo(f"{path.name}\n{tracks.iloc[:, :6]}")
    return whole, tracks


def _letters(task: TransliterationTask) -> Lines:
    """Write the most probable symbol of every letter of the analysed network."""
    network = interp.load_model(NAMES[0])

    def write(lines: Sequence[str]) -> list[str]:
        found: list[str] = []
        for start in range(0, len(lines), task.batch_size):
            batch = task.typed_batch(lines[start : start + task.batch_size])
            with torch.inference_mode():
                symbols = task.decode(network(*batch.inputs), batch)
            found += map(restore, batch.typed, symbols)
        return found

    return write


def _renamed(table: pd.DataFrame, text: str) -> pd.DataFrame:
    """Return a table of one track, which is named by its text and rules."""
    rules = table.index.get_level_values("track")[0]
    return table.rename(index={rules: f"{text}, {rules} rules ({int(table.sentences.max()):,} sentences)"}, level=0)


def _titled(name: str, table: pd.DataFrame) -> str:
    sizes = f"{int(table.sentences.max()):,} sentences, {int(table.samples.max()):,} spellings"
    return f"{name}, {sizes} on every track:\n\n" + "\n".join(markdown(table))


def _claims(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    heads = {"trained": "trained", "untrained": "untrained, 3 networks", "ablation": "ablation, nats"}
    shown = {name: head for name, head in heads.items() if name in rows[0]}
    lines = ["| " + " | ".join(["claim", *shown.values(), "n, tokens / sources", "verdict"]) + " |"]
    lines.append("|---" * (len(shown) + 3) + "|")
    for row in rows:
        cells = [f"**{row['claim']}** {row['words']}", *(row[name] for name in shown), row["n"], row["verdict"]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _insert(path: Path, marker: str, table: str) -> None:
    begin, end = f"<!-- {marker}:begin -->", f"<!-- {marker}:end -->"
    text = path.read_text(encoding="utf-8")
    if begin not in text or end not in text:
        raise interp.InterpError(f"{path.name} has no lines {begin} and {end}.")
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    path.write_text(pattern.sub(lambda _: f"{begin}\n{table}\n{end}", text), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
