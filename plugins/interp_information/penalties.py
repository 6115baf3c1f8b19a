"""Penalties for training: L1, dropout, total correlation, information bottlenecks, and codes in single units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from interp import OptionError, Penalty, PenaltyInputs, SchemaError
from interp_information.formulas import (
    code_information,
    gaussian_divergence,
    gaussian_total_correlation,
    label_entropy,
    label_information,
    moments,
)

if TYPE_CHECKING:
    import numpy as np
    import torch

HIDDEN_SIZE = 128  # hidden layer of InfoGAN's network Q


class L1(Penalty):
    """Mean of abs(activation) over tokens and units, in the unit of the activation. A control.

    Parameters
    ----------
    units : str, sequence of str or mapping, optional
        Units, as in `interp.Penalty`.
    """

    name = "l1"

    def __init__(self, *, units: Any = None) -> None:
        self.units = units

    def loss(self, live: PenaltyInputs, labels: Mapping[str, np.ndarray]) -> torch.Tensor:  # noqa: ARG002
        """Return the mean of abs(activation)."""
        return live.values.abs().mean()


class Dropout(Penalty):
    """Set units to 0 at random during training and scale the others up (Srivastava et al. 2014). A control.

    It adds nothing to the loss, so its weight has no effect as long as it is not 0; ``rate`` is its strength.

    Parameters
    ----------
    rate : float
        Probability with which a value is set to 0, from 0 to below 1.
    units : str, sequence of str or mapping, optional
        Units, as in `interp.Penalty`.
    """

    name = "dropout"

    def __init__(self, *, rate: float = 0.2, units: Any = None) -> None:
        if not 0 <= rate < 1:
            raise OptionError(f"dropout: rate must be from 0 to below 1; got {rate!r}.")
        self.rate, self.units = rate, units

    def transform(self, values: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return the values with some set to 0 and the others scaled up."""
        import torch

        mask = torch.rand(values.shape, generator=generator).to(values) >= self.rate
        return values * mask / (1 - self.rate)

    def loss(self, live: PenaltyInputs, labels: Mapping[str, np.ndarray]) -> torch.Tensor:  # noqa: ARG002
        """Return 0."""
        return live.values.new_zeros(())


class TotalCorrelation(Penalty):
    """Total correlation of the units under a Gaussian assumption, -1/2 ln det R in nats: 0 if they are uncorrelated.

    R is the correlation matrix of a running average over batches, shrunk towards the identity. The gradient is that of
    the batch's own R: the gradient of the average lags behind the network by a hundred batches, and descent along it
    oscillates with growing amplitude. A batch should have several tokens per unit. See Watanabe 1960 for the quantity.

    Parameters
    ----------
    units : str, sequence of str or mapping, optional
        Units, as in `interp.Penalty`.
    decay : float
        Decay of the running average, 0 to below 1.
    shrinkage : float
        Shrinkage of R towards the identity, above 0, at most 1.
    """

    name = "total-correlation"

    def __init__(self, *, units: Any = None, decay: float = 0.99, shrinkage: float = 0.01) -> None:
        if not (0 <= decay < 1 and 0 < shrinkage <= 1):
            raise OptionError(
                "total-correlation: decay must be from 0 to below 1, and shrinkage above 0 and at most 1; "
                f"got {decay}, {shrinkage}."
            )
        self.units, self.decay, self.shrinkage = units, decay, shrinkage
        self.averages: tuple[torch.Tensor, ...] = ()

    def setup(self, live: PenaltyInputs, labels: Mapping[str, np.ndarray]) -> None:  # noqa: ARG002
        """Initialise the running averages from the first batch."""
        mean, covariance = moments(live.values.double())
        self.averages = (mean, covariance + mean[:, None] * mean[None])

    def buffers(self) -> Iterable[torch.Tensor]:
        """Return the running averages of the values and of their products."""
        return self.averages

    def loss(self, live: PenaltyInputs, labels: Mapping[str, np.ndarray]) -> torch.Tensor:  # noqa: ARG002
        """Return the total correlation, after updating the running averages."""
        values = live.values.double()
        mean, covariance = moments(values)
        for average, now in zip(self.averages, (mean, covariance + mean[:, None] * mean[None]), strict=True):
            average.mul_(self.decay).add_(now.detach(), alpha=1 - self.decay)
        mean, square = self.averages
        running = gaussian_total_correlation(square - mean[:, None] * mean[None], self.shrinkage)
        own = gaussian_total_correlation(covariance, self.shrinkage)
        return running + own - own.detach()


