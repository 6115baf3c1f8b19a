"""Measure the shipped network beside its baselines, and write the figures into the card and the README.

python models/write_figures.py --corpus DIR --wiki DUMP --dev FILE --report DIR
python models/write_figures.py --report DIR

``--corpus`` is what the network was trained on (the n-gram is fitted on its ``train`` split), ``--wiki`` the dump
whose ``test`` articles it has not seen, ``--dev`` a text file that was never trained on, and ``--report`` a report
of ``interp reproduce --full`` on the wiki's test split. With a report alone only its claims are written.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer

import interp
from interp_transliteration.baselines import CharacterNGram, GreedyRules
from interp_transliteration.evaluate import Predictor, evaluate, of_network
from interp_transliteration.task import TransliterationTask

ROOT = Path(__file__).parents[1]
FOLDER = Path(__file__).parent / "interp_models"
NAME = "armenian-bilstm"
RULES = ("article", "chat")


def main(
    corpus: Annotated[Path | None, typer.Option(help="What the network was trained on.")] = None,
    wiki: Annotated[Path | None, typer.Option(help="A dump; its test articles are measured.")] = None,
    dev: Annotated[Path | None, typer.Option(help="Text that was never trained on.")] = None,
    report: Annotated[Path | None, typer.Option(help="A report on the test articles.")] = None,
    limit: Annotated[int | None, typer.Option(help="Sentences of each, for a quick look.")] = None,
) -> None:
    """Measure, then write the tables between their markers."""
    if corpus is not None and wiki is not None and dev is not None:
        _figures(corpus, wiki, dev, limit)
    elif report is None or (corpus, wiki, dev) != (None, None, None):
        raise typer.BadParameter("give --corpus, --wiki and --dev together, or --report alone")
    if report is not None:
        claims = _claims(report / "tables" / "verdicts.csv")
        _insert(ROOT / "README.md", "claims", claims)
        _insert(FOLDER / NAME / "README.md", "claims", claims)


def _figures(corpus: Path, wiki: Path, dev: Path, limit: int | None) -> None:
    """Measure the network beside its baselines."""
    torch.set_num_threads(1)
    network = interp.load_model(NAME)
    train = TransliterationTask(corpus=corpus).sentences("train")
    sets = {"unseen wiki articles": (wiki, "test"), dev.name.partition(".")[0]: (dev, "validation")}
    rows = [
        row
        for rules in RULES
        for name, (path, split) in sets.items()
        for row in _measure(network, train, TransliterationTask(corpus=path, rules=rules), name, split, limit)
    ]
    (FOLDER / NAME / "figures.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    table = _markdown(rows)
    _insert(ROOT / "README.md", "figures", table)
    _insert(FOLDER / NAME / "README.md", "figures", table)


def _measure(
    network: torch.nn.Module,
    train: Sequence[str],
    task: TransliterationTask,
    name: str,
    split: str,
    limit: int | None,
) -> Iterable[dict[str, object]]:
    rules = task.romaniser.rules
    predictors: dict[str, Predictor] = {
        NAME: of_network(task, network),
        "character 6-gram, beam 12": CharacterNGram(task.pack, rules).fit(train),
        "greedy rules": GreedyRules(task.pack, rules).fit(train),
    }
    found: pd.DataFrame = evaluate(task, predictors, split, limit=limit, seed=0)
    typer.echo(f"{task.rules}, {name}\n{found.iloc[:, :7]}")
    for predictor, row in found.iterrows():
        figures = {key: round(float(row[key]), 6) for key in ("cer", "low", "high", "words")}
        sizes = {key: int(row[key]) for key in ("sentences", "characters")}
        yield {"rules": task.rules, "text": name, "predictor": predictor, **figures, **sizes}


def _markdown(rows: Sequence[dict[str, object]]) -> str:
    columns = list(dict.fromkeys((row["rules"], row["text"]) for row in rows))
    sizes = {(row["rules"], row["text"]): f"{row['sentences']:,} sentences" for row in rows}
    head = [f"{text}, {rules} rules ({sizes[rules, text]})" for rules, text in columns]
    lines = ["| CER % (95 % interval) / words right % | " + " | ".join(head) + " |", "|---" * (len(head) + 1) + "|"]
    for predictor in dict.fromkeys(row["predictor"] for row in rows):
        cells = [_cell(row) for row in rows if row["predictor"] == predictor]
        lines.append(f"| {predictor} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(row: dict[str, object]) -> str:
    cer, low, high, words = (100 * float(str(row[key])) for key in ("cer", "low", "high", "words"))
    return f"**{cer:.2f}** ({low:.2f}-{high:.2f}) / {words:.1f}"


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
