"""Fingerprints of options and batches, by which a store recognises the same capture call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from hashlib import sha256
from types import CodeType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

if TYPE_CHECKING:
    from hashlib import _Hash

    from interp.base import Batch


PLAIN_TYPES = (str, int, float, bool, type(None))


def canonical_text(value: Any) -> str:
    """Return the value of an option as text that is the same in every process.

    A function is described by its qualified name and a hash of its code, its defaults and the plain values in its
    closure; globals are not included. Other objects are described by their type.
    """
    if hasattr(value, "coords"):
        value = value["unit"]
    if hasattr(value, "tolist"):  # arrays and their scalars, tensors
        value = value.tolist()
    if isinstance(value, PLAIN_TYPES):
        return repr(value)
    if isinstance(value, slice):
        return f"slice({value.start!r}, {value.stop!r})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(sorted(f"{key!r}: {canonical_text(item)}" for key, item in value.items())) + "}"
    if callable(value):
        return callable_fingerprint(value)
    if isinstance(value, set | frozenset):
        return "[" + ", ".join(sorted(canonical_text(item) for item in value)) + "]"
    if isinstance(value, Iterable):
        return "[" + ", ".join(canonical_text(item) for item in value) + "]"
    return f"<{type(value).__qualname__}>"


def callable_fingerprint(function: Callable[..., Any]) -> str:
    """Return the name of a function and a hash of its code, defaults and closure."""
    if isinstance(function, partial):
        return f"partial({', '.join(map(canonical_text, (function.func, function.args, function.keywords)))})"
    code = getattr(function, "__code__", None)
    if code is None:  # object with __call__, or a built-in function
        code = getattr(type(function).__call__, "__code__", None)
        name, attributes = type(function).__qualname__, canonical_text(getattr(function, "__dict__", {}))
        return f"{name} (code {hash_code(code)}, {attributes})" if code else getattr(function, "__qualname__", name)
    cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    cells = [getattr(content, "__qualname__", "") if callable(content) else content for content in cells]
    values = [getattr(function, "__defaults__", ()), getattr(function, "__kwdefaults__", {}), cells]
    digest = sha256((hash_code(code) + canonical_text(values)).encode()).hexdigest()
    return f"{function.__qualname__} (code {digest[:16]})"


def hash_code(code: CodeType) -> str:
    """Return a hash of compiled code, independent of file and line."""
    constants = [hash_code(part) if isinstance(part, CodeType) else canonical_text(part) for part in code.co_consts]
    return sha256(repr((code.co_code, code.co_names, constants)).encode()).hexdigest()[:16]


def chain_hash(digest: str, batch: Batch) -> str:
    """Return the SHA-256 of ``digest``, the hash of the earlier batches, and a batch's inputs, lengths and labels."""
    hasher = sha256(digest.encode())
    for part in (batch.inputs, batch.lengths, batch.labels):
        update_hash(hasher, part)
    return hasher.hexdigest()


def update_hash(digest: _Hash, value: Any) -> None:
    """Add a value to a hash; of unknown objects only the type."""
    if isinstance(value, Tensor) and value.layout == torch.strided:
        flat = value.detach().cpu().contiguous().reshape(-1)
        digest.update(f"{value.dtype}{tuple(value.shape)}".encode() + flat.view(torch.uint8).numpy().tobytes())
    elif isinstance(value, PackedSequence):
        update_hash(digest, [value.data, value.batch_sizes, value.unsorted_indices])
    elif isinstance(value, np.ndarray) and value.dtype != object:
        digest.update(f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
    elif isinstance(value, Mapping):
        update_hash(digest, [part for pair in value.items() for part in pair])
    elif isinstance(value, list | tuple | np.ndarray):
        digest.update(f"[{len(value)}".encode())
        if set(map(type, value)) <= set(PLAIN_TYPES):
            digest.update(repr(list(value)).encode())
        else:
            for part in value:
                update_hash(digest, part)
    else:
        digest.update((repr(value) if isinstance(value, PLAIN_TYPES) else type(value).__qualname__).encode())
