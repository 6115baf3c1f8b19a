"""Datasets on disk: Zarr version 3, labels as codes, opened lazily; written whole or not at all, or block by block."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from interp import integrity
from interp.capturing.labels import join_labels
from interp.disk import writing
from interp.errors import OptionError, SchemaError
from interp.schema import ACTIVATIONS, RESULT, SCHEMA_VERSION, validate

if TYPE_CHECKING:
    import xarray as xr

Upgrade = Callable[["xr.Dataset"], "xr.Dataset"]

UPGRADES: dict[tuple[str, int], Upgrade] = {}
"""For a schema and a version, the pure function that gives the next version."""

CHUNK = {"token": 32_768, "unit": 16}  # a column of one unit is what viewers read
SHARD = {"token": 32_768, "unit": 512}  # 64 MiB of float32 to a file
LABELS = 2**18  # tokens of a label in a chunk
VOCABULARY = "vocabulary"
ORDER = "variables"
CAPTURE = "capture"  # the attribute with the manifest of a capture
GROUP = "zarr.json"
SHARDS = "shards.json"  # which rows are of which shard, of a capture that workers did
PARTS = ".parts"  # while a capture goes on: what workers have captured and is not in the matrix yet
LABELS_SO_FAR = integrity.LABELS_SO_FAR


def save(dataset: xr.Dataset, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write activations or a result to a Zarr store.

    Parameters
    ----------
    dataset : Dataset
        Of schema ``interp.activations``, dims ``(token, unit)``, or ``interp.result``.
    path : str or path
        A directory that does not exist yet; the ones above it are made.
    overwrite : bool
        Replace a store that is there.

    Returns
    -------
    Path
        Where it is. A store appears there whole or not at all.

    Raises
    ------
    OptionError
        When there is something at ``path`` already, and ``overwrite`` is not given or it is no store.
    SchemaError
        For a dataset of another schema.
    StorageError
        When the disk is full, or nothing may be written there.
    """
    path = Path(path)
    check_target(path, overwrite)
    coded = encoded(_checked(dataset))
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            write(coded, aside / "new", mode="w-")
            integrity.seal(aside / "new")
            _put(aside, path, overwrite)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return path


def _put(aside: Path, path: Path, overwrite: bool) -> None:
    """Give a new store its place; an old one goes aside."""
    if overwrite and path.exists():
        path.rename(aside / "old")
    try:
        (aside / "new").rename(path)
    except OSError as error:
        if not path.exists():
            raise
        raise OptionError(f"{path} was written by another process meanwhile; choose another path.") from error


def open(path: str | os.PathLike[str]) -> xr.Dataset:  # noqa: A001
    """Open a store: data is read when used, and so are the labels of more than 262,144 tokens.

    Parameters
    ----------
    path : str or path
        What `save`, or ``capture(store=…)``, wrote.

    Returns
    -------
    Dataset
        In the newest version of its schema: activations ``(token, unit)``, or a result. Of a capture that is not
        finished the rows that are there, with a warning.

    Raises
    ------
    SchemaError
        When there is no store, when it is not one of ours, is of a newer version than this one reads, or has files
        that are missing or damaged. What is damaged within a file shows when that is read, as the same error.
    """
    path = Path(path)
    if not (path / GROUP).is_file():  # version 2 could hold pickled objects
        there = "is no Zarr store of version 3" if path.exists() else "does not exist"
        raise SchemaError(f"{path} {there}. interp.open takes a directory that interp.save(dataset, path) wrote.")
    check_files(path)
    stored = _read(path)
    manifest = json.loads(stored.attrs.pop(CAPTURE, "{}"))
    stored.attrs.pop(integrity.SEAL, None)
    if not manifest.get("complete", True):
        stored = _unfinished(stored, manifest, path)
    return upgraded(_decoded(stored), str(path))


def read_unchecked(path: Path) -> xr.Dataset:
    """Return what a store holds, whatever its list of sums says."""
    return _decoded(_read(path))


