"""How far attributions can be trusted: infidelity and sensitivity, as Captum measures them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interp import OptionError
from interp_attribution.methods import MANY, Method

if TYPE_CHECKING:
    from torch import Tensor

HALF = 0.5  # chance that a step is replaced
RADIUS = 0.02  # Captum's own


def infidelity(
    number: Any, x: Tensor, reference: Tensor, rest: tuple[Tensor, ...], values: Tensor, draws: int
) -> Tensor:
    """Return the mean square of what attributions promise minus what happens when steps become the baseline's.

    Each step is replaced with chance one half: ``E (sum of attributions of the replaced - (F(x) - F(replaced)))²``
    (Yeh et al., "On the (in)fidelity and sensitivity of explanations", 2019).

    Parameters
    ----------
    number : Module
        ``number(x, *rest)`` gives one number a row.
    x, reference : Tensor (row, step, feature)
        Inputs and baselines.
    values : Tensor (row, step)
        Attributions.
    draws : int
        Random replacements of each row.

    Returns
    -------
    Tensor (row,)
        In the square of the number's unit.
    """
    import torch
    from captum.metrics import infidelity as measured

    def replaced(inputs: Tensor, baselines: Tensor) -> tuple[Tensor, Tensor]:
        mask = (torch.rand_like(inputs[..., :1]) < HALF).to(inputs).expand_as(inputs)
        return mask, inputs - mask * (inputs - baselines)

    told = (values / x.shape[2])[..., None].expand_as(x)
    found = measured(
        number, replaced, x, told, baselines=reference, additional_forward_args=rest, n_perturb_samples=draws
    )
    return found.reshape(-1)  # type: ignore[no-any-return]


def sensitivity(
    method: Method, number: Any, x: Tensor, reference: Tensor, rest: tuple[Tensor, ...], steps: int, draws: int
) -> Tensor:
    """Return the largest change of attributions, in shares of their norm, under noise of at most .02 on every number.

    Parameters
    ----------
    method, number, x, reference, rest, steps
        As of `Method.explain`.
    draws : int
        Noisy copies of each row.

    Returns
    -------
    Tensor (row,)
    """
    from captum.metrics import sensitivity_max

    if method.name in MANY:
        raise OptionError(f"sensitivity= can't be measured for {method.name}, which draws anew every time.")

    def explained(inputs: Any, baselines: Tensor, additional_forward_args: tuple[Tensor, ...]) -> Any:
        if isinstance(inputs, tuple):
            return (method.explain(number, inputs[0], baselines, additional_forward_args, steps),)
        return method.explain(number, inputs, baselines, additional_forward_args, steps)

    return sensitivity_max(  # type: ignore[no-any-return]
        explained, x, perturb_radius=RADIUS, n_perturb_samples=draws, baselines=reference, additional_forward_args=rest
    ).reshape(-1)
