"""Log probabilities of a made-up network that copies letters or writes one symbol, with known log odds."""

import numpy as np

from interp_transliteration.languages.pack import load_pack

PACK = load_pack("hy")


def logs_of(typed, copied):
    """Return log probabilities: each letter is copied with its chance, or becomes ա or (less likely) nothing."""
    rows = np.full((len(typed), len(PACK.outputs)), 1e-12)
    for row, letter, chance in zip(rows, typed, copied, strict=True):
        row[PACK.outputs.index("ա")] = 0.9 * (1 - chance)
        row[PACK.outputs.index("_")] = 0.1 * (1 - chance)
        row[PACK.outputs.index(letter if letter in PACK.plain else "#")] += chance
    return np.log(rows / rows.sum(1, keepdims=True))
