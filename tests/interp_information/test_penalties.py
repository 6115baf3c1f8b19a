"""The penalties' formulas against closed forms, exact enumerations and finite differences."""

from itertools import product
from math import log

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from torch import nn

import interp
from interp_information import L1, Dropout, InfoGAN, InformationDropout, LabelCode, TotalCorrelation
from interp_information import VariationalBottleneck as Bottleneck
from interp_information.formulas import (
    code_information,
    entropy_of,
    gaussian_divergence,
    gaussian_total_correlation,
    label_information,
    moments,
)


def live(values, edited=None, outputs=None, inputs=None):
    values = torch.as_tensor(values)
    names = tuple(f"hidden.out.{at}" for at in range(values.shape[1]))
    return interp.Live(names, values, values if edited is None else edited, lambda: outputs, lambda: inputs)


def values(tokens=400, units=4, seed=0):
    draw = np.random.default_rng(seed)
    return torch.from_numpy(draw.normal(size=(tokens, units)) @ draw.normal(size=(units, units)))


@pytest.mark.parametrize("r", [0.0, 0.3, -0.2, 0.9])
@pytest.mark.parametrize("d", [2, 5])
def test_total_correlation_of_equally_correlated_gaussians(d, r):
    if r <= -1 / (d - 1):
        pytest.skip("no such matrix")
    covariance = torch.full((d, d), r, dtype=torch.float64).fill_diagonal_(1.0) * 7.0
    wanted = -0.5 * ((d - 1) * log(1 - r) + log(1 + (d - 1) * r))
    assert float(gaussian_total_correlation(covariance)) == pytest.approx(wanted, abs=1e-12)


def test_total_correlation_of_a_chain_adds_up():
    r = 0.6
    chain = torch.tensor([[r ** abs(i - j) for j in range(6)] for i in range(6)], dtype=torch.float64)
    assert float(gaussian_total_correlation(chain)) == pytest.approx(-5 * 0.5 * log(1 - r**2))


def test_shrinking_bounds_what_duplicates_and_constants_add():
    twice = torch.ones(2, 2, dtype=torch.float64)
    assert float(gaussian_total_correlation(twice, 0.01)) == pytest.approx(-0.5 * log(1 - 0.99**2))
    dead = torch.diag(torch.tensor([1.0, 0.0, 2.0]).double())
    assert float(gaussian_total_correlation(dead, 0.01)) == 0.0


def test_the_penalty_follows_the_running_average_and_has_the_batchs_own_gradient():
    penalty, held = TotalCorrelation(), values()
    penalty.prepare(live(held), {})
    x = held.clone().requires_grad_()
    value = penalty.loss(live(x), {})
    value.backward()
    y = held.clone().requires_grad_()
    plain = gaussian_total_correlation(moments(y)[1], 0.01)
    plain.backward()
    assert float(value.detach()) == pytest.approx(float(plain.detach()))
    torch.testing.assert_close(x.grad, y.grad)
    other = values(seed=5)
    after = penalty.loss(live(other), {})
    means = [0.99 * held.mean(0) + 0.01 * other.mean(0), 0.99 * held.T @ held / 400 + 0.01 * other.T @ other / 400]
    wanted = gaussian_total_correlation(means[1] - torch.outer(means[0], means[0]), 0.01)
    assert float(after) == pytest.approx(float(wanted), rel=1e-6)


def test_descent_on_total_correlation_takes_correlation_away():
    mixing = nn.Parameter(torch.eye(4, dtype=torch.float64))
    held, penalty = values(2000), TotalCorrelation()
    penalty.prepare(live(held), {})
    descent = torch.optim.Adam([mixing], 0.02)
    for _ in range(400):
        descent.zero_grad()
        value = penalty.loss(live(held @ mixing), {})
        value.backward()
        descent.step()
    assert float(gaussian_total_correlation(moments(held)[1])) > 0.5
    assert float(gaussian_total_correlation(moments(held @ mixing.detach())[1])) < 0.02


@pytest.mark.parametrize(("mean", "scale"), [(0.0, 1.0), (0.7, 0.2), (-2.0, 1.5)])
def test_the_divergence_of_gaussians_is_its_integral(mean, scale):
    one, other = norm(mean, scale), norm(0, 1)
    wanted = quad(lambda x: one.pdf(x) * (one.logpdf(x) - other.logpdf(x)), mean - 12 * scale, mean + 12 * scale)[0]
    got = gaussian_divergence(
        torch.tensor([[mean]], dtype=torch.float64), torch.tensor([log(scale)], dtype=torch.float64)
    )
    assert float(got) == pytest.approx(wanted, abs=1e-8)


