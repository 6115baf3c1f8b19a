"""What the views of units are drawn from: a made-up capture, and results over it."""

import pytest

import interp


@pytest.fixture(scope="session")
def honest(drawn_acts):
    """Distances of the honest mode, some of pairs with few tokens."""
    return interp.measure("hellinger", drawn_acts, minimum=60, minimum_sources=20, draws=20)


@pytest.fixture(scope="session")
def saturated(drawn_acts):
    return interp.measure("saturation", drawn_acts)


@pytest.fixture(scope="session")
def searched(drawn_acts):
    """A hypothesis about ``tyun``, from the first place where it stands."""
    return interp.measure("hypothesis", drawn_acts, span=first(drawn_acts, "tyun"), regex="tyun", share=0.3)


def first(acts, text):
    """The span of the first place where a text stands."""
    letters, samples, steps = (acts[name].values for name in ("input", "sample", "step"))
    for at in range(letters.size - len(text)):
        if "".join(letters[at : at + len(text)]) == text and samples[at] == samples[at + len(text) - 1]:
            return int(samples[at]), int(steps[at]), int(steps[at]) + len(text) - 1
    raise AssertionError(text)
