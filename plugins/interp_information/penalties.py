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
