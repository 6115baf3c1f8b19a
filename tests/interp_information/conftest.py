"""Activations with a known code: eight binary factors, each in one unit of its own, beside units of noise."""

import numpy as np
import pytest
import xarray as xr

FACTORS = [f"factor_{k}" for k in range(8)]
NOISE_UNITS, SOURCES, TOKENS_PER_SOURCE = 24, 200, 20


def make_acts(values, labels):
    """Return activations (token, unit) of a layer ``hidden``, with labels."""
    tokens, units = values.shape
    position = np.arange(tokens)
    token = {"sample": position // TOKENS_PER_SOURCE, "step": position % TOKENS_PER_SOURCE}
    token |= {"source": token["sample"]} | labels
    unit = {
        "unit": [f"hidden.out.{k}" for k in range(units)],
        "module": ["hidden"] * units,
        "layer": np.zeros(units, np.int16),
        "direction": [""] * units,
        "quantity": ["out"] * units,
        "index": np.arange(units, dtype=np.int32),
        "symbol": [""] * units,
    }
    coords = {name: ("token", np.asarray(column)) for name, column in token.items()}
    coords |= {name: ("unit", column) for name, column in unit.items()}
    return xr.Dataset({"activation": (("token", "unit"), values.astype(np.float32))}, coords)


@pytest.fixture(scope="session")
def coded_acts():
    """Activations of the known code."""
    draw = np.random.default_rng(0)
    factors = draw.integers(0, 2, (SOURCES * TOKENS_PER_SOURCE, 8))
    signal = 2.0 * factors - 1 + draw.normal(0, 0.1, factors.shape)
    values = np.concatenate([signal, draw.normal(size=(len(signal), NOISE_UNITS))], axis=1)
    return make_acts(values, {name: factors[:, k] for k, name in enumerate(FACTORS)})


@pytest.fixture(scope="session")
def copied_acts(coded_acts):
    """The same activations, with a copy of each unit that encodes a factor."""
    values = coded_acts.activation.values
    labels = {name: coded_acts[name].values for name in FACTORS}
    return make_acts(np.concatenate([values, values[:, :8]], axis=1), labels)
