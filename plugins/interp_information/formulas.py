"""Formulas of the penalties as differentiable functions of plain tensors, in nats."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

MIN_VARIANCE = 1e-12  # a unit with a smaller variance counts as constant


def moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean ``(unit,)`` and covariance ``(unit, unit)`` of values ``(token, unit)``, normalised by n."""
    mean = values.mean(0)
    centred = values - mean
    return mean, centred.T @ centred / len(values)


def gaussian_total_correlation(covariance: Tensor, shrinkage: float = 0.0) -> Tensor:
    """Return the total correlation of a Gaussian in nats: -1/2 ln det R, 0 or more.

    Watanabe, "Information theoretical analysis of multivariate correlation", 1960. A constant unit is independent of
    all others.

    Parameters
    ----------
    covariance : Tensor (unit, unit)
    shrinkage : float
        Shrinkage of R towards the identity, 0 to 1; with 0, units that are linear functions of others give infinity.
    """
    import torch

    std = covariance.diagonal().clamp(min=MIN_VARIANCE).sqrt()
    correlation = covariance / (std[:, None] * std[None])
    eye = torch.eye(len(std), dtype=covariance.dtype, device=covariance.device)
    off_diagonal = correlation * (1 - eye) * (1 - shrinkage)
    log_determinant: Tensor = torch.linalg.slogdet(off_diagonal + eye).logabsdet
    return -0.5 * log_determinant


def gaussian_divergence(mean: Tensor, log_scale: Tensor) -> Tensor:
    """Return KL(N(mean, scale^2) || N(0, 1)) in nats, element by element: (mean^2 + scale^2 - 1) / 2 - ln scale.

    Parameters
    ----------
    mean : Tensor (token, unit)
    log_scale : Tensor (unit,) or (token, unit)
    """
    return 0.5 * (mean**2 + (2 * log_scale).exp() - 1) - log_scale


def code_information(logits: Tensor, codes: Tensor) -> Tensor:
    """Return ln 2 + E[ln Q(c | .)] in nats per code, InfoGAN's L_I: a lower bound of the information, at most ln 2.

    Chen et al., "InfoGAN", 2016, eq. 5, for independent fair binary codes.

    Parameters
    ----------
    logits : Tensor (token, code)
        Logits of c = +1.
    codes : Tensor (token, code)
        -1 or +1.
    """
    from torch.nn.functional import logsigmoid

    return log(2) + logsigmoid(codes * logits).mean()


def label_information(logits: Tensor, labels: Tensor, entropy: Tensor) -> Tensor:
    """Return H(Y) + E[ln q(y | h_k)] in nats, mean over units: at most the mean of I(Y; h_k).

    Parameters
    ----------
    logits : Tensor (token, unit, label)
        Logits of q for each unit separately.
    labels : LongTensor (token,)
    entropy : Tensor ()
        Entropy of the labels.
    """
    log_likelihood = logits.log_softmax(-1).gather(-1, labels[:, None, None].expand(-1, logits.shape[1], 1))
    return entropy + log_likelihood.mean()


def label_entropy(labels: Tensor, n_classes: int) -> Tensor:
    """Return the entropy of labels ``(token,)`` in ``n_classes`` classes, in nats."""
    import torch

    shares = torch.bincount(labels, minlength=n_classes).double() / len(labels)
    entropy: Tensor = torch.special.entr(shares).sum()
    return entropy
