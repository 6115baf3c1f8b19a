"""Captum's attribution methods by name, and Captum's two checks of attributions: infidelity and sensitivity."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from inspect import signature
from typing import TYPE_CHECKING, Any

from interp import InterpError, OptionError, UnknownNameError

if TYPE_CHECKING:
    from torch import Tensor

RESERVED_OPTIONS = ("inputs", "baselines", "target", "additional_forward_args", "return_convergence_delta",
                    "show_progress", "feature_mask", "sliding_window_shapes")  # fmt: skip
BASELINE_SET_METHODS = ("GradientShap", "DeepLiftShap")  # take all baselines of an input at once
MIN_INTERNAL_BATCH = 512  # rows per forward pass along a path
REPLACE_PROBABILITY = 0.5
NOISE_RADIUS = 0.02  # Captum's default


def method_names() -> list[str]:
    """Return the names of Captum's methods for inputs."""
    from captum import attr

    public = (getattr(attr, name) for name in dir(attr) if name[0].isupper())
    classes = [kind for kind in public if isinstance(kind, type) and issubclass(kind, attr.Attribution)]
    excluded = (attr.LayerAttribution, attr.NeuronAttribution, attr.InternalInfluence, attr.NoiseTunnel,
                attr.LLMAttribution, attr.LLMGradientAttribution, attr.DataLoaderAttribution,
                attr.GuidedGradCam)  # fmt: skip
    abstract = {"Attribution", "GradientAttribution", "PerturbationAttribution"}
    return sorted(kind.__name__ for kind in classes if not issubclass(kind, excluded) and kind.__name__ not in abstract)


