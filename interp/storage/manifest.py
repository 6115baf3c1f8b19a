"""Manifest of a capture in a store: the call, the committed rows, and the point from which to resume."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from interp.errors import OptionError
from interp.storage.checksums import GROUP_HASH_ATTR, hash_group
from interp.storage.filesystem import write_atomically
from interp.storage.store import GROUP_METADATA, MANIFEST_ATTR

CALL_OPTIONS = ("modules", "quantities", "units", "where", "batch_size", "dtype", "verify")


@dataclass(frozen=True)
class Manifest:
    """Progress of a capture; the only record of the committed rows of a store.

    Attributes
    ----------
    call : dict of str to str
        Identity of the call: model, weights, options and, if they have one, the fingerprint of the batches.
    made_with : dict of str to str
        Versions of interp and torch.
    units : str
        Hash of the unit names.
    block : int
        Rows per block.
    rows : int
        Number of committed rows.
    batches : int
        Number of batches before the one in which the committed rows end.
    skip : int
        Committed rows of that batch.
    marks : tuple of (int, str)
        Number of a batch and the hash of all batches up to it: the last batch of each block.
    session : dict
        State of the session before the batch in which the committed rows end.
    complete : bool
        Whether the capture is finished.
    """

    call: dict[str, str]
    made_with: dict[str, str]
    units: str = ""
    block: int = 0
    rows: int = 0
    batches: int = 0
    skip: int = 0
    marks: tuple[tuple[int, str], ...] = ()
    session: dict[str, Any] = field(default_factory=dict)
    complete: bool = False

    def write(self, place: Path, attrs: Mapping[str, Any]) -> None:
        """Write the manifest and other attributes to a Zarr group, atomically."""
        attributes = {**attrs, MANIFEST_ATTR: json.dumps(asdict(self), ensure_ascii=False)}
        attributes[GROUP_HASH_ATTR] = hash_group(place, attributes)
        node = {"attributes": attributes, "zarr_format": 3, "node_type": "group"}
        with write_atomically(place / GROUP_METADATA) as stream:
            stream.write(json.dumps(node, ensure_ascii=False, indent=2).encode())

    def check_same_call(self, requested: Manifest, path: Path) -> None:
        """Raise `OptionError` if a call differs from the one that created the store."""
        changes = list(differences(self.call, requested.call))
        if not self.complete:
            changes += differences(self.made_with, requested.made_with)
        if changes:
            raise OptionError(
                f"{path} was created by a different capture call. Differences: {', '.join(changes)}. "
                "Use the stored values, or choose another store=."
            )


def differences(stored: Mapping[str, str], requested: Mapping[str, str]) -> Iterator[str]:
    """Yield each difference, with both values."""
    for name in dict.fromkeys([*stored, *requested]):
        one, two = stored.get(name, "nothing"), requested.get(name, "nothing")
        if one != two:
            yield f"{name} (stored {diff_excerpt(one, two)}, this call {diff_excerpt(two, one)})"


def diff_excerpt(text: str, other: str, width: int = 80) -> str:
    """Return a text; if it is long, an excerpt of it around the first difference from another."""
    difference = next((k for k, pair in enumerate(zip(text, other, strict=False)) if pair[0] != pair[1]), 0)
    start = max(0, difference - width // 4) if len(text) > width else 0
    return ("…" if start else "") + text[start : start + width] + ("…" if len(text) > start + width else "")


def read_manifest(path: Path) -> Manifest | None:
    """Return the manifest of a store, or None if the path does not exist.

    Raises
    ------
    OptionError
        The path exists and was not written by `capture`.
    """
    if not path.exists():
        return None
    group = path / GROUP_METADATA
    attributes = json.loads(group.read_text(encoding="utf-8")).get("attributes", {}) if group.is_file() else {}
    if MANIFEST_ATTR not in attributes:
        problem = "was not written by interp.capture" if "schema" in attributes else "is not an interp store"
        raise OptionError(f"{path} {problem}, and is not changed. Choose another store=.")
    manifest = Manifest(**json.loads(attributes[MANIFEST_ATTR]))
    call = {"verify=" if name == "check=" else name: text for name, text in manifest.call.items()}  # schema 1
    return replace(manifest, call=call)


def batches_differ_error(path: Path, what: str) -> OptionError:
    """Return the error for batches that differ from those of the store."""
    return OptionError(
        f"{path} was created from other batches: {what}. Pass the same batches in the same order (an iterator yields "
        "them only once: create a new one), or choose another store=."
    )