class VariationalBottleneck(Penalty):
    """KL divergence of units with Gaussian noise from N(0, I), in nats per token: a bound on their input information.

    Later layers receive ``value + scale x noise``; the scale of each unit is trained too. Alemi et al., "Deep
    variational information bottleneck", 2017, with one scale per unit instead of one per token.

    Parameters
    ----------
    units : str, sequence of str or mapping, optional
        Units, as in `interp.Penalty`; all of one layer.
    scale : float
        Initial scale of the noise, above 0.
    """

    name = "vib"

    def __init__(self, *, units: Any = None, scale: float = 0.1) -> None:
        if not scale > 0:
            raise OptionError(f"vib: scale must be above 0; got {scale!r}.")
        self.units, self.scale = units, scale
        self.log_scale: torch.nn.Parameter | None = None

    def setup(self, live: PenaltyInputs, labels: Mapping[str, np.ndarray]) -> None:  # noqa: ARG002
        """Create the scales."""
        import torch

        self.log_scale = torch.nn.Parameter(torch.full_like(live.values[0], self.scale).log())

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        """Return the logarithm of the scales ``(unit,)``."""
        return () if self.log_scale is None else (self.log_scale,)

    def transform(self, values: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return the values with noise."""
        import torch

        assert self.log_scale is not None  # noqa: S101 (prepare is called before)
        noise = torch.randn(values.shape, generator=generator).to(values)
        return values + self.log_scale.exp().to(values) * noise

    def loss(self, live: PenaltyInputs, labels: Mapping[str, np.ndarray]) -> torch.Tensor:  # noqa: ARG002
        """Return the divergence, summed over units and averaged over tokens."""
        assert self.log_scale is not None  # noqa: S101
        return gaussian_divergence(live.values, self.log_scale).sum(1).mean()


class InformationDropout(Penalty):
    """Multiply units by log-normal noise of a learned scale, and penalise small scales, in nats per token.

    ``z = x exp(alpha e)``, ``alpha = max_scale x sigmoid(W x + b)`` for each unit; the penalty is
    ``-ln(alpha / max_scale)`` summed over units, the divergence from a log-uniform prior up to a constant, which makes
    the penalty 0 at the largest scale. Achille & Soatto, "Information dropout", 2018, section 5.

    Parameters
    ----------
    units : str, sequence of str or mapping, optional
        Units, as in `interp.Penalty`; all of one layer.
    max_scale : float
        Largest alpha, above 0; .7 in the article.
    """

    name = "information-dropout"

    def __init__(self, *, units: Any = None, max_scale: float = 0.7) -> None:
        if not max_scale > 0:
            raise OptionError(f"information-dropout: max_scale must be above 0; got {max_scale!r}.")
        self.units, self.max_scale = units, max_scale
        self.scale: torch.nn.Linear | None = None

    def setup(self, live: PenaltyInputs, labels: Mapping[str, np.ndarray]) -> None:  # noqa: ARG002
        """Create W and b."""
        import torch

        width = live.values.shape[1]
        self.scale = torch.nn.Linear(width, width, dtype=live.values.dtype)
        torch.nn.init.constant_(self.scale.bias, -2.0)  # little noise at first, so that the task is learned first

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        """Return W and b."""
        return () if self.scale is None else self.scale.parameters()

    def transform(self, values: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return the values times noise."""
        import torch

        assert self.scale is not None  # noqa: S101 (prepare is called before)
        alpha = self.max_scale * self.scale(values.to(self.scale.weight.dtype)).sigmoid()
        noise = torch.randn(values.shape, generator=generator).to(alpha)
        noisy: torch.Tensor = values * (alpha * noise).exp().to(values)
        return noisy

    def loss(self, live: PenaltyInputs, labels: Mapping[str, np.ndarray]) -> torch.Tensor:  # noqa: ARG002
        """Return the penalty on small scales, summed over units and averaged over tokens."""
        from torch.nn.functional import logsigmoid

        assert self.scale is not None  # noqa: S101
        return -logsigmoid(self.scale(live.values)).sum(1).mean()


class InfoGAN(Penalty):
    """Negative information, in nats per code, that the outputs carry about codes put into units: at least -ln 2.

    In a separate forward, the first units get random codes of -1 and +1, do(h = c); the other units and the input stay
    as they are. A network Q, trained along and discarded afterwards, predicts the codes from the model's
    log-probabilities and the input. The loss of the task replaces the discriminator. After Chen et al., "InfoGAN",
    2016.

    Parameters
    ----------
    units : str, sequence of str or mapping, optional
        Units, as in `interp.Penalty`; all of one layer.
    codes : int
        Number of units, from the first, that are codes.
    """

    name = "infogan"
    separate_forward = True

    def __init__(self, *, units: Any = None, codes: int = 16) -> None:
        self.units, self.codes = units, _checked_codes("infogan", codes)
        self.reader: torch.nn.Sequential | None = None

    def setup(self, live: PenaltyInputs, labels: Mapping[str, np.ndarray]) -> None:  # noqa: ARG002
        """Create Q."""
        from torch import nn

        _check_width(self.name, self.codes, live)
        width = live.outputs.shape[1] + live.inputs.shape[1]
        layers = nn.Linear(width, HIDDEN_SIZE), nn.ReLU(), nn.Linear(HIDDEN_SIZE, self.codes)
        self.reader = nn.Sequential(*layers).to(live.outputs.dtype)

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        """Return the parameters of Q."""
        return () if self.reader is None else self.reader.parameters()

    def transform(self, values: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return the values with random codes in the first units."""
        import torch

        codes = torch.randint(2, (len(values), self.codes), generator=generator).to(values) * 2 - 1
        return torch.cat([codes, values[:, self.codes :]], 1)

    def loss(self, live: PenaltyInputs, labels: Mapping[str, np.ndarray]) -> torch.Tensor:  # noqa: ARG002
        """Return the negative information."""
        import torch

        assert self.reader is not None  # noqa: S101
        features = torch.cat([live.outputs.log_softmax(-1), live.inputs.to(live.outputs)], 1)
        return -code_information(self.reader(features), live.edited[:, : self.codes].detach())


class LabelCode(Penalty):
    """Negative information of single units about a label, in nats, averaged over the units. A supervised oracle.

    ``H(Y) + E ln q(y | h_k)`` for each of the first units, where q is quadratic in ``h_k`` and trained along; at most
    the mean of ``I(Y; h_k)``. Tokens whose label does not occur in the first training batch are left out.

    Parameters
    ----------
    units : str, sequence of str or mapping, optional
        Units, as in `interp.Penalty`.
    codes : int
        Number of units, from the first, that should encode the label.
    label : str
        Label of the batches.
    """

    name = "label-code"

    def __init__(self, *, units: Any = None, codes: int = 16, label: str = "output") -> None:
        self.units, self.codes, self.label = units, _checked_codes("label-code", codes), label
        self.vocabulary: dict[Any, int] = {}
        self.weights: tuple[torch.nn.Parameter, ...] = ()

    def setup(self, live: PenaltyInputs, labels: Mapping[str, np.ndarray]) -> None:
        """Create q for the labels of the first batch."""
        import torch

        _check_width(self.name, self.codes, live)
        self.vocabulary = {symbol: code for code, symbol in enumerate(sorted(set(self._values(labels).tolist())))}
        shape = (self.codes, len(self.vocabulary))
        self.weights = tuple(torch.nn.Parameter(0.01 * torch.randn(shape).to(live.values)) for _ in range(3))

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        """Return the constant, linear and quadratic coefficients of q ``(unit, label)``."""
        return self.weights

    def loss(self, live: PenaltyInputs, labels: Mapping[str, np.ndarray]) -> torch.Tensor:
        """Return the negative information."""
        import torch

        codes = torch.tensor([self.vocabulary.get(symbol, -1) for symbol in self._values(labels).tolist()])
        value, codes = live.values[codes >= 0, : self.codes, None], codes[codes >= 0]
        constant, linear, quadratic = self.weights
        entropy = label_entropy(codes, len(self.vocabulary)).to(value)
        return -label_information(constant + value * linear + value**2 * quadratic, codes, entropy)

    def _values(self, labels: Mapping[str, np.ndarray]) -> np.ndarray:
        if self.label not in labels:
            raise SchemaError(f"label-code needs the label {self.label!r}; the batches have {', '.join(labels)}.")
        return labels[self.label]


def _checked_codes(name: str, codes: int) -> int:
    """Return the number of codes, or raise `OptionError` if it is not a positive integer."""
    if isinstance(codes, bool) or not isinstance(codes, int) or codes < 1:
        raise OptionError(f"{name}: codes must be at least 1; got {codes!r}.")
    return codes


def _check_width(name: str, codes: int, live: PenaltyInputs) -> None:
    """Raise `OptionError` if there are fewer units than codes."""
    if live.values.shape[1] < codes:
        raise OptionError(f"{name}: codes={codes}, and units= are {live.values.shape[1]}; name more units.")
