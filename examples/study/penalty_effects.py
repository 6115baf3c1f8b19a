"""Effect of each penalty on its own measure, on held-out text, with the weights of the network frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import Penalty, PenaltyInputs, capture, measure
from study.protocol import MODULE, UNITS

if TYPE_CHECKING:
    import torch

N_STEPS, N_TOKENS = 3000, 2048
"""Number of steps, and of tokens per step, that fit the parameters of a penalty. Each step draws new codes or noise."""
LEARNING_RATE = 2e-3
N_DRAWS = 20  # draws over which the loss of a fitted penalty is averaged


@dataclass(frozen=True)
class ReadoutHead:
    """Output layer of a network with recorded inputs: the units of ``hidden``, and its other inputs.

    Attributes
    ----------
    values : Tensor (token, unit)
        Values of the units.
    other_inputs : Tensor (token, input)
        Inputs of the output layer other than the units.
    targets : LongTensor (token,)
        Target symbols.
    output : Module
        Output layer.
    """

    values: torch.Tensor
    other_inputs: torch.Tensor
    targets: torch.Tensor
    output: torch.nn.Module

    def penalty_inputs(self, rows: torch.Tensor, edit: Callable[[torch.Tensor], torch.Tensor]) -> PenaltyInputs:
        """Return the inputs of a penalty at some tokens, after its edit."""
        import torch

        values, other_inputs = self.values[rows], self.other_inputs[rows]
        edited = edit(values)
        names = tuple(map(str, range(values.shape[1])))
        return PenaltyInputs(names, values, edited, lambda: self.output(torch.cat([edited, other_inputs], 1)),
                    lambda: other_inputs)  # fmt: skip


def record_head(model: torch.nn.Module, batches: Iterable[Any]) -> ReadoutHead:
    """Return the readout head of a network at the tokens of some batches. The network gets no gradients.

    Parameters
    ----------
    model : Module
        Network with dense layers ``hidden`` and ``output``, the latter of which reads the units of the former first.
    batches : iterable of Batch
        Batches of the task of the study.
    """
    import torch

    inputs: list[torch.Tensor] = []
    output: torch.nn.Module = model.requires_grad_(requires_grad=False).eval().get_submodule("output")
    hook = output.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0].detach()))
    batches, rows, targets = list(batches), [], []
    try:
        for batch in batches:
            model(*batch.inputs)
            is_token = torch.arange(inputs[-1].shape[1]) < torch.as_tensor(batch.lengths)[:, None]
            rows.append(inputs[-1][is_token])
            targets.append(batch.targets[is_token])
            inputs.clear()
    finally:
        hook.remove()
    values, n_units = torch.cat(rows), int(model.get_parameter(f"{MODULE}.weight").shape[0])
    return ReadoutHead(values[:, :n_units], values[:, n_units:], torch.cat(targets), output)


def fitted_loss(penalty: Penalty, weight: float, fit: ReadoutHead, test: ReadoutHead, seed: int = 0) -> float:
    """Fit the parameters of a penalty on some text, and return its loss on other text.

    Parameters
    ----------
    penalty : Penalty
        New penalty.
    weight : float
        Weight of the penalty relative to the loss of the task, if both are minimised; a penalty with a separate forward
        pass is minimised alone.
    fit, test : ReadoutHead
        Heads of one network, on the text to fit and the text to measure.
    seed : int
        Random seed.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        rows = torch.arange(min(N_TOKENS, len(fit.values)))
        penalty.setup(fit.penalty_inputs(rows, lambda values: values), {})
    _fit(penalty, weight, fit, generator)
    with torch.no_grad():
        losses = [float(penalty.loss(_draw(test, penalty, generator)[1], {})) for _ in range(N_DRAWS)]
    return float(np.mean(losses))


def _draw(head: ReadoutHead, penalty: Penalty, generator: torch.Generator) -> tuple[torch.Tensor, PenaltyInputs]:
    import torch

    rows = torch.randint(len(head.values), (N_TOKENS,), generator=generator)
    return rows, head.penalty_inputs(rows, lambda values: penalty.transform(values, generator))


def _fit(penalty: Penalty, weight: float, head: ReadoutHead, generator: torch.Generator) -> None:
    import torch
    from torch.nn.functional import cross_entropy

    optimiser = torch.optim.Adam(penalty.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.01, N_STEPS)
    for _ in range(N_STEPS):
        rows, inputs = _draw(head, penalty, generator)
        loss = weight * penalty.loss(inputs, {})
        if not penalty.separate_forward:
            loss = loss + cross_entropy(inputs.outputs, head.targets[rows])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()


def measure_effects(model: torch.nn.Module, batches: Iterable[Any], strength: float) -> dict[str, float]:
    """Return the measure of each penalty on one network.

    Parameters
    ----------
    model : Module
        Network of the study.
    batches : iterable of Batch
        Held-out text.
    strength : float
        Weight of ``vib`` relative to the loss of the task when the scale of its noise is fitted.

    Returns
    -------
    dict
        ``l1``: mean absolute activation; ``total-correlation``: nats, minus its chance value; ``infogan``: information
        that a newly fitted Q finds, in nats per code, at most ln 2; ``vib``: divergence with fitted noise, nats. The
        last two are fitted on every other batch and measured on the rest.
    """
    from interp_information import InfoGAN, VariationalBottleneck

    batches = list(batches)
    acts = capture(model, batches, modules=[MODULE], progress=False)
    fit, test = record_head(model, batches[::2]), record_head(model, batches[1::2])
    return {
        "l1": float(np.abs(acts["activation"].values).mean()),
        "total-correlation": float(measure("total-correlation", acts)["total_correlation"]),
        "infogan": -fitted_loss(InfoGAN(units=UNITS), 1.0, fit, test),
        "vib": fitted_loss(VariationalBottleneck(units=UNITS), strength, fit, test),
    }
