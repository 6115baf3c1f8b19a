"""Penalties of a training run, validated, with their weights and random generators."""

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
    """A penalty with its weight.

    Attributes
    ----------
    generator : Generator
        Random generator of its edits.
    """

    penalty: Penalty
    weight: float
    generator: torch.Generator = field(default_factory=torch.Generator)

    @property
    def edits(self) -> bool:
        """True if the penalty changes its units."""
        return type(self.penalty).edit is not Penalty.edit

    @property
    def own(self) -> bool:
        """True if the penalty has a separate forward."""
        return self.penalty.branch == "own"

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the tensors of the penalty for a checkpoint."""
        state = {f"parameter.{index}": value.detach() for index, value in enumerate(self.penalty.parameters())}
        state |= {f"buffer.{index}": value for index, value in enumerate(self.penalty.buffers())}
        return state | {"generator": self.generator.get_state()}

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        """Restore the tensors of a checkpoint."""
        for name, value in self.tensors().items():
            if name != "generator":
                value.copy_(tensors[name])
        self.generator.set_state(tensors["generator"])


def terms_of(penalties: Iterable[Any], seed: int) -> list[Term]:
    """Return the penalties with a weight above 0.

    Raises
    ------
    UnknownNameError
        If a penalty is not registered.
    OptionError
        If an entry is not a penalty with a weight of at least 0, or for an unknown option.
    """
    terms = [_parse_entry(entry) for entry in penalties]
    for number, term in enumerate(terms):
        term.generator.manual_seed(seed * 1_009 + number + 1)
    return [term for term in terms if term.weight]


def _parse_entry(entry: Any) -> Term:
    if isinstance(entry, str) or not isinstance(entry, list | tuple) or len(entry) not in (2, 3):
        raise OptionError(f"penalties= got {entry!r}; {EXPECTED}.")
    item, weight, options = (*entry, {})[:3]
    name = item if isinstance(item, str) else getattr(item, "name", repr(item))
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not isfinite(weight) or weight < 0:
        raise OptionError(f"The weight of the penalty {name!r} must be a number of at least 0; got {weight!r}.")
    return Term(_make_penalty(item, dict(options)), float(weight))


def _make_penalty(item: Any, options: dict[str, Any]) -> Penalty:
    penalty = registry().get("penalty", item) if isinstance(item, str) else item
    if isinstance(penalty, type) and issubclass(penalty, Penalty):
        known_options("Penalty", penalty.name, penalty, options)
        penalty = penalty(**options)
    elif options:
        name = getattr(penalty, "name", penalty)
        raise OptionError(f"This {name!r} object already has its options: pass its class, or no options.")
    if not isinstance(penalty, Penalty):
        raise OptionError(f"penalties= got {item!r}; {EXPECTED}.")
    if penalty.branch not in BRANCHES:
        branches = ", ".join(BRANCHES)
        raise OptionError(f"Penalty {penalty.name!r}: branch must be one of {branches}; got {penalty.branch!r}.")
    return penalty
