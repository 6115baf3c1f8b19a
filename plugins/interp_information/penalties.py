"""Penalties that need nothing trained along: l1, dropout, total correlation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from interp import Live, OptionError, Penalty
from interp_information.formulas import gaussian_total_correlation, moments

if TYPE_CHECKING:
    import numpy as np
    import torch


class L1(Penalty):
    """The mean of abs(activation) over tokens and units: a control, in units of the activation.

    Parameters
    ----------
    units : str, sequence of str or mapping, optional
        As of `interp.Penalty`.
    """

    name = "l1"

    def __init__(self, *, units: Any = None) -> None:
        self.units = units

    def loss(self, live: Live, labels: Mapping[str, np.ndarray]) -> torch.Tensor:  # noqa: ARG002
        """Return the mean of abs(activation)."""
        return live.values.abs().mean()


class Dropout(Penalty):
    """Sets units to 0 at random while training and scales the others up: a control (Srivastava et al. 2014).

    It adds nothing to the loss, so that its weight says no more than that it is there; ``rate`` is its strength.

    Parameters
    ----------
    rate : float
        The share of values that are set to 0, from 0 to below 1.
    units : str, sequence of str or mapping, optional
        As of `interp.Penalty`.
    """

    name = "dropout"

    def __init__(self, *, rate: float = 0.2, units: Any = None) -> None:
        if not 0 <= rate < 1:
            raise OptionError(f"dropout: rate must be from 0 to below 1; got {rate!r}.")
        self.rate, self.units = rate, units

    def edit(self, values: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return the values with some set to 0."""
        import torch

        kept = torch.rand(values.shape, generator=generator).to(values) >= self.rate
        return values * kept / (1 - self.rate)

    def loss(self, live: Live, labels: Mapping[str, np.ndarray]) -> torch.Tensor:  # noqa: ARG002
        """Return 0."""
        return live.values.new_zeros(())


class TotalCorrelation(Penalty):
    """The total correlation of units as a Gaussian's, -1/2 ln det R, in nats: 0 where all are uncorrelated.

    R is that of a running average over batches, shrunk towards the identity. The gradient is that of the batch's own R:
    one that follows the average lags behind the network by a hundred batches, and descent along it swings ever wider.
    A batch should have several tokens a unit. See Watanabe 1960 for the quantity.

    Parameters
    ----------
    units : str, sequence of str or mapping, optional
        As of `interp.Penalty`.
    decay : float
        Of the running average, 0 to below 1.
    shrink : float
        Of R towards the identity, above 0 to 1.
    """

    name = "total-correlation"

    def __init__(self, *, units: Any = None, decay: float = 0.99, shrink: float = 0.01) -> None:
        if not (0 <= decay < 1 and 0 < shrink <= 1):
            raise OptionError(
                f"total-correlation: decay must be from 0 to below 1 and shrink above 0 to 1; got {decay}, {shrink}."
            )
        self.units, self.decay, self.shrink = units, decay, shrink
        self.held: tuple[torch.Tensor, ...] = ()

    def prepare(self, live: Live, labels: Mapping[str, np.ndarray]) -> None:  # noqa: ARG002
        """Start the averages from the first batch."""
        mean, covariance = moments(live.values.double())
        self.held = (mean, covariance + mean[:, None] * mean[None])

    def buffers(self) -> Iterable[torch.Tensor]:
        """Return the running averages: of the values, and of their products."""
        return self.held

    def loss(self, live: Live, labels: Mapping[str, np.ndarray]) -> torch.Tensor:  # noqa: ARG002
        """Return the total correlation."""
        values = live.values.double()
        mean, covariance = moments(values)
        for held, now in zip(self.held, (mean, covariance + mean[:, None] * mean[None]), strict=True):
            held.mul_(self.decay).add_(now.detach(), alpha=1 - self.decay)
        mean, square = self.held
        average = gaussian_total_correlation(square - mean[:, None] * mean[None], self.shrink)
        own = gaussian_total_correlation(covariance, self.shrink)
        return average + own - own.detach()


