"""The table of claims: each in our words, its figure on each run, the verdict, and behind it how it came about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from interp_reproduction.claims import OPEN
from interp_reproduction.markup import escape

if TYPE_CHECKING:
    from interp_reproduction.claims import Row, Runs
    from interp_reproduction.findings import Finding

KINDS = {"Holds, and not": "learned", "Holds, but also": "untrained-too", "Does not": "fails"}


def columns(runs: Runs) -> dict[str, str]:
    """Return the heading of each column by run: two columns where all samples are few enough for the comparison."""
    few = f"{runs.trained.samples:,} samples"
    heads = {"trained": f"trained, {few}", "untrained": f"untrained, the same {few}"}
    if runs.trained is runs.figures:
        return heads
    return {"figures": f"trained, {runs.figures.samples:,} samples", **heads}


def columns_said(runs: Runs) -> str:
    """Return the sentence that explains the columns."""
    if runs.trained is runs.figures:
        return "Both networks saw the same samples."
    return (
        f"Figures of the trained network are on all {runs.figures.samples:,} samples, and again on the "
        f"{runs.trained.samples:,} on which it is compared with the untrained one, since H depends on n."
    )


def column_heads(runs: Runs) -> str:
    """Return the ``<th>`` of the columns with figures."""
    return "".join(f'<th scope="col">{escape(head)}</th>' for head in columns(runs).values())


def claim_bodies(rows: Sequence[Row], runs: Runs) -> str:
    """Return a ``<tbody>`` for each claim, and one for the open one."""
    heads = columns(runs)
    key, words, said = OPEN
    last = f'<tr>{_first(key, words)}<td colspan="{len(heads)}">–</td>{_last(said)}</tr>'
    return "\n".join([*(_body(row, heads) for row in rows), f"<tbody>{last}</tbody>"])


def _first(key: str, words: str) -> str:
    return f'<td><span class="key">{escape(key)}</span>{escape(words)}</td>'


def _last(verdict: str) -> str:
    return f'<td><span class="verdict {_kind(verdict)}">{escape(verdict)}</span></td>'


def _body(row: Row, heads: dict[str, str]) -> str:
    cells = "".join(_figure(run, row.findings[run], head) for run, head in heads.items())
    first, verdict = _first(row.claim.key, row.claim.words), _last(row.verdict)
    behind = f'<tr class="behind"><td colspan="{len(heads) + 2}">{_behind(row, heads)}</td></tr>'
    return f'<tbody id="{escape(row.claim.key)}">\n<tr>{first}{cells}{verdict}</tr>\n{behind}\n</tbody>'


def _figure(run: str, found: Finding, head: str) -> str:
    n = f'<span class="n">n = {escape(found.n)}</span>' if found.n else ""
    return f'<td class="{run}" data-label="{escape(head)}"><span class="figure">{escape(found.text)}</span>{n}</td>'


def _kind(verdict: str) -> str:
    return next((kind for start, kind in KINDS.items() if verdict.startswith(start)), "")


def _behind(row: Row, heads: dict[str, str]) -> str:
    told = [("statistic", row.claim.statistic), ("it holds if", f"{row.claim.rule}.")]
    for run, head in heads.items():
        found = row.findings[run]
        told.append((head, " ".join(found.more)))
    body = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in told)
    return f"<details><summary>How it is measured, and on how much</summary><dl>{body}</dl></details>"
