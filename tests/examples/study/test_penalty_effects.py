"""Fitted penalties against exact values."""

import numpy as np
import pytest
import torch
from study import penalty_effects
from study.penalty_effects import ReadoutHead, fitted_loss

from interp_information import InfoGAN, VariationalBottleneck

UNITS, OTHER_INPUTS, TOKENS = 20, 3, 2000


def frozen_head(output: torch.nn.Module) -> ReadoutHead:
    draw = torch.Generator().manual_seed(0)
    values = torch.rand(TOKENS, UNITS, generator=draw) * 2 - 1
    others = torch.nn.functional.one_hot(torch.randint(OTHER_INPUTS, (TOKENS,), generator=draw), OTHER_INPUTS).float()
    return ReadoutHead(values, others, torch.zeros(TOKENS, dtype=torch.long), output)


def output_layer(columns: int, strength: float) -> torch.nn.Linear:
    """Return an output layer with one logit per first unit, and a logit without inputs."""
    output = torch.nn.Linear(UNITS + OTHER_INPUTS, columns + 1).requires_grad_(requires_grad=False)
    output.weight.zero_()
    output.bias.zero_()
    output.weight[:columns, :columns] = strength * torch.eye(columns)
    return output


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr(penalty_effects, "N_STEPS", 300)
    monkeypatch.setattr(penalty_effects, "N_TOKENS", 256)


@pytest.mark.parametrize(("strength", "expected"), [(0.0, 0.0), (3.0, np.log(2))])
def test_a_new_q_finds_codes_that_the_output_depends_on(strength, expected):
    head = frozen_head(output_layer(4, strength))
    information = -fitted_loss(InfoGAN(units="hidden", codes=4), 1.0, head, head)
    assert information == pytest.approx(expected, abs=0.03)


def test_a_scale_without_effect_becomes_one_and_leaves_half_the_mean_square():
    head = frozen_head(output_layer(1, 0.0))
    divergence = fitted_loss(VariationalBottleneck(units="hidden", scale=0.8), 1.0, head, head)
    assert divergence == pytest.approx(0.5 * UNITS / 3, rel=0.05)  # uniform over -1..1: a mean square of 1/3


def test_fitting_preserves_the_global_generator_and_is_reproducible():
    head, before = frozen_head(output_layer(2, 1.0)), torch.get_rng_state()
    first, second = (fitted_loss(InfoGAN(units="hidden", codes=2), 1.0, head, head) for _ in range(2))
    assert first == second
    assert torch.equal(before, torch.get_rng_state())