def _unfinished(stored: xr.Dataset, manifest: Mapping[str, Any], path: Path) -> xr.Dataset:
    rows = manifest["rows"]
    warnings.warn(
        f"{path} is not finished: {rows:,} tokens are there. The same call of interp.capture goes on.", stacklevel=3
    )
    labels = labels_so_far(path, range(0, rows, manifest["block"]))
    return stored.isel(token=slice(rows)).assign_coords({name: ("token", held) for name, held in labels.items()})


def check_files(path: Path) -> None:
    """Raise `SchemaError` where files of a store are missing, or have another size or other metadata than written."""
    found = [f"{name} {fault}" for name, fault in integrity.faults(path, all_bytes=False)]
    if found:
        more = f" (and {len(found) - integrity.SHOWN} more)" if len(found) > integrity.SHOWN else ""
        told = "; ".join(found[: integrity.SHOWN]) + more
        raise SchemaError(f"{path} is damaged: {told}. `interp doctor {path}` says what can be done.")


def labels_so_far(path: Path, starts: Iterable[int]) -> dict[str, np.ndarray]:
    """Return the labels of the blocks of rows that start there, one after the other."""
    blocks = (_decoded(_read(path, f"{LABELS_SO_FAR}/{start}")) for start in starts)
    return join_labels([{str(name): held.values for name, held in block.variables.items()} for block in blocks])


def _read(path: Path, group: str | None = None) -> xr.Dataset:
    import xarray as xr

    options = {"decode_times": False, "mask_and_scale": False, "consolidated": False, "zarr_format": 3}
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", f"Object at ({integrity.SUMS}|{SHARDS})")
            stored = xr.open_dataset(path, engine="zarr", group=group, chunks=None, **options)  # type: ignore[arg-type]
    except Exception as error:  # whatever a reader makes of metadata that are not its own
        raise SchemaError(f"{path} can't be read: {error}") from error
    return _with_variables(stored, {name: _held(name, held, path) for name, held in stored.variables.items()})


def _held(name: Any, held: xr.Variable, path: Path) -> xr.Variable:
    """Return a variable whose errors name it and its store."""
    import xarray as xr
    from xarray.core.indexing import LazilyIndexedArray

    from interp.lazyarrays import Held

    return xr.Variable(held.dims, LazilyIndexedArray(Held(held, f"{path}: {name}")), held.attrs, held.encoding)


def write(coded: xr.Dataset, path: Path, *, mode: Literal["w", "w-", "a"], group: str | None = None) -> None:
    """Write an `encoded` dataset."""
    chunks = {str(name): layout(held) for name, held in coded.variables.items()}
    coded.to_zarr(path, group=group, zarr_format=3, consolidated=False, encoding=chunks, mode=mode)


def upgraded(dataset: xr.Dataset, where: str) -> xr.Dataset:
    """Return a dataset in the newest version of its schema; ``where`` it is from is named in errors."""
    schema, version = dataset.attrs.get("schema"), dataset.attrs.get("schema_version")
    if schema not in (ACTIVATIONS, RESULT) or not isinstance(version, int):
        raise SchemaError(f"{where} has schema {schema!r} version {version!r}; expected {ACTIVATIONS!r} or {RESULT!r}.")
    if version > SCHEMA_VERSION:
        raise SchemaError(
            f"{where} has version {version} of {schema}, written by interp {dataset.attrs.get('interp_version')}; this "
            f"interp reads up to version {SCHEMA_VERSION}. Upgrade it: pip install --upgrade interp."
        )
    for older in range(version, SCHEMA_VERSION):
        dataset = UPGRADES[schema, older](dataset).assign_attrs(schema_version=older + 1)
    return dataset


def check_target(path: Path, overwrite: bool) -> None:
    """Raise `OptionError` where there is something at a path that `save` would not replace."""
    if not path.exists():
        return
    if not overwrite:
        raise OptionError(f"{path} exists. Replace it with overwrite=True, or choose another path.")
    if not (path / GROUP).is_file():
        raise OptionError(f"{path} is no store of interp, and is not replaced. Choose another path.")


