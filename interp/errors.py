"""Errors of ``interp``: each says what was expected, what was got and what to type."""

from collections.abc import Iterable
from difflib import get_close_matches


class InterpError(Exception):
    """Base of every error that ``interp`` raises on purpose; its text is meant for the user."""


class UnknownNameError(InterpError, KeyError):
    """No such probe, viewer, task, model, module or unit."""

    __str__ = Exception.__str__  # KeyError would print the repr of the sentence


class SchemaError(InterpError, ValueError):
    """A dataset that does not follow the schema; the text lists every fault."""


class OptionError(InterpError, ValueError):
    """An option with a value that makes no sense."""


class PluginError(InterpError):
    """A plugin that breaks the rules of the host; the text names it."""


class CaptureError(InterpError):
    """A capture that could not be done, or not exactly."""


class CorpusError(InterpError, ValueError):
    """Text that is missing, empty, or not text."""


class WeightsError(InterpError):
    """Weights that are missing, altered, or of another network."""


class StorageError(InterpError, OSError):
    """A disk that is full, or a place where nothing may be written."""


class ClusterError(InterpError):
    """A cluster that is not there, or has lost the work."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """Return the error for a name that is not registered, with the nearest ones.

    Parameters
    ----------
    kind : str
        What was looked up, for the sentence: ``"probe"``.
    name : str
        What was asked for.
    known : iterable of str
        What there is.
    """
    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.6)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    listed = ", ".join(names[:40]) + (f", and {len(names) - 40} more" if len(names) > 40 else "")
    return UnknownNameError(f"No {kind} named {name!r}.{hint} Registered: {listed or 'none'}.")