def test_the_bottleneck_adds_up_over_units_and_averages_over_tokens():
    penalty, held = Bottleneck(scale=0.5), values(50, 3)
    penalty.prepare(live(held), {})
    wanted = np.mean([sum(0.5 * (m**2 + 0.25 - 1) - log(0.5) for m in row) for row in held.tolist()])
    assert float(penalty.loss(live(held), {}).detach()) == pytest.approx(wanted)
    noisy = torch.stack([penalty.edit(held, torch.Generator().manual_seed(s)) for s in range(4000)]).detach()
    np.testing.assert_allclose(noisy.mean(0), held, atol=0.05)
    assert float(noisy.std(0).mean()) == pytest.approx(0.5, rel=0.01)


def enumerated(channel, q):
    """Return (L_I, I) in nats of one fair code over a channel: rows of P(symbol | c), and Q's logit for each symbol."""
    bound, true, marginal = 0.0, 0.0, channel.mean(0)
    for at, code in enumerate((-1.0, 1.0)):
        for symbol, chance in enumerate(channel[at]):
            logits, codes = torch.tensor([[q[symbol]]]).double(), torch.tensor([[code]]).double()
            bound += 0.5 * chance * float(code_information(logits, codes))
            true += 0.5 * chance * log(chance / marginal[symbol]) if chance else 0.0
    return bound, true


def test_infogans_bound_is_never_above_the_information_and_meets_it_at_the_posterior():
    draw = np.random.default_rng(1)
    for _ in range(200):
        channel = draw.dirichlet(np.full(4, 0.4), 2)
        bound, true = enumerated(channel, draw.normal(0, 3, 4))
        assert bound <= true + 1e-12 <= log(2) + 2e-12
        posterior = np.log(channel[1]) - np.log(channel[0])
        assert enumerated(channel, posterior)[0] == pytest.approx(true, abs=1e-9)


def test_infogans_bound_over_several_codes_is_the_mean_and_at_most_ln_2():
    codes = torch.tensor(list(product([-1.0, 1.0], repeat=3))).double()
    sure = code_information(1e3 * codes, codes)
    assert float(sure) == pytest.approx(log(2))
    assert float(code_information(torch.zeros(8, 3).double(), codes)) == pytest.approx(0, abs=1e-15)
    two_of_three = torch.cat([1e3 * codes[:, :2], torch.zeros(8, 1).double()], 1)
    assert float(code_information(two_of_three, codes)) == pytest.approx(2 / 3 * log(2))


def test_infogan_puts_fair_codes_into_the_first_units_alone():
    penalty, held = InfoGAN(codes=2), values(5000, 4)
    edited = penalty.edit(held, torch.Generator().manual_seed(0))
    assert torch.equal(edited[:, 2:], held[:, 2:])
    assert set(edited[:, :2].unique().tolist()) == {-1.0, 1.0}
    assert edited[:, :2].mean(0).abs().max() < 0.05
    assert abs(float((edited[:, 0] * edited[:, 1]).mean())) < 0.05


def test_infogans_reader_learns_a_known_channel():
    penalty = InfoGAN(codes=1)
    draw = torch.Generator().manual_seed(0)

    def forward():
        codes = penalty.edit(torch.zeros(512, 2), draw)
        flipped = torch.where(torch.rand(512, generator=draw) < 0.1, -codes[:, 0], codes[:, 0])
        outputs = torch.stack([flipped, -flipped], 1)
        return live(torch.zeros(512, 2), codes, outputs, torch.zeros(512, 1))

    torch.manual_seed(0)
    penalty.prepare(forward(), {})
    descent = torch.optim.Adam(list(penalty.parameters()), 0.01)
    found = []
    for _ in range(300):
        descent.zero_grad()
        value = penalty.loss(forward(), {})
        value.backward()
        descent.step()
        found.append(-float(value.detach()))
    true = log(2) + 0.1 * log(0.1) + 0.9 * log(0.9)
    assert np.mean(found[-100:]) == pytest.approx(true, abs=0.02)