class VariationalBottleneck(Penalty):
    """KL of units with Gaussian noise to N(0, I), in nats a token: a bound on what they tell of the input.

    Readers get ``value + scale x noise``; the scale of each unit is trained along. Alemi et al., "Deep variational
    information bottleneck", 2017, with one scale a unit instead of one a token.

    Parameters
    ----------
    units : str, sequence of str or mapping, optional
        As of `interp.Penalty`; all in one place.
    scale : float
        Of the noise at the start, above 0.
    """

    name = "vib"

    def __init__(self, *, units: Any = None, scale: float = 0.1) -> None:
        if not scale > 0:
            raise OptionError(f"vib: scale must be above 0; got {scale!r}.")
        self.units, self.scale = units, scale
        self.log_scale: torch.nn.Parameter | None = None

    def prepare(self, live: Live, labels: Mapping[str, np.ndarray]) -> None:  # noqa: ARG002
        """Make the scales."""
        import torch

        self.log_scale = torch.nn.Parameter(torch.full_like(live.values[0], self.scale).log())

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        """Return the logarithm of the scales ``(unit,)``."""
        return () if self.log_scale is None else (self.log_scale,)

    def edit(self, values: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return the values with noise."""
        import torch

        assert self.log_scale is not None  # noqa: S101 (prepare comes first)
        noise = torch.randn(values.shape, generator=generator).to(values)
        return values + self.log_scale.exp().to(values) * noise

    def loss(self, live: Live, labels: Mapping[str, np.ndarray]) -> torch.Tensor:  # noqa: ARG002
        """Return the divergence: summed over units, mean over tokens."""
        assert self.log_scale is not None  # noqa: S101
        return gaussian_divergence(live.values, self.log_scale).sum(1).mean()


class InformationDropout(Penalty):
    """Multiplies units by log-normal noise whose scale the layer itself sets, and prices little noise, in nats a token.

    ``z = x exp(alpha e)``, ``alpha = most x sigmoid(W x + b)`` for each unit; the price is ``-ln(alpha / most)`` summed
    over units, the divergence from a log-uniform prior but for a constant, which is chosen such that the most noise
    costs nothing. Achille & Soatto, "Information dropout", 2018, section 5.

    Parameters
    ----------
    units : str, sequence of str or mapping, optional
        As of `interp.Penalty`; all in one place.
    most : float
        The largest alpha, above 0; .7 in the article.
    """

    name = "information-dropout"

    def __init__(self, *, units: Any = None, most: float = 0.7) -> None:
        if not most > 0:
            raise OptionError(f"information-dropout: most must be above 0; got {most!r}.")
        self.units, self.most = units, most
        self.scale: torch.nn.Linear | None = None

    def prepare(self, live: Live, labels: Mapping[str, np.ndarray]) -> None:  # noqa: ARG002
        """Make W and b."""
        import torch

        width = live.values.shape[1]
        self.scale = torch.nn.Linear(width, width, dtype=live.values.dtype)
        torch.nn.init.constant_(self.scale.bias, -2.0)  # little noise at the start: the task is learnt first

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        """Return W and b."""
        return () if self.scale is None else self.scale.parameters()

    def edit(self, values: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return the values times noise."""
        import torch

        assert self.scale is not None  # noqa: S101 (prepare comes first)
        alpha = self.most * self.scale(values.to(self.scale.weight.dtype)).sigmoid()
        noise = torch.randn(values.shape, generator=generator).to(alpha)
        noisy: torch.Tensor = values * (alpha * noise).exp().to(values)
        return noisy

    def loss(self, live: Live, labels: Mapping[str, np.ndarray]) -> torch.Tensor:  # noqa: ARG002
        """Return the price."""
        from torch.nn.functional import logsigmoid

        assert self.scale is not None  # noqa: S101
        return -logsigmoid(self.scale(live.values)).sum(1).mean()


WIDTH = 128  # of the hidden layer of Q


class InfoGAN(Penalty):
    """Minus the information, in nats a code, that the outputs keep of codes put into units: at least -ln 2.

    In a forward of its own, the first units get random codes of -1 and +1, do(h = c), the others and the input stay;
    Q, which is trained along and then dropped, reads the codes off the model's log-probabilities and the input. The
    loss of the task takes the place of the discriminator. After Chen et al., "InfoGAN", 2016.

    Parameters
    ----------
    units : str, sequence of str or mapping, optional
        As of `interp.Penalty`; all in one place.
    codes : int
        How many of the units, from the first on, are codes.
    """

    name = "infogan"
    branch = "own"

    def __init__(self, *, units: Any = None, codes: int = 16) -> None:
        self.units, self.codes = units, at_least_one("infogan", codes)
        self.reader: torch.nn.Sequential | None = None

    def prepare(self, live: Live, labels: Mapping[str, np.ndarray]) -> None:  # noqa: ARG002
        """Make Q."""
        from torch import nn

        check_codes(self.name, self.codes, live)
        width = live.outputs.shape[1] + live.inputs.shape[1]
        layers = nn.Linear(width, WIDTH), nn.ReLU(), nn.Linear(WIDTH, self.codes)
        self.reader = nn.Sequential(*layers).to(live.outputs.dtype)

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        """Return those of Q."""
        return () if self.reader is None else self.reader.parameters()

    def edit(self, values: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return the values with codes in the first units."""
        import torch

        codes = torch.randint(2, (len(values), self.codes), generator=generator).to(values) * 2 - 1
        return torch.cat([codes, values[:, self.codes :]], 1)

    def loss(self, live: Live, labels: Mapping[str, np.ndarray]) -> torch.Tensor:  # noqa: ARG002
        """Return minus the information."""
        import torch

        assert self.reader is not None  # noqa: S101
        read = torch.cat([live.outputs.log_softmax(-1), live.inputs.to(live.outputs)], 1)
        return -code_information(self.reader(read), live.edited[:, : self.codes].detach())


class LabelCode(Penalty):
    """Minus what single units tell of a label, in nats, mean over the units: supervised, an oracle.

    ``H(Y) + E ln q(y | h_k)`` for each of the first units, q quadratic in ``h_k`` and trained along; at most the mean
    of ``I(Y; h_k)``. Tokens whose label the first batch of training does not have are left out.

    Parameters
    ----------
    units : str, sequence of str or mapping, optional
        As of `interp.Penalty`.
    codes : int
        How many of the units, from the first on, are to tell the label.
    label : str
        Of the batches.
    """

    name = "label-code"

    def __init__(self, *, units: Any = None, codes: int = 16, label: str = "output") -> None:
        self.units, self.codes, self.label = units, at_least_one("label-code", codes), label
        self.known: dict[Any, int] = {}
        self.weights: tuple[torch.nn.Parameter, ...] = ()

    def prepare(self, live: Live, labels: Mapping[str, np.ndarray]) -> None:
        """Make q, for the labels of the first batch."""
        import torch

        check_codes(self.name, self.codes, live)
        self.known = {symbol: at for at, symbol in enumerate(sorted(set(self._values(labels).tolist())))}
        shape = (self.codes, len(self.known))
        self.weights = tuple(torch.nn.Parameter(0.01 * torch.randn(shape).to(live.values)) for _ in range(3))

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        """Return those of q: constant, linear, quadratic ``(unit, label)``."""
        return self.weights

    def loss(self, live: Live, labels: Mapping[str, np.ndarray]) -> torch.Tensor:
        """Return minus the information."""
        import torch

        found = torch.tensor([self.known.get(symbol, -1) for symbol in self._values(labels).tolist()])
        value, found = live.values[found >= 0, : self.codes, None], found[found >= 0]
        constant, linear, quadratic = self.weights
        entropy = entropy_of(found, len(self.known)).to(value)
        return -label_information(constant + value * linear + value**2 * quadratic, found, entropy)

    def _values(self, labels: Mapping[str, np.ndarray]) -> np.ndarray:
        if self.label not in labels:
            raise SchemaError(f"label-code needs the label {self.label!r}; the batches have {', '.join(labels)}.")
        return labels[self.label]


def at_least_one(name: str, codes: int) -> int:
    """Return a number of codes, or raise `OptionError`."""
    if isinstance(codes, bool) or not isinstance(codes, int) or codes < 1:
        raise OptionError(f"{name}: codes must be at least 1; got {codes!r}.")
    return codes


def check_codes(name: str, codes: int, live: Live) -> None:
    """Raise `OptionError` where there are fewer units than codes."""
    if live.values.shape[1] < codes:
        raise OptionError(f"{name}: codes={codes}, and units= are {live.values.shape[1]}; name more units.")
