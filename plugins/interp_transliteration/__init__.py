"""The transliteration task: from romanised text back to its script, with language packs as data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interp import hookimpl


@hookimpl
def register_tasks(register: Callable[[Any], None]) -> None:
    """Register the task ``transliteration``."""
    from interp_transliteration.task import TransliterationTask

    register(TransliterationTask)