class CaptumMethod:
    """One of Captum's methods for inputs.

    Parameters
    ----------
    name : str
        Name of the class, such as ``IntegratedGradients``.
    options : mapping
        Options of its constructor and of its method ``attribute``.

    Attributes
    ----------
    uses_baselines : bool
        True if the method compares an input with baselines.

    Raises
    ------
    UnknownNameError
        For a name that is not a method for inputs.
    OptionError
        For an option that the method does not have.
    """

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        from captum import attr

        names = method_names()
        if name not in names:
            close = get_close_matches(name, names, n=1, cutoff=0.5)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise UnknownNameError(f"Captum has no method {name!r} for inputs.{hint} Methods: {', '.join(names)}.")
        self.name, self.kind = name, getattr(attr, name)
        init, attribute = (list(signature(part).parameters) for part in (self.kind.__init__, self.kind.attribute))
        self.parameters = set(attribute)
        allowed = [option for option in [*init[2:], *attribute[1:]] if option not in RESERVED_OPTIONS]
        for option in options:
            if option not in allowed:
                raise OptionError(f"{name} has no option {option!r}. Options: {', '.join(allowed) or 'none'}.")
        self.init_options = {key: value for key, value in options.items() if key in init}
        self.options = {key: value for key, value in options.items() if key not in init}
        self.uses_baselines = "baselines" in self.parameters

    def explain(self, target: Any, x: Tensor, baseline: Tensor, extra: tuple[Tensor, ...], steps: int) -> Tensor:
        """Return attributions ``(row, step)``; a single row if the method takes all baselines at once.

        Parameters
        ----------
        target : Module
            ``target(x, *extra)`` returns the target value of each row.
        x, baseline : Tensor (row, step, feature)
            Inputs and baselines.
        extra : tuple of Tensor (row,)
            Further arguments of ``target``.
        steps : int
            Number of steps of the longest sample; later steps are padding.

        Raises
        ------
        OptionError
            If Captum fails on this model.
        """
        options: dict[str, Any] = {**self._step_options(x, steps), **self.options}
        if self.name in BASELINE_SET_METHODS:
            x, extra = x[:1], tuple(part[:1] for part in extra)
            baseline = baseline if len(baseline) > 1 else baseline.repeat(2, 1, 1)  # DeepLiftShap requires two
        if self.uses_baselines:
            options["baselines"] = baseline
        try:
            values = self.kind(target, **self.init_options).attribute(x, additional_forward_args=extra, **options)
        except InterpError:
            raise
        except (AssertionError, AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
            raise OptionError(
                f"Captum's {self.name} can't explain this model ({error}). Pass another method=, such as "
                "'IntegratedGradients'."
            ) from error
        return (values.mean(2) if self.steps_are_features else values.sum(2)).detach()  # type: ignore[no-any-return]

    @property
    def steps_are_features(self) -> bool:
        """True if the method changes all features of a step together, so that each gets the step's attribution."""
        return not self.parameters.isdisjoint(("feature_mask", "sliding_window_shapes"))

    def _step_options(self, x: Tensor, steps: int) -> dict[str, Any]:
        """Return options that make a step, with all its features, one feature, and the size of internal batches."""
        import torch

        options: dict[str, Any] = {}
        if "feature_mask" in self.parameters:
            mask = torch.arange(x.shape[1], device=x.device).clamp(max=steps - 1)
            options["feature_mask"] = mask[None, :, None].expand(1, *x.shape[1:]).contiguous()
        if "sliding_window_shapes" in self.parameters:
            options["sliding_window_shapes"] = (1, x.shape[2])
        if "internal_batch_size" in self.parameters:
            options["internal_batch_size"] = max(len(x), MIN_INTERNAL_BATCH)
        return options


def infidelity(
    target: Any, x: Tensor, baseline: Tensor, extra: tuple[Tensor, ...], values: Tensor, n_draws: int
) -> Tensor:
    """Return the mean squared difference between attributions and the effect of replacing steps by the baseline's.

    Each step is replaced with probability 0.5: ``E (sum of attributions of replaced steps - (F(x) - F(replaced)))²``
    (Yeh et al., "On the (in)fidelity and sensitivity of explanations", 2019).

    Parameters
    ----------
    target : Module
        ``target(x, *extra)`` returns the target value of each row.
    x, baseline : Tensor (row, step, feature)
        Inputs and baselines.
    extra : tuple of Tensor (row,)
        Further arguments of ``target``.
    values : Tensor (row, step)
        Attributions.
    n_draws : int
        Number of random replacements per row.

    Returns
    -------
    Tensor (row,)
        In the squared unit of the target value.
    """
    import torch
    from captum.metrics import infidelity as captum_infidelity

    def replace_steps(inputs: Tensor, baselines: Tensor) -> tuple[Tensor, Tensor]:
        mask = (torch.rand_like(inputs[..., :1]) < REPLACE_PROBABILITY).to(inputs).expand_as(inputs)
        return mask, inputs - mask * (inputs - baselines)

    by_feature = (values / x.shape[2])[..., None].expand_as(x)
    result = captum_infidelity(
        target,
        replace_steps,
        x,
        by_feature,
        baselines=baseline,
        additional_forward_args=extra,
        n_perturb_samples=n_draws,
    )
    return result.reshape(-1)  # type: ignore[no-any-return]


def sensitivity(
    method: CaptumMethod,
    target: Any,
    x: Tensor,
    baseline: Tensor,
    extra: tuple[Tensor, ...],
    steps: int,
    n_draws: int,
) -> Tensor:
    """Return the largest change of attributions, relative to their norm, under noise of at most 0.02 on every input.

    Parameters
    ----------
    method : CaptumMethod
        Method of the attributions.
    target, x, baseline, extra, steps
        See `CaptumMethod.explain`.
    n_draws : int
        Number of noisy copies per row.

    Returns
    -------
    Tensor (row,)

    Raises
    ------
    OptionError
        For methods that draw new random numbers in every call.
    """
    from captum.metrics import sensitivity_max

    if method.name in BASELINE_SET_METHODS:
        raise OptionError(
            f"sensitivity= can't be measured for {method.name}, which draws new random numbers in every call. Leave "
            "it out, or pass another method=."
        )

    def explain(inputs: Any, baselines: Tensor, additional_forward_args: tuple[Tensor, ...]) -> Any:
        if isinstance(inputs, tuple):
            return (method.explain(target, inputs[0], baselines, additional_forward_args, steps),)
        return method.explain(target, inputs, baselines, additional_forward_args, steps)

    return sensitivity_max(  # type: ignore[no-any-return]
        explain, x, perturb_radius=NOISE_RADIUS, n_perturb_samples=n_draws, baselines=baseline,
        additional_forward_args=extra,
    ).reshape(-1)  # fmt: skip
