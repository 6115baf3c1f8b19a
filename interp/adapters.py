"""Building blocks for adapters, edits and probes that look at torch modules themselves."""

from interp.interventions.gradients import ActivationGradients
from interp.recurrence.adapter import Adapter, CompiledLoop, OutputBuffer, QuantityHook
from interp.torch_utils import first_tensor, is_time_first

__all__ = [
    "ActivationGradients",
    "Adapter",
    "CompiledLoop",
    "OutputBuffer",
    "QuantityHook",
    "first_tensor",
    "is_time_first",
]
