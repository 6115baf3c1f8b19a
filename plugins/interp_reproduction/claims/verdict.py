"""What follows from a claim's figures on the trained network, on untrained ones, and from ablations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from interp_reproduction.estimates import Estimate, shown
from interp_reproduction.findings import listed

if TYPE_CHECKING:
    from interp_reproduction.findings import Finding

CAUSAL = "Learned and causal"
LEARNED = "Learned, correlational"
ALSO = "Holds, but also untrained (architecture)"
CONTRADICTED = "Contradicted"
UNDECIDED = "Undecided"


def verdict(trained: Finding, untrained: Sequence[Finding], causal: bool | None = None) -> str:
    """Return one of the five verdicts; an undecided one says why.

    Parameters
    ----------
    trained : Finding
        The trained network.
    untrained : sequence of Finding
        Networks that were not trained, on the same text.
    causal : bool or None
        Whether ablations show that what the claim names is used; None where nothing was ablated.
    """
    if trained.holds is None:
        return f"{UNDECIDED}: {trained.why}"
    if not trained.holds:
        return CONTRADICTED
    if not untrained or any(found.holds is None and not found.parts for found in untrained):
        return f"{UNDECIDED}: not measured in untrained networks"
    also, doubt = _by_parts(trained, untrained) if trained.parts else _by_count(untrained)
    if also:
        return ALSO
    if doubt:
        return f"{UNDECIDED}: {doubt}"
    return CAUSAL if causal else LEARNED


def _by_parts(trained: Finding, untrained: Sequence[Finding]) -> tuple[bool, str]:
    """Return whether the mean over untrained networks holds too, and else why the trained one may not exceed it."""
    means = pooled(untrained)
    gaps = [(part - means[name]) * trained.sign for name, part in trained.parts.items()]
    also = shown([part * trained.sign for part in means.values()]) is True
    return also, "" if shown(gaps) is True else "not told apart from untrained networks"


def _by_count(untrained: Sequence[Finding]) -> tuple[bool, str]:
    """Return whether it holds in most untrained networks, and else why it may not have been learned."""
    number = sum(bool(found.holds) for found in untrained)
    doubt = f"it holds in {number} of {len(untrained)} untrained networks" if number else ""
    return 2 * number > len(untrained), doubt


def pooled(findings: Sequence[Finding]) -> dict[str, Estimate]:
    """Return the mean of each part over networks that saw the same text."""
    return {name: Estimate.mean([found.parts[name] for found in findings]) for name in findings[0].parts}


def compared(trained: Finding, untrained: Sequence[Finding]) -> str:
    """Return the sentence that holds the trained network against the untrained ones."""
    if not untrained:
        return ""
    if not trained.parts or any(not found.parts for found in untrained):
        return f"It holds in {sum(bool(found.holds) for found in untrained)} of {len(untrained)} untrained networks."
    means = pooled(untrained)
    gaps = {name: part - means[name] for name, part in trained.parts.items()}
    return f"Trained minus the mean of {len(untrained)} untrained networks: {listed(gaps)}."
