"""The article's claims in order, their figures on a trained and on untrained networks, and what follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from interp_reproduction import gates, layers, suffix
from interp_reproduction.findings import Claim, Finding, from_parts
from interp_reproduction.verdicts import compared, pooled, verdict

if TYPE_CHECKING:
    from interp_reproduction.evidence import Evidence
    from interp_reproduction.runs import Run
    from interp_reproduction.used import Cause

CLAIMS: tuple[Claim, ...] = tuple(claim for _, claim in sorted((layers.CLAIMS | gates.CLAIMS | suffix.CLAIMS).items()))

OPEN = ("C8", "Regularisation from information theory might make neurons more independent and easier to read.")
"""The article's question; a study of its own answers it."""


@dataclass(frozen=True)
class Runs:
    """The networks that a report stands on, all on the same text.

    Attributes
    ----------
    figures : Run
        What the trained network did.
    trained, rotated : Evidence
        Of the trained network, and of it with each layer in a random basis.
    untrained : tuple of Evidence
        Of networks that were not trained.
    """

    figures: Run
    trained: Evidence
    rotated: Evidence
    untrained: tuple[Evidence, ...]


@dataclass(frozen=True)
class Row:
    """A claim with its figures, and what follows."""

    claim: Claim
    trained: Finding
    untrained: tuple[Finding, ...]
    rotated: Finding | None = None
    cause: Cause | None = None

    @cached_property
    def mean(self) -> Finding:
        """The untrained networks as one finding: means where there are intervals, else the figure of each."""
        first = self.untrained[0]
        n = first.n
        if not first.parts or any(not found.parts for found in self.untrained):
            texts = "; ".join(dict.fromkeys(found.text for found in self.untrained))
            holds = [found.holds for found in self.untrained]
            return Finding(texts, None if None in holds else 2 * sum(map(bool, holds)) > len(holds), n=n)
        return from_parts(pooled(self.untrained), first.sign, n)

    @property
    def findings(self) -> dict[str, Finding]:
        """The figures by network; the untrained ones by number."""
        several = {f"untrained {number}": found for number, found in enumerate(self.untrained, 1)}
        turned = {} if self.rotated is None else {"rotated": self.rotated}
        return {"trained": self.trained, "untrained": self.mean, **several, **turned}

    @property
    def verdict(self) -> str:
        """What follows from the figures."""
        return verdict(self.trained, self.untrained, self.cause.passes if self.cause is not None else None)

    @property
    def compared(self) -> str:
        """The trained network against the untrained ones, in a sentence."""
        return compared(self.trained, self.untrained)


def judge(runs: Runs, causes: Mapping[str, Cause] | None = None) -> list[Row]:
    """Return each claim with its figures."""
    return [
        Row(
            claim,
            claim.measure(runs.trained),
            tuple(claim.measure(one) for one in runs.untrained),
            claim.measure(runs.rotated) if claim.turns else None,
            (causes or {}).get(claim.key),
        )
        for claim in CLAIMS
    ]
