"""Captum's methods by name, with the options that each takes."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from inspect import signature
from typing import TYPE_CHECKING, Any

from interp import InterpError, OptionError, UnknownNameError

if TYPE_CHECKING:
    from torch import Tensor

OURS = ("inputs", "baselines", "target", "additional_forward_args", "return_convergence_delta", "show_progress",
        "feature_mask", "sliding_window_shapes")  # fmt: skip
MANY = ("GradientShap", "DeepLiftShap")  # draw from all baselines at once
INTERNAL = 512  # rows that go through the model at once along a path


def method_names() -> list[str]:
    """Return the names of Captum's methods for inputs."""
    from captum import attr

    known = (getattr(attr, name) for name in dir(attr) if name[0].isupper())
    kinds = [kind for kind in known if isinstance(kind, type) and issubclass(kind, attr.Attribution)]
    odd = (attr.LayerAttribution, attr.NeuronAttribution, attr.InternalInfluence, attr.NoiseTunnel, attr.LLMAttribution,
           attr.LLMGradientAttribution, attr.DataLoaderAttribution, attr.GuidedGradCam)  # fmt: skip
    bare = {"Attribution", "GradientAttribution", "PerturbationAttribution"}
    return sorted(kind.__name__ for kind in kinds if not issubclass(kind, odd) and kind.__name__ not in bare)


class Method:
    """One of Captum's methods over a number.

    Parameters
    ----------
    name : str
        Such as ``IntegratedGradients``.
    options : mapping
        Of its constructor and of its ``attribute``.

    Attributes
    ----------
    compares : bool
        Whether it compares an input with a baseline.
    """

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        from captum import attr

        names = method_names()
        if name not in names:
            near = get_close_matches(name, names, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UnknownNameError(f"Captum has no method {name!r} for inputs.{hint} It has: {', '.join(names)}.")
        self.name, self.kind = name, getattr(attr, name)
        built, called = (list(signature(what).parameters) for what in (self.kind.__init__, self.kind.attribute))
        self.takes = set(called)
        known = [one for one in [*built[2:], *called[1:]] if one not in OURS]
        for option in options:
            if option not in known:
                raise OptionError(f"{name} has no option {option!r}. Options: {', '.join(known) or 'none'}.")
        self.built = {key: value for key, value in options.items() if key in built}
        self.options = {key: value for key, value in options.items() if key not in built}
        self.compares = "baselines" in self.takes

    def explain(self, number: Any, x: Tensor, reference: Tensor, rest: tuple[Tensor, ...], steps: int) -> Tensor:
        """Return attributions ``(row, step)``: one row where the method takes all baselines at once.

        Parameters
        ----------
        number : Module
            ``number(x, *rest)`` gives one number a row.
        x, reference : Tensor (row, step, feature)
            Inputs and baselines.
        rest : tuple of Tensor (row,)
            What else the number takes.
        steps : int
            Of the longest sample; steps behind it are padding.
        """
        options: dict[str, Any] = {**self._defaults(x, steps), **self.options}
        if self.name in MANY:
            x, rest = x[:1], tuple(part[:1] for part in rest)
            reference = reference if len(reference) > 1 else reference.repeat(2, 1, 1)  # DeepLiftShap asks for two
        if self.compares:
            options["baselines"] = reference
        try:
            found = self.kind(number, **self.built).attribute(x, additional_forward_args=rest, **options)
        except InterpError:
            raise
        except (AssertionError, AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
            raise OptionError(f"Captum's {self.name} can't explain this model so: {error}") from error
        return (found.mean(2) if self.whole else found.sum(2)).detach()  # type: ignore[no-any-return]

    @property
    def whole(self) -> bool:
        """Whether the features of a step are moved as one, so that each of them is told what the step gives."""
        return not self.takes.isdisjoint(("feature_mask", "sliding_window_shapes"))

    def _defaults(self, x: Tensor, steps: int) -> dict[str, Any]:
        """Return options that make a letter, all features of a step, one feature."""
        import torch

        found: dict[str, Any] = {}
        if "feature_mask" in self.takes:
            mask = torch.arange(x.shape[1], device=x.device).clamp(max=steps - 1)
            found["feature_mask"] = mask[None, :, None].expand(1, *x.shape[1:]).contiguous()
        if "sliding_window_shapes" in self.takes:
            found["sliding_window_shapes"] = (1, x.shape[2])
        if "internal_batch_size" in self.takes:
            found["internal_batch_size"] = max(len(x), INTERNAL)
        return found
