"""Verdict on a claim, from its findings on the trained network, on untrained networks, and from ablations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from interp_reproduction.claims.finding import format_estimates
from interp_reproduction.estimators import Estimate, all_positive

if TYPE_CHECKING:
    from interp_reproduction.claims.finding import Finding

CAUSAL = "Learned and causal"
CORRELATIONAL = "Learned, correlational"
ARCHITECTURAL = "Holds, but also untrained (architecture)"
CONTRADICTED = "Contradicted"
UNDECIDED = "Undecided"


def verdict(trained: Finding, untrained: Sequence[Finding], is_used: bool | None = None) -> str:
    """Return one of the five verdicts; an undecided one includes its reason.

    Parameters
    ----------
    trained : Finding
        Finding on the trained network.
    untrained : sequence of Finding
        Findings on untrained networks, on the same text.
    is_used : bool or None
        Whether ablations show that the units that the claim names are used; None if nothing was ablated.
    """
    if trained.holds is None:
        return f"{UNDECIDED}: {trained.reason}"
    if not trained.holds:
        return CONTRADICTED
    if not untrained or any(finding.holds is None and not finding.parts for finding in untrained):
        return f"{UNDECIDED}: not measured in untrained networks"
    holds_untrained, doubt = _compare_estimates(trained, untrained) if trained.parts else _count_holding(untrained)
    if holds_untrained:
        return ARCHITECTURAL
    if doubt:
        return f"{UNDECIDED}: {doubt}"
    return CAUSAL if is_used else CORRELATIONAL


def _compare_estimates(trained: Finding, untrained: Sequence[Finding]) -> tuple[bool, str]:
    """Return whether the mean over untrained networks holds too; if not, the reason to doubt that it is smaller."""
    means = mean_estimates(untrained)
    gaps = [(part - means[name]) * trained.sign for name, part in trained.parts.items()]
    holds_untrained = all_positive([part * trained.sign for part in means.values()]) is True
    return holds_untrained, "" if all_positive(gaps) is True else "not distinguishable from untrained networks"


def _count_holding(untrained: Sequence[Finding]) -> tuple[bool, str]:
    """Return whether it holds in most untrained networks; if not, the reason to doubt that it was learned."""
    count = sum(bool(finding.holds) for finding in untrained)
    doubt = f"it holds in {count} of {len(untrained)} untrained networks" if count else ""
    return 2 * count > len(untrained), doubt


def mean_estimates(findings: Sequence[Finding]) -> dict[str, Estimate]:
    """Return the mean of each part over networks on the same text."""
    return {name: Estimate.mean([finding.parts[name] for finding in findings]) for name in findings[0].parts}


def compare_with_untrained(trained: Finding, untrained: Sequence[Finding]) -> str:
    """Return a sentence that compares the trained network with the untrained ones."""
    if not untrained:
        return ""
    if not trained.parts or any(not finding.parts for finding in untrained):
        count = sum(bool(finding.holds) for finding in untrained)
        return f"It holds in {count} of {len(untrained)} untrained networks."
    means = mean_estimates(untrained)
    gaps = {name: part - means[name] for name, part in trained.parts.items()}
    return f"Trained minus the mean of {len(untrained)} untrained networks: {format_estimates(gaps)}."