def _checked(dataset: xr.Dataset) -> xr.Dataset:
    if dataset.attrs.get("schema") == ACTIVATIONS:
        return validate(dataset)
    if dataset.attrs.get("schema") != RESULT:
        raise SchemaError(
            f"Expected activations or a result of interp.measure (attrs['schema'] {ACTIVATIONS!r} or {RESULT!r}); "
            f"got schema {dataset.attrs.get('schema')!r}."
        )
    return dataset


def encoded(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset with every variable of strings as int32 codes and a vocabulary in its attrs."""
    coded = {name: _coded(held) for name, held in dataset.variables.items()}
    order = json.dumps([str(name) for name in coded], ensure_ascii=False)  # a store has none of its own
    return _with_variables(dataset, coded).assign_attrs({ORDER: order})


def _coded(held: xr.Variable) -> xr.Variable:
    import xarray as xr

    if held.dtype.kind in "biuf":
        return xr.Variable(held.dims, held.data, held.attrs)
    words, codes = np.unique(held.values.astype(str), return_inverse=True)
    attrs = {**held.attrs, VOCABULARY: words.tolist()}
    return xr.Variable(held.dims, codes.reshape(held.shape).astype(np.int32), attrs)


def _decoded(stored: xr.Dataset) -> xr.Dataset:
    """Return the dataset with strings for codes, coords in order and in memory unless long, data still on disk."""
    if stored.attrs.get("schema") == ACTIVATIONS:  # a store may learn of labels after its matrix was begun
        stored = stored.set_coords([name for name in stored.data_vars if name != integrity.MATRIX])
    order = json.loads(stored.attrs.get(ORDER, "[]"))
    rank = {name: place for place, name in enumerate(order)}
    names = sorted(map(str, stored.variables), key=lambda name: (rank.get(name, len(rank)), name))
    plain = _with_variables(stored.drop_encoding(), {name: _plain(stored.variables[name]) for name in names})
    for coord in plain.coords.values():
        if coord.size <= LABELS:
            coord.load()
    plain.attrs.pop(ORDER, None)
    return plain


def _plain(held: xr.Variable) -> xr.Variable:
    import xarray as xr
    from xarray.core.indexing import LazilyIndexedArray

    if VOCABULARY not in held.attrs:
        return held
    from interp.lazyarrays import Words

    attrs = dict(held.attrs)
    words = Words(held, np.array(attrs.pop(VOCABULARY), dtype=str))
    return xr.Variable(held.dims, LazilyIndexedArray(words), attrs)


def _with_variables(dataset: xr.Dataset, variables: Mapping[Any, xr.Variable]) -> xr.Dataset:
    import xarray as xr

    coords = {name: held for name, held in variables.items() if name in dataset.coords}
    data = {name: held for name, held in variables.items() if name not in dataset.coords}
    return xr.Dataset(data, coords, dataset.attrs)


def layout(held: xr.Variable) -> dict[str, Any]:
    """Return the encoding of a variable: matrices of tokens and units in sharded chunks, the rest in few chunks."""
    from zarr.codecs import BloscCodec, Crc32cCodec

    codec = BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle", typesize=held.dtype.itemsize)
    found: dict[str, Any] = {"_FillValue": None, "compressors": (codec, Crc32cCodec())}
    matrix = {"token", "unit"} <= set(held.dims)
    if held.ndim:
        found["chunks"] = _sizes(held, CHUNK if matrix else {"token": LABELS})
    if matrix:
        pairs = zip(_sizes(held, SHARD), found["chunks"], strict=True)
        found["shards"] = tuple(-(-shard // chunk) * chunk for shard, chunk in pairs)
    return found


def _sizes(held: xr.Variable, limits: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(max(min(limits.get(str(dim), size), size), 1) for dim, size in held.sizes.items())
