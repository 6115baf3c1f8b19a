"""Interventions in force: the edits of `interp.intervene` blocks, which a capture inside the block applies itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from weakref import WeakKeyDictionary

from torch import nn

from interp.errors import CaptureError
from interp.interventions.edited_model import EDITED_ATTRIBUTE, EditedModel
from interp.interventions.edits import Edit
from interp.torch_utils import named_modules


class Intervention:
    """The edits of one block, whose hooks can be removed and installed again.

    Parameters
    ----------
    edited_model : EditedModel
        Model and edits.
    hooks : callable
        Returns the context in which the edits apply.

    Attributes
    ----------
    was_captured : bool
        True after a capture inside the block, which checks itself that every edit was applied.
    """

    def __init__(self, edited_model: EditedModel, hooks: Callable[[], AbstractContextManager[None]]) -> None:
        self.edited_model, self.hooks = edited_model, hooks
        self.was_captured = False
        self.installed = ExitStack()

    def install(self) -> None:
        """Apply the edits from now on."""
        self.installed.enter_context(self.hooks())

    def remove(self) -> None:
        """Apply the edits no more."""
        self.installed.close()


_ACTIVE: WeakKeyDictionary[nn.Module, list[Intervention]] = WeakKeyDictionary()


@contextmanager
def in_force(model: nn.Module, intervention: Intervention) -> Iterator[None]:
    """Apply the edits of an intervention to the model inside the block."""
    intervention.install()
    _ACTIVE.setdefault(model, []).append(intervention)
    try:
        yield
    finally:
        _ACTIVE[model].remove(intervention)
        intervention.remove()


def active_edits(model: nn.Module) -> list[Edit]:
    """Return the edits in force on a model, in the order in which they apply."""
    return [bound.edit for one in _ACTIVE.get(model, []) for bound in one.edited_model.bound_edits]


@contextmanager
def suspended(model: nn.Module) -> Iterator[None]:
    """Remove the hooks of the interventions on a model inside the block, since the caller applies their edits."""
    interventions = list(_ACTIVE.get(model, []))
    for intervention in reversed(interventions):
        intervention.remove()
        intervention.was_captured = True
    try:
        yield
    finally:
        for intervention in interventions:
            intervention.install()


def require_unedited(model: nn.Module) -> None:
    """Raise `CaptureError` if a part of the model is edited by an intervention on that part or on a larger model."""
    for name, module in named_modules(model).items():
        if hasattr(module.__dict__.get("forward"), EDITED_ATTRIBUTE):
            raise CaptureError(
                f"{name!r} is under an interp.intervene of another model. Pass the captured model to interp.intervene."
            )
