"""Penalties that add noise and price what gets through it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from interp import Live, OptionError, Penalty
from interp_information.formulas import gaussian_divergence

if TYPE_CHECKING:
    import numpy as np
    import torch


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
