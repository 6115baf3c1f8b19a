"""Zarr stores. Labels are stored as codes; stores are written atomically or block by block, and opened lazily."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from interp.errors import OptionError, SchemaError
from interp.labels import join_labels
from interp.schema import ACTIVATIONS, RESULT, SCHEMA_VERSION, validate
from interp.storage import checksums
from interp.storage.encoding import decode, encode, with_variables, zarr_encoding
from interp.storage.filesystem import storage_errors
from interp.storage.upgrades import UPGRADES

if TYPE_CHECKING:
    import xarray as xr


MANIFEST_ATTR = "capture"  # attribute with the manifest of a capture
GROUP_METADATA = "zarr.json"
SHARDS = "shards.json"  # rows of each shard of a distributed capture
PARTS = ".parts"  # during a distributed capture: captured shards that are not in the matrix yet
BLOCK_LABELS = checksums.BLOCK_LABELS


def save(dataset: xr.Dataset, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write activations or a result to a Zarr store.

    Parameters
    ----------
    dataset : Dataset
        Activations (schema ``interp.activations``), dims ``(token, unit)``, or a result (``interp.result``).
    path : str or path
        Directory that does not exist yet; missing parent directories are created.
    overwrite : bool
        Replace an existing store. Default: False.

    Returns
    -------
    Path
        Path of the store, which is written atomically.

    Raises
    ------
    OptionError
        ``path`` exists, and ``overwrite`` is False or it is not an interp store.
    SchemaError
        The dataset has another schema.
    StorageError
        The disk is full or the directory is not writable.
    """
    path = Path(path)
    check_target(path, overwrite)
    coded = encode(_validated(dataset))
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            write_encoded(coded, temporary / "new", mode="w-")
            checksums.write_checksums(temporary / "new")
            _rename_into_place(temporary, path, overwrite)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return path


def _rename_into_place(temporary: Path, path: Path, overwrite: bool) -> None:
    """Move the new store to its path; move an old one away first."""
    if overwrite and path.exists():
        path.rename(temporary / "old")
    try:
        (temporary / "new").rename(path)
    except OSError as error:
        if not path.exists():
            raise
        raise OptionError(f"Another process has written {path} in the meantime. Choose another path.") from error


def open(path: str | os.PathLike[str]) -> xr.Dataset:  # noqa: A001
    """Open a store lazily: data, and labels of more than 262,144 tokens, are read on access.

    Parameters
    ----------
    path : str or path
        Store written by `save` or ``capture(store=…)``.

    Returns
    -------
    Dataset
        Activations ``(token, unit)`` or a result, in the newest version of the schema. An unfinished capture gives a
        warning and the rows that are stored so far.

    Raises
    ------
    SchemaError
        There is no store, it was not written by interp, its version is newer than this interp reads, or files are
        missing or damaged. Damage inside a file raises the same error when the data is read.
    """
    path = Path(path)
    if not (path / GROUP_METADATA).is_file():  # version 2 could hold pickled objects
        problem = "is not a Zarr store of version 3" if path.exists() else "does not exist"
        raise SchemaError(f"{path} {problem}. interp.open takes a directory written by interp.save(dataset, path).")
    check_files(path)
    stored = _read(path)
    manifest = json.loads(stored.attrs.pop(MANIFEST_ATTR, "{}"))
    stored.attrs.pop(checksums.GROUP_HASH_ATTR, None)
    if not manifest.get("complete", True):
        stored = _unfinished(stored, manifest, path)
    return upgrade(decode(stored), str(path))


def read_unchecked(path: Path) -> xr.Dataset:
    """Return the content of a store without verifying its checksums."""
    return decode(_read(path))


def _unfinished(stored: xr.Dataset, manifest: Mapping[str, Any], path: Path) -> xr.Dataset:
    rows = manifest["rows"]
    warnings.warn(
        f"{path} is not finished: {rows:,} tokens are stored. Run the same interp.capture call again to resume.",
        stacklevel=3,
    )
    labels = read_block_labels(path, range(0, rows, manifest["block"]))
    return stored.isel(token=slice(rows)).assign_coords({name: ("token", values) for name, values in labels.items()})


