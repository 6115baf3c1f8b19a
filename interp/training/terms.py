"""The penalties of a training as they were asked for: checked, with weights and generators."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import torch

from interp.errors import OptionError
from interp.options import known_options
from interp.penalty import BRANCHES, Penalty
from interp.registry import registry

EXPECTED = "expected ('total-correlation', 0.1), ('total-correlation', 0.1, {'units': …}) or (penalty, 0.1)"


@dataclass
class Term:
    """One penalty with its weight.

    Attributes
    ----------
    generator : Generator
        What its edits draw from.
    """

    penalty: Penalty
    weight: float
    generator: torch.Generator = field(default_factory=torch.Generator)

    @property
    def edits(self) -> bool:
        """Whether the penalty changes its units."""
        return type(self.penalty).edit is not Penalty.edit

    @property
    def own(self) -> bool:
        """Whether it has a forward of its own."""
        return self.penalty.branch == "own"

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return what a checkpoint holds of it."""
        held = {f"parameter.{at}": value.detach() for at, value in enumerate(self.penalty.parameters())}
        held |= {f"buffer.{at}": value for at, value in enumerate(self.penalty.buffers())}
        return held | {"generator": self.generator.get_state()}

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take back what `tensors` gave."""
        for name, value in self.tensors().items():
            if name != "generator":
                value.copy_(tensors[name])
        self.generator.set_state(tensors["generator"])


def terms_of(penalties: Iterable[Any], seed: int) -> list[Term]:
    """Return the terms that count: those of weight 0 are left out.

    Raises
    ------
    UnknownNameError
        For a penalty that is not registered.
    OptionError
        For anything that is no penalty with a weight from 0 on, or an option that it does not have.
    """
    terms = [_term(entry) for entry in penalties]
    for number, term in enumerate(terms):
        term.generator.manual_seed(seed * 1_009 + number + 1)
    return [term for term in terms if term.weight]


def _term(entry: Any) -> Term:
    if isinstance(entry, str) or not isinstance(entry, list | tuple) or len(entry) not in (2, 3):
        raise OptionError(f"penalties= got {entry!r}; {EXPECTED}.")
    named, weight, options = (*entry, {})[:3]
    name = named if isinstance(named, str) else getattr(named, "name", repr(named))
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not isfinite(weight) or weight < 0:
        raise OptionError(f"The weight of the penalty {name!r} must be a number from 0 on; got {weight!r}.")
    return Term(_penalty(named, dict(options)), float(weight))


def _penalty(named: Any, options: dict[str, Any]) -> Penalty:
    made = registry().get("penalty", named) if isinstance(named, str) else named
    if isinstance(made, type) and issubclass(made, Penalty):
        known_options("Penalty", made.name, made, options)
        made = made(**options)
    elif options:
        raise OptionError(f"This {getattr(made, 'name', made)!r} has its options already: pass its class, or none.")
    if not isinstance(made, Penalty):
        raise OptionError(f"penalties= got {named!r}; {EXPECTED}.")
    if made.branch not in BRANCHES:
        raise OptionError(f"Penalty {made.name!r}: branch must be one of {', '.join(BRANCHES)}; got {made.branch!r}.")
    return made
