"""What makes two calls of `capture` the same: their options and their batches, as text that a store keeps."""

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

    from interp.contracts import Batch

PLAIN = (str, int, float, bool, type(None))


def described(value: Any) -> str:
    """Return an option's value as text that is the same in another process.

    A function is its qualified name and a hash of its code, defaults, and the plain values that it encloses; what it
    reads from elsewhere is not seen. Of an object that is nothing known, the type and its attributes stand for it.
    """
    if hasattr(value, "coords"):
        value = value["unit"]
    if hasattr(value, "tolist"):  # arrays and their scalars, tensors
        value = value.tolist()
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, slice):
        return f"slice({value.start!r}, {value.stop!r})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(sorted(f"{key!r}: {described(held)}" for key, held in value.items())) + "}"
    if callable(value):
        return of_callable(value)
    if isinstance(value, set | frozenset):
        return "[" + ", ".join(sorted(described(held) for held in value)) + "]"
    if isinstance(value, Iterable):
        return "[" + ", ".join(described(held) for held in value) + "]"
    return f"<{type(value).__qualname__}>"


def of_callable(function: Callable[..., Any]) -> str:
    """Return the name of a function and a hash of what it does, as far as that can be seen."""
    if isinstance(function, partial):
        return f"partial({', '.join(map(described, (function.func, function.args, function.keywords)))})"
    code = getattr(function, "__code__", None)
    if code is None:  # an object with __call__, or a function that is not written in Python
        code = getattr(type(function).__call__, "__code__", None)
        name, held = type(function).__qualname__, described(getattr(function, "__dict__", {}))
        return f"{name} (code {code_hash(code)}, {held})" if code else getattr(function, "__qualname__", name)
    cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    cells = [getattr(held, "__qualname__", "") if callable(held) else held for held in cells]
    known = [getattr(function, "__defaults__", ()), getattr(function, "__kwdefaults__", {}), cells]
    digest = sha256((code_hash(code) + described(known)).encode()).hexdigest()
    return f"{function.__qualname__} (code {digest[:16]})"


def code_hash(code: CodeType) -> str:
    """Return a hash of what compiled code does, whatever file and line it stands in."""
    constants = [code_hash(part) if isinstance(part, CodeType) else described(part) for part in code.co_consts]
    return sha256(repr((code.co_code, code.co_names, constants)).encode()).hexdigest()[:16]


def chained(digest: str, batch: Batch) -> str:
    """Return the SHA-256 of one more batch: its inputs, lengths and labels, after those behind ``digest``."""
    found = sha256(digest.encode())
    for part in (batch.inputs, batch.lengths, batch.labels):
        feed(found, part)
    return found.hexdigest()


def feed(digest: _Hash, value: Any) -> None:
    """Add a value to a hash; of an object that is nothing known, only its type."""
    if isinstance(value, Tensor) and value.layout == torch.strided:
        flat = value.detach().cpu().contiguous().reshape(-1)
        digest.update(f"{value.dtype}{tuple(value.shape)}".encode() + flat.view(torch.uint8).numpy().tobytes())
    elif isinstance(value, PackedSequence):
        feed(digest, [value.data, value.batch_sizes, value.unsorted_indices])
    elif isinstance(value, np.ndarray) and value.dtype != object:
        digest.update(f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
    elif isinstance(value, Mapping):
        feed(digest, [part for pair in value.items() for part in pair])
    elif isinstance(value, list | tuple | np.ndarray):
        digest.update(f"[{len(value)}".encode())
        if set(map(type, value)) <= set(PLAIN):
            digest.update(repr(list(value)).encode())
        else:
            for part in value:
                feed(digest, part)
    else:
        digest.update((repr(value) if isinstance(value, PLAIN) else type(value).__qualname__).encode())
