"""What a store says of the capture that it is of: the call, how far it has come, and how to go on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.capturing.batching import each_batch
from interp.capturing.identity import chained, described
from interp.errors import OptionError
from interp.integrity import SEAL, group_digest
from interp.storage import CAPTURE, GROUP

if TYPE_CHECKING:
    from interp.capturing.session import Session
    from interp.contracts import Batch

OPTIONS = ("modules", "quantities", "units", "where", "batch_size", "dtype", "check")


@dataclass(frozen=True)
class Manifest:
    """How far a capture has come; the only truth about what of a store is committed.

    Attributes
    ----------
    call : dict of str to str
        What identifies the call: the model, its weights, the options, what the batches say of themselves.
    made_with : dict of str to str
        Versions of what computes.
    units : str
        A hash of the names of the units.
    block : int
        Rows that are committed at once.
    rows : int
        Committed rows.
    batches, skip : int
        Batches before the one in which the committed rows end, and how many rows of that one are committed.
    marks : tuple of (int, str)
        After so many batches, the hash of them all: of the last one that a block has rows of, for each block.
    session : dict
        The state of the session when the batch in which the committed rows end began.
    complete : bool
        Whether all is there.
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
        """Put it into the attributes of a Zarr group, beside others, all at once."""
        attributes = {**attrs, CAPTURE: json.dumps(asdict(self), ensure_ascii=False)}
        attributes[SEAL] = group_digest(place, attributes)
        node = {"attributes": attributes, "zarr_format": 3, "node_type": "group"}
        aside = place / f"{GROUP}.new"
        aside.write_text(json.dumps(node, ensure_ascii=False, indent=2), encoding="utf-8")
        aside.replace(place / GROUP)

    def check(self, asked: Manifest, path: Path) -> None:
        """Raise `OptionError` where a call differs from the one that the store was begun with."""
        found = list(differences(self.call, asked.call))
        if not self.complete:
            found += differences(self.made_with, asked.made_with)
        if found:
            raise OptionError(
                f"{path} is of another call of capture; it differs in {', '.join(found)}. "
                "Give what is stored, or choose another store=."
            )


def differences(stored: Mapping[str, str], asked: Mapping[str, str]) -> Iterator[str]:
    """Yield what differs, with both values."""
    for name in dict.fromkeys([*stored, *asked]):
        one, two = stored.get(name, "nothing"), asked.get(name, "nothing")
        if one != two:
            yield f"{name} (stored {around(one, two)}, asked {around(two, one)})"


def around(text: str, other: str, width: int = 80) -> str:
    """Return a text, cut to where it begins to differ from another if it is long."""
    same = next((k for k, pair in enumerate(zip(text, other, strict=False)) if pair[0] != pair[1]), 0)
    start = max(0, same - width // 4) if len(text) > width else 0
    return ("…" if start else "") + text[start : start + width] + ("…" if len(text) > start + width else "")


def begin(session: Session) -> Manifest:
    """Return the manifest of a capture of which nothing is there yet."""
    import torch

    from interp._version import __version__

    call = {name: described(value) for name, value in session.attrs.items()}
    call |= {f"{name}=": described(getattr(session.options, name)) for name in OPTIONS}
    fingerprint = getattr(session.batches, "fingerprint", None)
    if isinstance(fingerprint, str):
        call["fingerprint of batches="] = fingerprint
    return Manifest(call, {"interp": __version__, "torch": torch.__version__})


def read(path: Path) -> Manifest | None:
    """Return the manifest of a store, None where there is nothing.

    Raises
    ------
    OptionError
        Where there is something that capture has not written.
    """
    if not path.exists():
        return None
    group = path / GROUP
    attributes = json.loads(group.read_text(encoding="utf-8")).get("attributes", {}) if group.is_file() else {}
    if CAPTURE not in attributes:
        what = "is a store that interp.capture has not written" if "schema" in attributes else "is no store of interp"
        raise OptionError(f"{path} {what}, and is left as it is. Choose another store=.")
    return Manifest(**json.loads(attributes[CAPTURE]))


def numbered(batches: Any, manifest: Manifest, path: Path) -> Iterator[tuple[int, str, Batch]]:
    """Yield batches with their number, from 1, and the hash of all up to it.

    Raises
    ------
    OptionError
        Where they are not the batches that a store was begun with.
    """
    expected = {int(number): digest for number, digest in manifest.marks}
    last, number, digest, good = max(expected, default=0), 0, "", 0
    for number, batch in enumerate(each_batch(batches), 1):
        digest = chained(digest, batch)
        if expected.get(number, digest) != digest:
            where = (
                f"batch {number} differs" if number == good + 1 else f"one of batches {good + 1} to {number} differs"
            )
            raise other(path, where)
        if manifest.complete and number > last:
            raise other(path, f"there were {last} batches, and there is a batch {number}")
        good = number if number in expected else good
        yield number, digest, batch
    if number < last:
        raise other(path, f"there were at least {last} batches, and there is no batch {number + 1}")


def other(path: Path, what: str) -> OptionError:
    """Return the error for batches that a store was not begun with."""
    return OptionError(
        f"{path} was begun with other batches: {what}. Give the same batches in the same order (an iterator gives them "
        "only once: make it anew), or choose another store=."
    )
