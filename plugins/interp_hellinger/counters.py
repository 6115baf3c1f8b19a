"""Counter types and checks that both estimators share."""

from __future__ import annotations

import numpy as np

from interp import SchemaError

MAX_UINT16_TOKENS = 2**16  # a counter that can reach this many tokens is stored in 32 bits
MAX_EXAMPLES = 3  # units that an error message names
SOURCE_CHANGED = (
    "The source yielded other tokens than in the previous pass. Pass a source that yields the same chunks each time it "
    "is iterated, such as interp.stream(model, batches) with a list of batches."
)


def count_dtype(max_tokens: int) -> type[np.uint16 | np.uint32]:
    """Return the smallest dtype that holds counts of at most ``max_tokens`` tokens."""
    return np.uint16 if max_tokens < MAX_UINT16_TOKENS else np.uint32


def check_finite(units: np.ndarray, not_finite: np.ndarray) -> None:
    """Raise `SchemaError` if a unit had NaN or infinite values.

    Parameters
    ----------
    units : array (unit,) of str
    not_finite : array (unit,) of bool
        Units with NaN or infinite values.
    """
    names = units[not_finite]
    if names.size:
        examples = names[:MAX_EXAMPLES].tolist()
        listed = ", ".join(examples) + (", …" if names.size > MAX_EXAMPLES else "")
        raise SchemaError(
            f"Probe 'hellinger' needs finite activations; {names.size} units have NaN or infinite ones: {listed}. To "
            f"leave them out, type interp.select(acts, unit=lambda unit: ~np.isin(unit, {examples}))."
        )
