"""The penalties: losses, edits and gradients, by finite differences and simulations."""

from math import log

import numpy as np
import pytest
import torch
from torch import nn

import interp
from interp_information import (
    L1,
    Dropout,
    InfoGAN,
    InformationDropout,
    LabelCode,
    TotalCorrelation,
    VariationalBottleneck,
)
from interp_information.formulas import (
    code_information,
    gaussian_divergence,
    gaussian_total_correlation,
    label_information,
    moments,
)


def penalty_inputs(values, edited=None, outputs=None, inputs=None):
    values = torch.as_tensor(values)
    names = tuple(f"hidden.out.{at}" for at in range(values.shape[1]))
    return interp.PenaltyInputs(names, values, values if edited is None else edited, lambda: outputs, lambda: inputs)


def values(tokens=400, units=4, seed=0):
    draw = np.random.default_rng(seed)
    return torch.from_numpy(draw.normal(size=(tokens, units)) @ draw.normal(size=(units, units)))


def test_total_correlation_averages_over_batches_with_the_gradient_of_the_last():
    penalty, batch = TotalCorrelation(), values()
    penalty.setup(penalty_inputs(batch), {})
    x = batch.clone().requires_grad_()
    value = penalty.loss(penalty_inputs(x), {})
    value.backward()
    y = batch.clone().requires_grad_()
    plain = gaussian_total_correlation(moments(y)[1], 0.01)
    plain.backward()
    assert float(value.detach()) == pytest.approx(float(plain.detach()))
    torch.testing.assert_close(x.grad, y.grad)
    other = values(seed=5)
    after = penalty.loss(penalty_inputs(other), {})
    means = [0.99 * batch.mean(0) + 0.01 * other.mean(0), 0.99 * batch.T @ batch / 400 + 0.01 * other.T @ other / 400]
    expected = gaussian_total_correlation(means[1] - torch.outer(means[0], means[0]), 0.01)
    assert float(after) == pytest.approx(float(expected), rel=1e-6)


def test_descent_on_total_correlation_decorrelates_units():
    mixing = nn.Parameter(torch.eye(4, dtype=torch.float64))
    batch, penalty = values(2000), TotalCorrelation()
    penalty.setup(penalty_inputs(batch), {})
    descent = torch.optim.Adam([mixing], 0.02)
    for _ in range(400):
        descent.zero_grad()
        value = penalty.loss(penalty_inputs(batch @ mixing), {})
        value.backward()
        descent.step()
    assert float(gaussian_total_correlation(moments(batch)[1])) > 0.5
    assert float(gaussian_total_correlation(moments(batch @ mixing.detach())[1])) < 0.02


def test_bottleneck_sums_over_units_and_averages_over_tokens():
    penalty, batch = VariationalBottleneck(scale=0.5), values(50, 3)
    penalty.setup(penalty_inputs(batch), {})
    expected = np.mean([sum(0.5 * (m**2 + 0.25 - 1) - log(0.5) for m in row) for row in batch.tolist()])
    assert float(penalty.loss(penalty_inputs(batch), {}).detach()) == pytest.approx(expected)
    noisy = torch.stack([penalty.transform(batch, torch.Generator().manual_seed(s)) for s in range(4000)]).detach()
    np.testing.assert_allclose(noisy.mean(0), batch, atol=0.05)
    assert float(noisy.std(0).mean()) == pytest.approx(0.5, rel=0.01)


def test_infogan_puts_fair_codes_into_the_first_units_only():
    penalty, batch = InfoGAN(codes=2), values(5000, 4)
    edited = penalty.transform(batch, torch.Generator().manual_seed(0))
    assert torch.equal(edited[:, 2:], batch[:, 2:])
    assert set(edited[:, :2].unique().tolist()) == {-1.0, 1.0}
    assert edited[:, :2].mean(0).abs().max() < 0.05
    assert abs(float((edited[:, 0] * edited[:, 1]).mean())) < 0.05


