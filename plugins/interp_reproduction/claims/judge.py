"""All claims of the article in order, judged on a trained network and on untrained ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from interp_reproduction.claims import gate_claims, layer_claims, suffix_claim
from interp_reproduction.claims.ablations import layer_groups
from interp_reproduction.claims.finding import Finding, from_estimates
from interp_reproduction.claims.verdict import compare_with_untrained, mean_estimates, verdict

if TYPE_CHECKING:
    from interp_reproduction.claims.ablation_findings import AblationFinding
    from interp_reproduction.claims.ablations import AblationGroup, AblationTables
    from interp_reproduction.claims.claim import Claim
    from interp_reproduction.claims.evidence import Evidence
    from interp_reproduction.network_run import NetworkRun

CLAIMS: tuple[Claim, ...] = tuple(
    claim for _, claim in sorted((layer_claims.CLAIMS | gate_claims.CLAIMS | suffix_claim.CLAIMS).items())
)

OPEN_QUESTION = ("C8", "Regularisation from information theory might make neurons more independent and easier to read.")
"""Open question of the article, which a separate study answers."""


@dataclass(frozen=True)
class ReportNetworks:
    """Networks of a report, all on the same text.

    Attributes
    ----------
    run : NetworkRun
        Activations of the trained network.
    trained, rotated : Evidence
        Evidence of the trained network, and of the same network with each layer in a random basis.
    untrained : tuple of Evidence
        Evidence of untrained networks.
    """

    run: NetworkRun
    trained: Evidence
    rotated: Evidence
    untrained: tuple[Evidence, ...]


@dataclass(frozen=True)
class JudgedClaim:
    """A claim with its findings and its verdict."""

    claim: Claim
    trained: Finding
    untrained: tuple[Finding, ...]
    rotated: Finding | None = None
    ablation: AblationFinding | None = None

    @cached_property
    def mean(self) -> Finding:
        """All untrained networks as one finding: the mean if there are intervals, else the figure of each."""
        first = self.untrained[0]
        n = first.n
        if not first.parts or any(not finding.parts for finding in self.untrained):
            texts = "; ".join(dict.fromkeys(finding.text for finding in self.untrained))
            holds = [finding.holds for finding in self.untrained]
            return Finding(texts, None if None in holds else 2 * sum(map(bool, holds)) > len(holds), n=n)
        return from_estimates(mean_estimates(self.untrained), first.sign, n)

    @property
    def findings(self) -> dict[str, Finding]:
        """Findings by network; the untrained ones by number."""
        untrained = {f"untrained {number}": finding for number, finding in enumerate(self.untrained, 1)}
        rotated = {} if self.rotated is None else {"rotated": self.rotated}
        return {"trained": self.trained, "untrained": self.mean, **untrained, **rotated}

    @property
    def verdict(self) -> str:
        """Verdict of the five that follows from the findings."""
        return verdict(self.trained, self.untrained, self.ablation.is_used if self.ablation is not None else None)

    @property
    def comparison(self) -> str:
        """Sentence that compares the trained network with the untrained ones."""
        return compare_with_untrained(self.trained, self.untrained)


def judge_claims(networks: ReportNetworks, ablations: Mapping[str, AblationFinding] | None = None) -> list[JudgedClaim]:
    """Measure and judge every claim.

    Parameters
    ----------
    networks : ReportNetworks
        Networks to measure.
    ablations : mapping of str to AblationFinding, optional
        Findings of the ablations by the key of the claim; see `ablation_findings`.
    """
    return [
        JudgedClaim(
            claim,
            claim.measure(networks.trained),
            tuple(claim.measure(evidence) for evidence in networks.untrained),
            claim.measure(networks.rotated) if claim.is_rotatable else None,
            (ablations or {}).get(claim.key),
        )
        for claim in CLAIMS
    ]


def ablation_groups(evidence: Evidence) -> list[AblationGroup]:
    """Return the top groups of each layer, and the groups of all claims."""
    return [*layer_groups(evidence), *(group for claim in CLAIMS for group in claim.ablation_groups(evidence))]


def ablation_findings(tables: AblationTables) -> dict[str, AblationFinding]:
    """Return the finding of the ablations for each claim, by its key."""
    return {claim.key: claim.judge_ablations(tables) for claim in CLAIMS}
