"""Text with units that are active on known letters."""

import numpy as np
import pytest

import interp

TEXTS = ["xtyunx", "tyun", "xxyunt", "untyun", "ttyun", 30 * "x"] * 8
QUANTITIES = ["h", "c", "i", "h"]


def planted_acts(noise=0.0, seed=0):
    """Return a capture with units that are on through ``tyun``, below zero there, on through ``yun``, and noise."""
    rows = [(number, step, letter) for number, text in enumerate(TEXTS) for step, letter in enumerate(text)]
    sample, step, letters = zip(*rows, strict=True)
    values = np.zeros((len(rows), 4), "float32")
    at = 0
    for text in TEXTS:
        for column, part, size in ((0, "tyun", 1.0), (1, "tyun", -1.0), (2, "yun", 1.0)):
            start = text.find(part)
            if start >= 0:
                values[at + start : at + start + len(part), column] = size
        at += len(text)
    draw = np.random.default_rng(seed)
    values[:, 3] = draw.normal(size=len(rows))
    values += noise * draw.normal(size=values.shape).astype("float32")
    units = {"unit": [f"a.0.forward.{q}.{k}" for k, q in enumerate(QUANTITIES)], "module": ["a"] * 4, "layer": [0] * 4}
    units |= {"direction": ["forward"] * 4, "quantity": QUANTITIES, "index": range(4)}
    return interp.make_dataset(values, units, {"sample": sample, "step": step, "source": sample, "input": letters})


@pytest.fixture(scope="session")
def texts():
    return TEXTS


@pytest.fixture(scope="session")
def planted():
    """A function that returns such a capture, with noise."""
    return planted_acts