def test_label_information_is_that_of_the_joint_law_at_its_posterior_and_below_it_else():
    draw = np.random.default_rng(2)
    joint = draw.dirichlet(np.ones(6)).reshape(2, 3)  # P(h, y)
    counts = draw.multinomial(10_000, joint.ravel())
    cells = np.repeat(np.arange(6), counts)
    labels = torch.from_numpy(cells % 3)
    share = counts.reshape(2, 3) / 10_000
    true = sum(p * log(p / (share.sum(1)[h] * share.sum(0)[y])) for (h, y), p in np.ndenumerate(share))
    logits = torch.from_numpy(np.log(share))[torch.from_numpy(cells // 3)][:, None]
    entropy = entropy_of(labels, 3)
    assert float(label_information(logits, labels, entropy)) == pytest.approx(true)
    worse = logits + torch.tensor([0.0, 1.0, -1.0])
    assert float(label_information(worse, labels, entropy)) < true


def test_label_code_leaves_labels_out_that_the_first_batch_did_not_have():
    penalty, held = LabelCode(codes=2, label="y"), values(6, 3)
    penalty.prepare(live(held), {"y": np.array(list("aabbca"))})
    got = penalty.loss(live(held), {"y": np.array(list("aabbcz"))})
    wanted = penalty.loss(live(held[:5]), {"y": np.array(list("aabbc"))})
    assert float(got.detach()) == pytest.approx(float(wanted.detach()))


def test_information_dropout_prices_the_noise_that_it_adds():
    penalty, held = InformationDropout(most=0.6), values(2000, 2)
    torch.manual_seed(0)
    penalty.prepare(live(held), {})
    alpha = 0.6 * torch.sigmoid(penalty.scale(held)).detach()
    price = float(penalty.loss(live(held), {}).detach())
    assert price == pytest.approx(float(-(alpha / 0.6).log().sum(1).mean()))
    logs = torch.stack([(penalty.edit(held, torch.Generator().manual_seed(s)) / held).log() for s in range(300)])
    np.testing.assert_allclose(logs.std(0).detach().mean(0), alpha.mean(0), rtol=0.02)
    with torch.no_grad():
        penalty.scale.bias.fill_(50.0)
    assert float(penalty.loss(live(held * 0), {}).detach()) == pytest.approx(0, abs=1e-12)


def test_dropout_keeps_the_mean_and_l1_is_the_mean_size():
    held = values(20_000, 2)
    dropped = Dropout(rate=0.25).edit(held, torch.Generator().manual_seed(0))
    assert float((dropped == 0).double().mean()) == pytest.approx(0.25, abs=0.01)
    assert torch.equal(dropped[dropped != 0], (held / 0.75)[dropped != 0])
    assert float(L1().loss(live(torch.tensor([[-1.0, 2.0], [0.0, 3.0]])), {})) == 1.5


def test_gradients_in_float64():
    check = torch.autograd.gradcheck
    held = values(30, 3).requires_grad_()
    scale = torch.tensor([-0.5, 0.1, 0.4]).double().requires_grad_()
    codes = torch.randint(2, (30, 3)) * 2.0 - 1
    labels = torch.randint(3, (30,))
    assert check(lambda x: gaussian_total_correlation(moments(x)[1], 0.01), (held,))
    assert check(lambda x, s: gaussian_divergence(x, s).sum(1).mean(), (held, scale))
    assert check(lambda x: code_information(x, codes.double()), (held,))
    assert check(lambda x: label_information(x[:, None], labels, torch.tensor(1.0).double()), (held,))
    assert check(lambda x: L1().loss(live(x), {}), (held,))
    assert check(lambda x: Dropout().edit(x, torch.Generator().manual_seed(1)), (held,))
    for penalty in (Bottleneck(), InformationDropout()):
        penalty.prepare(live(held.detach()), {})
        assert check(lambda x, p=penalty: p.edit(x, torch.Generator().manual_seed(1)), (held,))
        assert check(lambda x, p=penalty: p.loss(live(x), {}), (held,))
    coded = LabelCode(codes=3, label="y")
    coded.prepare(live(held.detach()), {"y": labels.numpy()})
    assert check(lambda x: coded.loss(live(x), {"y": labels.numpy()}), (held,))
    gan = InfoGAN(codes=3)
    gan.prepare(live(held.detach(), None, held.detach(), held.detach()), {})
    assert check(lambda x: gan.loss(live(x, codes.double(), x, x), {}), (held,))
