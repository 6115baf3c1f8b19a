"""What penalties compute, as functions of plain tensors; differentiable, in nats."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

LEAST = 1e-12  # variance of a unit that counts as constant


def moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean ``(unit,)`` and covariance ``(unit, unit)`` of values ``(token, unit)``, by n."""
    mean = values.mean(0)
    centred = values - mean
    return mean, centred.T @ centred / len(values)


def gaussian_total_correlation(covariance: Tensor, shrink: float = 0.0) -> Tensor:
    """Return the total correlation of a Gaussian, in nats: -1/2 ln det R, from 0 on.

    Watanabe, "Information theoretical analysis of multivariate correlation", 1960. A constant unit depends on nothing.

    Parameters
    ----------
    covariance : Tensor (unit, unit)
    shrink : float
        How far R goes towards the identity, 0 to 1; without it units that are functions of others give infinity.
    """
    import torch

    size = covariance.diagonal().clamp(min=LEAST).sqrt()
    correlation = covariance / (size[:, None] * size[None])
    eye = torch.eye(len(size), dtype=covariance.dtype, device=covariance.device)
    off = correlation * (1 - eye) * (1 - shrink)
    found: Tensor = torch.linalg.slogdet(off + eye).logabsdet
    return -0.5 * found


def gaussian_divergence(mean: Tensor, log_scale: Tensor) -> Tensor:
    """Return KL(N(mean, scale^2) || N(0, 1)) in nats, element by element: (mean^2 + scale^2 - 1) / 2 - ln scale.

    Parameters
    ----------
    mean : Tensor (token, unit)
    log_scale : Tensor (unit,) or (token, unit)
    """
    return 0.5 * (mean**2 + (2 * log_scale).exp() - 1) - log_scale


def code_information(logits: Tensor, codes: Tensor) -> Tensor:
    """Return ln 2 + E[ln Q(c | .)], in nats a code: at most ln 2, and at most what there is to know (InfoGAN's L_I).

    Chen et al., "InfoGAN", 2016, eq. 5, for independent fair codes of two values.

    Parameters
    ----------
    logits : Tensor (token, code)
        Of c = +1.
    codes : Tensor (token, code)
        -1 or +1.
    """
    from torch.nn.functional import logsigmoid

    return log(2) + logsigmoid(codes * logits).mean()


def label_information(logits: Tensor, labels: Tensor, entropy: Tensor) -> Tensor:
    """Return H(Y) + E[ln q(y | h_k)], in nats, mean over the units: at most the mean of I(Y; h_k).

    Parameters
    ----------
    logits : Tensor (token, unit, label)
        Of q, for each unit on its own.
    labels : LongTensor (token,)
    entropy : Tensor ()
        Of the labels.
    """
    told = logits.log_softmax(-1).gather(-1, labels[:, None, None].expand(-1, logits.shape[1], 1))
    return entropy + told.mean()


def entropy_of(labels: Tensor, count: int) -> Tensor:
    """Return the entropy of labels ``(token,)`` among ``count``, in nats."""
    import torch

    share = torch.bincount(labels, minlength=count).double() / len(labels)
    found: Tensor = torch.special.entr(share).sum()
    return found