def check_files(path: Path) -> None:
    """Raise `SchemaError` if files of a store are missing, or if their sizes or the metadata have changed."""
    faults = [f"{name} {fault}" for name, fault in checksums.find_faults(path, all_bytes=False)]
    if faults:
        more = (
            f" (and {len(faults) - checksums.MAX_LISTED_FAULTS} more)"
            if len(faults) > checksums.MAX_LISTED_FAULTS
            else ""
        )
        listing = "; ".join(faults[: checksums.MAX_LISTED_FAULTS]) + more
        raise SchemaError(f"{path} is damaged: {listing}. Run `interp doctor {path}` to see what can be repaired.")


def read_block_labels(path: Path, starts: Iterable[int]) -> dict[str, np.ndarray]:
    """Return the concatenated labels of the blocks of rows that start at ``starts``."""
    blocks = (decode(_read(path, f"{BLOCK_LABELS}/{start}")) for start in starts)
    return join_labels([{str(name): variable.values for name, variable in block.variables.items()} for block in blocks])


def _read(path: Path, group: str | None = None) -> xr.Dataset:
    import xarray as xr

    options = {"decode_times": False, "mask_and_scale": False, "consolidated": False, "zarr_format": 3}
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", f"Object at ({checksums.CHECKSUMS_FILE}|{SHARDS})")
            stored = xr.open_dataset(path, engine="zarr", group=group, chunks=None, **options)  # type: ignore[arg-type]
    except Exception as error:  # readers of damaged metadata may raise anything
        raise SchemaError(f"{path} can't be read: {error}") from error
    return with_variables(
        stored, {name: _checked_variable(name, variable, path) for name, variable in stored.variables.items()}
    )


def _checked_variable(name: Any, variable: xr.Variable, path: Path) -> xr.Variable:
    """Wrap a variable so that read errors name it and its store."""
    import xarray as xr
    from xarray.core.indexing import LazilyIndexedArray

    from interp.storage.encoding import CheckedArray

    return xr.Variable(
        variable.dims, LazilyIndexedArray(CheckedArray(variable, f"{path}: {name}")), variable.attrs, variable.encoding
    )


def write_encoded(coded: xr.Dataset, path: Path, *, mode: Literal["w", "w-", "a"], group: str | None = None) -> None:
    """Write an `encode` dataset."""
    chunks = {str(name): zarr_encoding(variable) for name, variable in coded.variables.items()}
    coded.to_zarr(path, group=group, zarr_format=3, consolidated=False, encoding=chunks, mode=mode)


def upgrade(dataset: xr.Dataset, where: str) -> xr.Dataset:
    """Upgrade a dataset to the newest version of its schema; errors name its origin ``where``."""
    schema, version = dataset.attrs.get("schema"), dataset.attrs.get("schema_version")
    if schema not in (ACTIVATIONS, RESULT) or not isinstance(version, int):
        raise SchemaError(f"{where} has schema {schema!r} version {version!r}; expected {ACTIVATIONS!r} or {RESULT!r}.")
    if version > SCHEMA_VERSION:
        raise SchemaError(
            f"{where} has version {version} of {schema}, written by interp {dataset.attrs.get('interp_version')}; the "
            f"installed interp reads up to version {SCHEMA_VERSION}. Upgrade: pip install --upgrade interp."
        )
    for older in range(version, SCHEMA_VERSION):
        dataset = UPGRADES[schema, older](dataset).assign_attrs(schema_version=older + 1)
    return dataset


def check_target(path: Path, overwrite: bool) -> None:
    """Raise `OptionError` if a path exists that `save` would not replace."""
    if not path.exists():
        return
    if not overwrite:
        raise OptionError(f"{path} exists. Replace it with overwrite=True, or choose another path.")
    if not (path / GROUP_METADATA).is_file():
        raise OptionError(f"{path} is not an interp store and is not replaced. Choose another path.")


def _validated(dataset: xr.Dataset) -> xr.Dataset:
    if dataset.attrs.get("schema") == ACTIVATIONS:
        return validate(dataset)
    if dataset.attrs.get("schema") != RESULT:
        raise SchemaError(
            f"Expected activations or a result of interp.measure (attrs['schema'] {ACTIVATIONS!r} or {RESULT!r}); "
            f"got schema {dataset.attrs.get('schema')!r}."
        )
    return dataset