def test_infogan_network_learns_a_simulated_channel():
    penalty = InfoGAN(codes=1)
    draw = torch.Generator().manual_seed(0)

    def forward():
        codes = penalty.transform(torch.zeros(512, 2), draw)
        flipped = torch.where(torch.rand(512, generator=draw) < 0.1, -codes[:, 0], codes[:, 0])
        outputs = torch.stack([flipped, -flipped], 1)
        return penalty_inputs(torch.zeros(512, 2), codes, outputs, torch.zeros(512, 1))

    torch.manual_seed(0)
    penalty.setup(forward(), {})
    descent = torch.optim.Adam(list(penalty.parameters()), 0.01)
    losses = []
    for _ in range(300):
        descent.zero_grad()
        value = penalty.loss(forward(), {})
        value.backward()
        descent.step()
        losses.append(-float(value.detach()))
    true = log(2) + 0.1 * log(0.1) + 0.9 * log(0.9)
    assert np.mean(losses[-100:]) == pytest.approx(true, abs=0.02)


def test_label_code_ignores_labels_that_the_first_batch_did_not_have():
    penalty, batch = LabelCode(codes=2, label="y"), values(6, 3)
    penalty.setup(penalty_inputs(batch), {"y": np.array(list("aabbca"))})
    got = penalty.loss(penalty_inputs(batch), {"y": np.array(list("aabbcz"))})
    expected = penalty.loss(penalty_inputs(batch[:5]), {"y": np.array(list("aabbc"))})
    assert float(got.detach()) == pytest.approx(float(expected.detach()))


def test_information_dropout_penalises_small_scales():
    penalty, batch = InformationDropout(max_scale=0.6), values(2000, 2)
    torch.manual_seed(0)
    penalty.setup(penalty_inputs(batch), {})
    alpha = 0.6 * torch.sigmoid(penalty.scale(batch)).detach()
    penalty_value = float(penalty.loss(penalty_inputs(batch), {}).detach())
    assert penalty_value == pytest.approx(float(-(alpha / 0.6).log().sum(1).mean()))
    logs = torch.stack([(penalty.transform(batch, torch.Generator().manual_seed(s)) / batch).log() for s in range(300)])
    np.testing.assert_allclose(logs.std(0).detach().mean(0), alpha.mean(0), rtol=0.02)
    with torch.no_grad():
        penalty.scale.bias.fill_(50.0)
    assert float(penalty.loss(penalty_inputs(batch * 0), {}).detach()) == pytest.approx(0, abs=1e-12)


def test_dropout_keeps_the_mean_and_l1_is_the_mean_magnitude():
    batch = values(20_000, 2)
    dropped = Dropout(rate=0.25).transform(batch, torch.Generator().manual_seed(0))
    assert float((dropped == 0).double().mean()) == pytest.approx(0.25, abs=0.01)
    assert torch.equal(dropped[dropped != 0], (batch / 0.75)[dropped != 0])
    assert float(L1().loss(penalty_inputs(torch.tensor([[-1.0, 2.0], [0.0, 3.0]])), {})) == 1.5


def test_gradients_in_float64():
    check = torch.autograd.gradcheck
    batch = values(30, 3).requires_grad_()
    scale = torch.tensor([-0.5, 0.1, 0.4]).double().requires_grad_()
    codes = torch.randint(2, (30, 3)) * 2.0 - 1
    labels = torch.randint(3, (30,))
    assert check(lambda x: gaussian_total_correlation(moments(x)[1], 0.01), (batch,))
    assert check(lambda x, s: gaussian_divergence(x, s).sum(1).mean(), (batch, scale))
    assert check(lambda x: code_information(x, codes.double()), (batch,))
    assert check(lambda x: label_information(x[:, None], labels, torch.tensor(1.0).double()), (batch,))
    assert check(lambda x: L1().loss(penalty_inputs(x), {}), (batch,))
    assert check(lambda x: Dropout().transform(x, torch.Generator().manual_seed(1)), (batch,))
    for penalty in (VariationalBottleneck(), InformationDropout()):
        penalty.setup(penalty_inputs(batch.detach()), {})
        assert check(lambda x, p=penalty: p.transform(x, torch.Generator().manual_seed(1)), (batch,))
        assert check(lambda x, p=penalty: p.loss(penalty_inputs(x), {}), (batch,))
    coded = LabelCode(codes=3, label="y")
    coded.setup(penalty_inputs(batch.detach()), {"y": labels.numpy()})
    assert check(lambda x: coded.loss(penalty_inputs(x), {"y": labels.numpy()}), (batch,))
    gan = InfoGAN(codes=3)
    gan.setup(penalty_inputs(batch.detach(), None, batch.detach(), batch.detach()), {})
    assert check(lambda x: gan.loss(penalty_inputs(x, codes.double(), x, x), {}), (batch,))
