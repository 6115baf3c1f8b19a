"""Captures of networks with planted units."""

import pytest

import interp


def capture_planted(seed):
    planted = interp.testing.planted_network(seed, sources=200)
    acts = interp.capture(planted.model, planted.batches, quantities=["h"], progress=False)
    return planted, interp.select(acts, module="lstm")


@pytest.fixture(scope="session")
def planted_capture():
    """Return a planted network and the capture of its recurrent units."""
    return capture_planted(0)


@pytest.fixture(scope="session")
def capture():
    """Return the function that makes and captures a planted network from a seed."""
    return capture_planted
