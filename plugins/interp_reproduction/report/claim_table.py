"""The table of claims: each in our words, its figures, the verdict, and behind it how it came about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from interp_reproduction.claims import OPEN
from interp_reproduction.markup import escape
from interp_reproduction.study.results import answer, networks
from interp_reproduction.used import RULES
from interp_reproduction.verdicts import ALSO, CAUSAL, CONTRADICTED, LEARNED

if TYPE_CHECKING:
    from interp_reproduction.claims import Row, Runs
    from interp_reproduction.findings import Finding

KINDS = {CAUSAL: "learned", LEARNED: "learned", ALSO: "untrained-too", CONTRADICTED: "fails"}


def columns(rows: Sequence[Row]) -> dict[str, str]:
    """Return the heading of each column by what stands in it."""
    heads = {"trained": "trained", "untrained": f"untrained, {len(rows[0].untrained)} networks"}
    return heads | ({"ablation": "ablation, nats of log-odds"} if any(row.cause for row in rows) else {})


def columns_said(runs: Runs, full: bool) -> str:
    """Return the sentences that explain the columns."""
    ablated = (
        " Ablation: what the right output loses when the units that the claim names get the values they had at the "
        "same letter in another sentence; p against 999 random groups of the same layer, uniform / of equal strength."
        if full
        else " Nothing was switched off here: interp reproduce --full does."
    )
    return (
        f"All networks saw the same {runs.figures.samples:,} samples. Units are chosen on one half of the sources and "
        f"measured on the other; brackets are 95 % intervals.{ablated}"
    )


def column_heads(rows: Sequence[Row]) -> str:
    """Return the ``<th>`` of the columns with figures."""
    return "".join(f'<th scope="col">{escape(head)}</th>' for head in columns(rows).values())


def claim_bodies(rows: Sequence[Row]) -> str:
    """Return a ``<tbody>`` for each claim, and one for the open one."""
    heads = columns(rows)
    said, why = study_said()
    last = f'<tr>{_first(*OPEN)}<td colspan="{len(heads)}">{escape(why)}</td>{_last(said)}</tr>'
    return "\n".join([*(_body(row, heads) for row in rows), f"<tbody>{last}</tbody>"])


def study_said() -> tuple[str, str]:
    """Return the verdict of the shipped study of regularisation, and what it stands on."""
    rows = networks()
    verdict, _, why = answer(rows).partition(". ") if rows is not None else ("Open: not measured yet", "", "–")
    return f"{verdict}.", why


def _first(key: str, words: str) -> str:
    return f'<td><span class="key">{escape(key)}</span>{escape(words)}</td>'


def _last(verdict: str) -> str:
    return f'<td><span class="verdict {KINDS.get(verdict, "")}">{escape(verdict)}</span></td>'


def _body(row: Row, heads: dict[str, str]) -> str:
    cells = "".join(_cell(row, name, head) for name, head in heads.items())
    first, verdict = _first(row.claim.key, row.claim.words), _last(row.verdict)
    behind = f'<tr class="behind"><td colspan="{len(heads) + 2}">{_behind(row)}</td></tr>'
    return f'<tbody id="{escape(row.claim.key)}">\n<tr>{first}{cells}{verdict}</tr>\n{behind}\n</tbody>'


def _cell(row: Row, name: str, head: str) -> str:
    if name == "ablation":
        text, n = row.cause.text if row.cause is not None else "–", ""
    else:
        found: Finding = row.findings[name]
        text, n = found.text, found.n if name == "trained" else ""
    lines = escape(text).replace("; ", ";<br>")  # one network, or one pair, a line
    under = f'<span class="n">n = {escape(n)}</span>' if n else ""
    return f'<td class="{name}" data-label="{escape(head)}"><span class="figure">{lines}</span>{under}</td>'


def _behind(row: Row) -> str:
    told = [("statistic", row.claim.statistic), ("it holds if", f"{row.claim.rule}.")]
    told += [(name, " ".join([f"{found.text}.", *found.more])) for name, found in row.findings.items()
             if name != "untrained"]  # fmt: skip
    told.append(("compared", row.compared))
    if row.cause is not None:
        used = {True: "Used.", False: "Not shown to be used.", None: "Not measured."}[row.cause.passes]
        told.append(("ablation", " ".join([used, f"It counts as used if {RULES[row.claim.key]}.", *row.cause.more])))
    body = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in told)
    return f"<details><summary>How it is measured, and on how much</summary><dl>{body}</dl></details>"
