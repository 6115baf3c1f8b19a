"""Linear classifiers from units to the output of an input, with control tasks and baselines from the text alone."""

from collections.abc import Callable
from typing import Any

from interp import hookimpl
from interp_classifier.classification import FittedClassifier, codelength, fit
from interp_classifier.probe import classifier

__all__ = ["FittedClassifier", "classifier", "codelength", "fit"]


@hookimpl
def register_probes(register: Callable[[Any], None]) -> None:
    """Register ``classifier``."""
    register(classifier)
