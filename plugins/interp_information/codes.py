"""Penalties that ask some units to tell something: codes put into them, or a label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from interp import Live, OptionError, Penalty, SchemaError
from interp_information.formulas import code_information, entropy_of, label_information

if TYPE_CHECKING:
    import numpy as np
    import torch

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
