"""How well a linear classifier reads off the units what an input becomes, and how much of that the text is owed."""

from collections.abc import Callable
from typing import Any

from interp import hookimpl
from interp_classifier.linear import Fitted, codelength, fit
from interp_classifier.probe import classifier

__all__ = ["Fitted", "classifier", "codelength", "fit"]


@hookimpl
def register_probes(register: Callable[[Any], None]) -> None:
    """Register ``classifier``."""
    register(classifier)
