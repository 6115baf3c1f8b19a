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
def demo():
    """The shipped network on some of the shipped text."""
    batches = interp.load_task("transliteration").batches("demo", limit=200, seed=0)
    acts = interp.capture(interp.load_model("armenian-bilstm"), batches, quantities=["h", "c"], progress=False)
    return interp.pick(acts, module="lstm")


@pytest.fixture(scope="session")
def searched(demo):
    """A hypothesis about ``tyun``, from the first place where it stands."""
    letters, samples, steps = (demo[name].values for name in ("input", "sample", "step"))
    at = next(at for at in range(len(letters)) if "".join(letters[at : at + 4]) == "tyun")
    span = (int(samples[at]), int(steps[at]), int(steps[at]) + 3)
    return interp.measure("hypothesis", demo, span=span, regex="tyun", quantity=["h", "c"])
