"""The article's claims in order, and their figures on three runs."""

from __future__ import annotations

from dataclasses import dataclass

from interp_reproduction import gates, layers, suffix
from interp_reproduction.findings import Claim, Finding, verdict
from interp_reproduction.runs import Run

CLAIMS: tuple[Claim, ...] = tuple(claim for _, claim in sorted((layers.CLAIMS | gates.CLAIMS | suffix.CLAIMS).items()))

OPEN = (
    "C8",
    "Regularisation from information theory might make neurons more independent and easier to read.",
    "Open: not measured yet. Nobody has tested it on transliteration.",
)


@dataclass(frozen=True)
class Runs:
    """The three runs that a report stands on.

    Attributes
    ----------
    figures : Run
        The trained network on all samples.
    trained, untrained : Run
        Both networks on the same, fewer samples; ``trained`` is ``figures`` where all samples are few enough.
    """

    figures: Run
    trained: Run
    untrained: Run


@dataclass(frozen=True)
class Row:
    """A claim with its figure on each run, and what follows."""

    claim: Claim
    figures: Finding
    trained: Finding
    untrained: Finding

    @property
    def findings(self) -> dict[str, Finding]:
        """The figures by run."""
        return {"figures": self.figures, "trained": self.trained, "untrained": self.untrained}

    @property
    def verdict(self) -> str:
        """What follows from the figures."""
        return verdict(self.figures, self.trained, self.untrained)


def judge(runs: Runs) -> list[Row]:
    """Return each claim with its figures."""
    rows = []
    for claim in CLAIMS:
        figures = claim.measure(runs.figures)
        trained = figures if runs.trained is runs.figures else claim.measure(runs.trained)
        rows.append(Row(claim, figures, trained, claim.measure(runs.untrained)))
    return rows
