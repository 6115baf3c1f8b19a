"""Errors of ``interp``. Each message states what was expected, what was got and what to type."""

from collections.abc import Iterable
from difflib import get_close_matches


class InterpError(Exception):
    """Base of every error that ``interp`` raises on purpose; its message is meant for the user."""


class UnknownNameError(InterpError, KeyError):
    """Unknown name of a probe, viewer, task, model, module, unit or label."""

    __str__ = Exception.__str__  # KeyError would print the repr of the sentence


class SchemaError(InterpError, ValueError):
    """A dataset that does not follow the schema; the message lists every fault."""


class OptionError(InterpError, ValueError):
    """An unknown option, or an option with an invalid value."""


class PluginError(InterpError):
    """A plugin that breaks the rules of the plugin API; the message names it."""


class CaptureError(InterpError):
    """A capture or an intervention that is impossible, or would not be exact."""


class CorpusError(InterpError, ValueError):
    """A corpus file that is missing, empty or not text."""


class WeightsError(InterpError):
    """Weights that are missing, altered, or of another network."""


class StorageError(InterpError, OSError):
    """A full disk, or a path that can't be written."""


class ClusterError(InterpError):
    """A cluster that is unavailable, or that lost the work."""


def unknown_name_error(kind: str, name: str, existing: Iterable[str]) -> UnknownNameError:
    """Return the error for an unknown name, with suggestions of similar names.

    Parameters
    ----------
    kind : str
        Kind of the object for the message, such as ``"probe"``.
    name : str
        The unknown name.
    existing : iterable of str
        Existing names.
    """
    names = sorted(existing)
    near = get_close_matches(name, names, n=3, cutoff=0.6)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    preview = ", ".join(names[:40]) + (f", and {len(names) - 40} more" if len(names) > 40 else "")
    return UnknownNameError(f"No {kind} named {name!r}.{hint} Registered: {preview or 'none'}.")
