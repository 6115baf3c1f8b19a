"""Definition of a claim: its statistic, the rules of its verdict, and the groups of units to ablate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interp_reproduction.claims.ablation_findings import AblationFinding
    from interp_reproduction.claims.ablations import AblationGroup, AblationTables
    from interp_reproduction.claims.evidence import Evidence
    from interp_reproduction.claims.finding import Finding


def no_groups(evidence: Evidence) -> Sequence[AblationGroup]:  # noqa: ARG001 - the signature of all claims
    """Return no groups, for a claim that the ablation curves decide."""
    return ()


@dataclass(frozen=True)
class Claim:
    """A claim of the article, in our words.

    Parameters
    ----------
    key : str
        ``C1`` to ``C7``.
    text : str
        Statement of the article.
    statistic : str
        Definition of the statistic, fixed in advance.
    rule : str
        Condition under which the claim holds.
    measure : callable
        ``measure(evidence)`` computes the statistic and applies the rule; it returns a `Finding`.
    ablation_rule : str
        Condition under which the units that the claim names count as used. To exceed random groups means p < .05
        against both kinds of groups, with Holm's correction over all tests of the report.
    judge_ablations : callable
        ``judge_ablations(tables)`` applies this rule; it returns an `AblationFinding`.
    ablation_groups : callable
        ``ablation_groups(evidence)`` returns the groups of units to ablate, without those that have too few tokens.
    is_rotatable : bool
        Whether the statistic can also be measured in a rotated basis.
    """

    key: str
    text: str
    statistic: str
    rule: str
    measure: Callable[[Evidence], Finding]
    ablation_rule: str
    judge_ablations: Callable[[AblationTables], AblationFinding]
    ablation_groups: Callable[[Evidence], Sequence[AblationGroup]] = no_groups
    is_rotatable: bool = False
