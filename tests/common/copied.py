"""Log probabilities of a made-up network that copies letters or writes a constant one."""

import numpy as np

from interp_transliteration.pack import load_pack

PACK = load_pack("hy")


def logs_of(typed, copied):
    """Return log probabilities (letter, symbol): each letter is copied with its probability, otherwise ա (0.9) or _."""
    rows = np.full((len(typed), len(PACK.outputs)), 1e-12)
    for row, letter, probability in zip(rows, typed, copied, strict=True):
        row[PACK.outputs.index("ա")] = 0.9 * (1 - probability)
        row[PACK.outputs.index("_")] = 0.1 * (1 - probability)
        row[PACK.outputs.index(letter if letter in PACK.plain else "#")] += probability
    return np.log(rows / rows.sum(1, keepdims=True))
