"""Did each penalty do what it says? Its own measure, on held-out text, of networks that stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import Live, Penalty, capture, measure
from interp_reproduction.study.protocol import MODULE, UNITS

if TYPE_CHECKING:
    import torch

STEPS, TOKENS = 3000, 2048
"""With which what a penalty trains along is fitted; both halves of the text see fresh codes or noise at each step."""
RATE = 2e-3
LAST = 20  # draws over which a fitted penalty is averaged


@dataclass(frozen=True)
class Tail:
    """What a network makes of the units of ``hidden``, at tokens whose values are kept.

    Attributes
    ----------
    values : Tensor (token, unit)
    beside : Tensor (token, input)
        What the output reads beside the units.
    targets : LongTensor (token,)
    output : Module
    """

    values: torch.Tensor
    beside: torch.Tensor
    targets: torch.Tensor
    output: torch.nn.Module

    def live(self, rows: torch.Tensor, edit: Callable[[torch.Tensor], torch.Tensor]) -> Live:
        """Return what a penalty hears of some tokens, after its edit."""
        import torch

        values, beside = self.values[rows], self.beside[rows]
        edited = edit(values)
        names = tuple(map(str, range(values.shape[1])))
        return Live(names, values, edited, lambda: self.output(torch.cat([edited, beside], 1)), lambda: beside)


def tail(model: torch.nn.Module, batches: Iterable[Any]) -> Tail:
    """Return the tail of a network of the study at the tokens of some batches; the network gets no gradients.

    Parameters
    ----------
    model : Module
        With dense layers ``hidden`` and ``output``, the latter reading the units of the former first.
    batches : iterable of Batch
        Of the task of the study.
    """
    import torch

    read: list[torch.Tensor] = []
    output: torch.nn.Module = model.requires_grad_(requires_grad=False).eval().get_submodule("output")
    hook = output.register_forward_pre_hook(lambda _, given: read.append(given[0].detach()))
    known, rows, targets = list(batches), [], []
    try:
        for batch in known:
            model(*batch.inputs)
            kept = torch.arange(read[-1].shape[1]) < torch.as_tensor(batch.lengths)[:, None]
            rows.append(read[-1][kept])
            targets.append(batch.targets[kept])
            read.clear()
    finally:
        hook.remove()
    both, units = torch.cat(rows), int(model.get_parameter(f"{MODULE}.weight").shape[0])
    return Tail(both[:, :units], both[:, units:], torch.cat(targets), output)


def fitted(penalty: Penalty, weight: float, fit: Tail, test: Tail, seed: int = 0) -> float:
    """Return the loss of a penalty on some text when what it trains along was fitted on other text.

    Parameters
    ----------
    penalty : Penalty
        Fresh.
    weight : float
        Of the penalty against the loss of the task, where both are fitted to: a penalty with a branch of its own is
        fitted to alone.
    fit, test : Tail
        Of one network.
    seed : int
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        penalty.prepare(fit.live(torch.arange(min(TOKENS, len(fit.values))), lambda values: values), {})
    _fit(penalty, weight, fit, generator)
    with torch.no_grad():
        return float(np.mean([float(penalty.loss(_draw(test, penalty, generator)[1], {})) for _ in range(LAST)]))


def _draw(of: Tail, penalty: Penalty, generator: torch.Generator) -> tuple[torch.Tensor, Live]:
    import torch

    rows = torch.randint(len(of.values), (TOKENS,), generator=generator)
    return rows, of.live(rows, lambda values: penalty.edit(values, generator))


def _fit(penalty: Penalty, weight: float, fit: Tail, generator: torch.Generator) -> None:
    import torch
    from torch.nn.functional import cross_entropy

    optimiser = torch.optim.Adam(penalty.parameters(), RATE)
    falling = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.01, STEPS)
    for _ in range(STEPS):
        rows, live = _draw(fit, penalty, generator)
        loss = weight * penalty.loss(live, {})
        if penalty.branch == "task":
            loss = loss + cross_entropy(live.outputs, fit.targets[rows])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        falling.step()


def effects(model: torch.nn.Module, batches: Iterable[Any], strength: float) -> dict[str, float]:
    """Return what each penalty is about, of one network.

    Parameters
    ----------
    model : Module
    batches : iterable of Batch
        Held-out text.
    strength : float
        Of ``vib``: how dear the noise's information is when its scale is fitted.

    Returns
    -------
    dict
        ``l1`` the mean of abs(activation); ``total-correlation`` (nats, less its chance value); ``infogan`` the
        information that a fresh Q finds (nats a code, at most ln 2); ``vib`` the divergence with fitted noise (nats).
        The last two are fitted on every other batch and measured on the rest.
    """
    from interp_information import InfoGAN, VariationalBottleneck

    known = list(batches)
    acts = capture(model, known, modules=[MODULE], progress=False)
    fit, test = tail(model, known[::2]), tail(model, known[1::2])
    return {
        "l1": float(np.abs(acts["activation"].values).mean()),
        "total-correlation": float(measure("total-correlation", acts)["total_correlation"]),
        "infogan": -fitted(InfoGAN(units=UNITS), 1.0, fit, test),
        "vib": fitted(VariationalBottleneck(units=UNITS), strength, fit, test),
    }
