"""Networks with known causal effects."""

import numpy as np
import pytest
import torch
from torch import nn

import interp


class Tanh(nn.Linear):
    def forward(self, x):
        return super().forward(x).tanh()


class Planted(nn.Module):
    """Copies of the inputs in a cell without memory, a hidden layer, and logits of three outputs.

    Inputs: a letter (two columns), the sign that determines the output, and noise. Units of h: 0 detects the sign, 1 is
    a copy of it that no layer reads, 2 and 3 are copies that together saturate a hidden unit, 4 is noise that is read.
    """

    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN(4, 5, batch_first=True)
        self.hidden, self.output = Tanh(5, 3), nn.Linear(3 + 4, 3)
        self.symbols = {"output": ["x", "y", "z"]}
        with torch.no_grad():
            for value in self.parameters():
                value.zero_()
            self.rnn.weight_ih_l0[[0, 1, 2, 3], 2] = 0.5
            self.rnn.weight_ih_l0[4, 3] = 0.5
            self.hidden.weight[0, 0] = 1
            self.hidden.weight[1, [2, 3]] = 30.0
            self.hidden.weight[2, 4] = 1
            self.output.weight[:2, :2] = torch.tensor([[2.0, 1.0], [-2.0, -1.0]])
            self.output.weight[2, 2] = 0.5
            self.output.weight[2, :] += 0.1

    def forward(self, x, lengths=None):
        return self.output(torch.cat([self.hidden(self.rnn(x)[0]), x], -1))


def make_network(samples=60, steps=6, seed=0):
    draw = np.random.default_rng(seed)
    letter, sign = draw.integers(0, 2, (samples, steps)), draw.choice([-1.0, 1.0], (samples, steps))
    x = np.stack([letter == 0, letter == 1, sign, draw.normal(size=(samples, steps))], -1)
    labels = {
        "input": np.array(list("pq"))[letter].ravel(),
        "output": np.array(["y", "x"])[(sign > 0).astype(int)].ravel(),
        "source": np.arange(samples) // 2,
    }
    batch = interp.Batch(torch.from_numpy(x), [steps] * samples, labels)
    return Planted().double().eval(), batch


def capture_float64(model, batch, **options):
    return interp.capture(model, batch, progress=False, dtype="float64", **options)


@pytest.fixture(scope="session")
def net():
    """Return the planted network, its batch and its capture."""
    model, batch = make_network()
    return model, batch, capture_float64(model, batch)


@pytest.fixture(scope="session")
def make_planted():
    """Return the function that makes the planted network and its batch."""
    return make_network


@pytest.fixture(scope="session")
def capture():
    """Return the function that captures in float64."""
    return capture_float64
