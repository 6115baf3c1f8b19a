"""What a network would say that copies letters, or writes one and the same: log odds that are known."""

import numpy as np

from interp_transliteration.pack import load_pack

PACK = load_pack("hy")


def logs_of(typed, copied):
    """Log probabilities in which each letter is copied with its chance, else it is ա or, less likely, nothing."""
    rows = np.full((len(typed), len(PACK.outputs)), 1e-12)
    for row, letter, chance in zip(rows, typed, copied, strict=True):
        row[PACK.outputs.index("ա")] = 0.9 * (1 - chance)
        row[PACK.outputs.index("_")] = 0.1 * (1 - chance)
        row[PACK.outputs.index(letter if letter in PACK.plain else "#")] += chance
    return np.log(rows / rows.sum(1, keepdims=True))
