"""Fixtures for the views of units: a made-up capture, and results measured on it."""

import numpy as np
import pytest

import interp


@pytest.fixture(scope="session")
def debiased(drawn_acts):
    """Distances of the debiased estimator, some of pairs with few tokens."""
    return interp.measure("hellinger", drawn_acts, min_tokens=60, min_sources=20, n_permutations=20)


@pytest.fixture(scope="session")
def saturated(drawn_acts):
    return interp.measure("saturation", drawn_acts)


@pytest.fixture(scope="session")
def demo():
    """Activations of the shipped network on some of the shipped text."""
    batches = interp.load_task("transliteration").batches("demo", limit=200, seed=0)
    acts = interp.capture(interp.load_model("armenian-bilstm"), batches, quantities=["h", "c"], progress=False)
    return interp.select(acts, module="lstm")


@pytest.fixture(scope="session")
def searched(demo):
    """A hypothesis about ``tyun``, from its first occurrence."""
    letters, samples, steps = (demo[name].values for name in ("input", "sample", "step"))
    at = next(at for at in range(len(letters)) if "".join(letters[at : at + 4]) == "tyun")
    span = (int(samples[at]), int(steps[at]), int(steps[at]) + 3)
    return interp.measure("hypothesis", demo, span=span, regex="tyun", quantity=["h", "c"])


@pytest.fixture(scope="session")
def other(drawn_acts):
    """A second model: the units of the first one permuted within each group, some with the other sign, with noise."""
    draw = np.random.default_rng(3)
    keys = list(zip(*(drawn_acts[name].values for name in ("module", "direction", "quantity")), strict=True))
    order = np.arange(len(keys))
    for key in dict.fromkeys(keys):
        members = np.array([at for at, own in enumerate(keys) if own == key])
        order[members] = draw.permutation(members)
    sign = draw.choice([-1, 1], len(keys))
    values = drawn_acts.activation.values[:, order] * sign + draw.normal(0, 0.1, drawn_acts.activation.shape)
    return drawn_acts.assign(activation=(("token", "unit"), values.astype("float32"))).assign_attrs(
        model="other"
    ), order


@pytest.fixture(scope="session")
def views(drawn_acts, drawn_links, drawn_dist, debiased, saturated, searched, other):
    """Each view by name."""
    return {
        "overview": interp.draw("overview", debiased),
        "saturation-map": interp.draw("saturation-map", saturated),
        "unit-card": interp.draw(
            "unit-card", drawn_acts, debiased, unit="lstm.0.backward.h.11", connectivity=drawn_links
        ),
        "compare": interp.draw("compare", drawn_acts, other[0], debiased, debiased),
        "hypothesis": interp.draw("hypothesis", searched),
    }
