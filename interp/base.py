"""Base classes and types of the plugin API: batches, tasks, models, adapters, probes, reducers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch
    import xarray as xr


State = dict[str, "np.ndarray"]
ProbeFunction = TypeVar("ProbeFunction", bound=Callable[..., "xr.Dataset"])
ViewerFunction = TypeVar("ViewerFunction", bound=Callable[..., Any])


@dataclass(frozen=True)
class Batch:
    """Some samples for a model, with labels of every token.

    Parameters
    ----------
    inputs : Any
        Inputs of the model, which is called as ``model(*inputs)`` (or ``model(inputs)`` for a single tensor or
        ``PackedSequence``).
    lengths : sequence of int, optional
        Number of tokens of each sample, if samples are padded. By default all samples have the full length.
    labels : mapping of str to sequence, optional
        Labels by name: either one flat sequence with one value per token (samples one after the other), or one
        entry per sample, which is a sequence with one value per token or a number for the whole sample.
        The label ``source`` identifies the independent source of each sample.
    call : callable, optional
        ``call(model, batch) -> output``, for models that can't be called as ``model(*inputs)``.
    decode : callable, optional
        ``decode(output)`` returns the label ``predicted``: one value per token, flat or by sample.
    """

    inputs: Any
    lengths: Sequence[int] | None = None
    labels: Mapping[str, Sequence[Any]] | None = None
    call: Callable[[Any, Batch], Any] | None = None
    decode: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class ModelSpec:
    """A named model: a function that builds it, and its weights.

    Parameters
    ----------
    name : str
        Kebab-case name, as passed to ``load_model``.
    build : callable
        Function that returns the network with fresh weights. It imports torch itself, which keeps registration light.
    weights : Path or tuple of Path, optional
        A safetensors file, or several files that each contain some of the tensors.
    sha256 : str
        Hash of the weights file (several files: of their concatenation). Files with another hash are rejected.
    task : str
        Name of the task that the model was trained on.
    """

    name: str
    build: Callable[[], torch.nn.Module]
    weights: Path | tuple[Path, ...] | None = None
    sha256: str = ""
    task: str = ""


@runtime_checkable
class Task(Protocol):
    """A task: makes batches with labels, decodes outputs and scores predictions."""

    name: str

    def batches(self, split: str, *, limit: int | None = None, seed: int = 0) -> Iterable[Batch]:
        """Return the batches of a split as an iterable that yields the same batches each time.

        ``limit`` is the maximal number of samples; distinct sources come first.
        """

    def loss(self, output: Any, batch: Batch) -> torch.Tensor:
        """Return the scalar loss that training minimises."""

    def decode(self, output: Any, batch: Batch) -> list[list[str]]:
        """Return the predicted symbols of each sample."""

    def score(self, predicted: Sequence[Sequence[str]], batch: Batch) -> Mapping[str, float]:
        """Return scores of the predictions, by name."""

    def build_model(self, name: str) -> torch.nn.Module:
        """Return a network of a named architecture for this task, with fresh weights."""


@runtime_checkable
class ActivationStream(Protocol):
    """Activations in chunks of whole samples, computed lazily; iterating again recomputes them."""

    def __iter__(self) -> Iterator[xr.Dataset]:
        """Yield datasets of the schema ``interp.activations``."""


@dataclass(frozen=True)
class PluginInfo:
    """Metadata of a probe or a viewer."""

    name: str
    requires: tuple[str, ...] = ()
    sequential: bool = False
    version: str = "1"


def probe(
    *, requires: Sequence[str] = (), name: str | None = None, sequential: bool = False, version: str = "1"
) -> Callable[[ProbeFunction], ProbeFunction]:
    """Mark a function ``(acts, *, options) -> Dataset`` as a probe.

    Parameters
    ----------
    requires : sequence of str
        Coords of ``token`` that the probe reads, such as ``output``.
    name : str, optional
        Name of the probe; by default the function's name in kebab-case.
    sequential : bool
        True if the result depends on the order of tokens.
    version : str
        Version in the attrs of results; raise it when numbers change.

    Returns
    -------
    callable
        A decorator that returns the function unchanged.
    """

    def decorate(function: ProbeFunction) -> ProbeFunction:
        function.interp = PluginInfo(name or to_kebab_case(function.__name__), tuple(requires), sequential, version)  # type: ignore[attr-defined]
        return function

    return decorate


def viewer(*, requires: Sequence[str] = (), name: str | None = None) -> Callable[[ViewerFunction], ViewerFunction]:
    """Mark a function ``(acts, *results, options) -> View`` as a viewer; options are keyword-only.

    Parameters
    ----------
    requires : sequence of str
        Coords of ``token`` that the viewer reads.
    name : str, optional
        Name of the viewer; by default the function's name in kebab-case.

    Returns
    -------
    callable
        A decorator that returns the function unchanged.
    """

    def decorate(function: ViewerFunction) -> ViewerFunction:
        function.interp = PluginInfo(name or to_kebab_case(function.__name__), tuple(requires))  # type: ignore[attr-defined]
        return function

    return decorate


class Reducer(ABC):
    """A probe in steps, which can be streamed and distributed.

    Options are keyword-only arguments of the constructor, stored as attributes of the same names. A state is a dict of
    numpy arrays. `measure` relies on one law: any split of the tokens into chunks of whole samples, and any order of
    merges, give the same result.

    Attributes
    ----------
    name : str
        Kebab-case name.
    requires : tuple of str
        Coords of ``token`` that are read.
    depends_on : tuple of str
        Names of reducers whose results over the same source are passed to `init_state`, each as a keyword.
    version : str
        Version of the reducer; raise it when numbers change.
    per_unit : bool
        True if the result of a unit depends on that unit alone, so that units can be processed in blocks.
    """

    name: ClassVar[str]
    requires: tuple[str, ...] = ()
    depends_on: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[str] = "1"
    per_unit: ClassVar[bool] = False

    @abstractmethod
    def init_state(self, units: xr.Dataset, *args: Any, **needed: Any) -> State:
        """Return the empty state for these units; overrides take one keyword per name in `needs`.

        Parameters
        ----------
        units : Dataset
            Coords of the units (dim ``unit``), without data.
        *args, **needed : Dataset
            Results named in `needs`. Their arrays are read-only, because reducers share them.
        """

    @abstractmethod
    def update(self, state: State, chunk: xr.Dataset) -> State:
        """Return the state with a chunk ``(token, unit)`` of whole samples added; may modify its arrays."""

    @abstractmethod
    def merge(self, a: State, b: State) -> State:
        """Return the combination of two states, aligned by label; may modify the arrays of both."""

    @abstractmethod
    def finalize(self, state: State) -> xr.Dataset:
        """Return the result."""

    def postprocess(self, result: xr.Dataset) -> xr.Dataset:
        """Return the result with values that depend on all units, such as a correction for multiple tests.

        Parameters
        ----------
        result : Dataset
            Result of `finish`, blocks of units concatenated.
        """
        return result

    def options(self) -> dict[str, Any]:
        """Return the constructor's options with their values, for the result's attrs."""
        from inspect import signature

        return {key: getattr(self, key) for key in signature(type(self)).parameters}


def to_kebab_case(name: str) -> str:
    """Return ``some_name`` as ``some-name``."""
    return name.strip("_").replace("_", "-").lower()
