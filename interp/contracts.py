"""What a plugin hands over, and what it is handed: batches, tasks, models, probes, reducers."""

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

    from interp.sweeps import Sweep, Tap
    from interp.views import View

State = dict[str, "np.ndarray"]
ProbeFunction = TypeVar("ProbeFunction", bound=Callable[..., "xr.Dataset"])
ViewerFunction = TypeVar("ViewerFunction", bound=Callable[..., "View"])


@dataclass(frozen=True)
class Batch:
    """Some samples for a model, with what is known of every token.

    Parameters
    ----------
    inputs : Any
        What the model takes: called as ``model(*inputs)`` (a single tensor or ``PackedSequence`` as ``model(inputs)``).
    lengths : sequence of int, optional
        Tokens of each sample, where samples are padded; without it all have the full length.
    labels : mapping of str to sequence, optional
        For each name either one flat sequence of a value per token (samples one after the other), or one
        entry per sample: a sequence of a value per token, or a number that holds for the whole sample.
        ``source`` tells which samples stem from one piece of text.
    call : callable, optional
        ``call(model, batch) -> output``, for a model that can't be called as ``model(*inputs)``.
    decode : callable, optional
        ``decode(output)`` gives the label ``predicted``: a value per token, flat or per sample.
    """

    inputs: Any
    lengths: Sequence[int] | None = None
    labels: Mapping[str, Sequence[Any]] | None = None
    call: Callable[[Any, Batch], Any] | None = None
    decode: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class ModelSpec:
    """A named model: how to build it and where its weights are.

    Parameters
    ----------
    name : str
        The kebab-case name that ``load_model`` takes.
    build : callable
        Returns the network with fresh weights; imports torch itself, so that registering stays light.
    weights : Path or tuple of Path, optional
        A safetensors file, or several with some of the tensors each.
    sha256 : str
        Of the weights file, of several one after the other; other bytes are refused.
    task : str
        The name of the task that the model was trained on.
    """

    name: str
    build: Callable[[], torch.nn.Module]
    weights: Path | tuple[Path, ...] | None = None
    sha256: str = ""
    task: str = ""


@runtime_checkable
class Task(Protocol):
    """Makes batches with labels: encodes, aligns, decodes, scores."""

    name: str

    def batches(self, split: str, *, limit: int | None = None, seed: int = 0) -> Iterable[Batch]:
        """Return batches of a split that can be iterated again, the same each time.

        ``limit`` counts samples, distinct sources first.
        """

    def loss(self, output: Any, batch: Batch) -> torch.Tensor:
        """Return the scalar that training lowers."""

    def decode(self, output: Any, batch: Batch) -> list[list[str]]:
        """Return the predicted symbols of each sample."""

    def score(self, predicted: Sequence[Sequence[str]], batch: Batch) -> Mapping[str, float]:
        """Return figures of merit of predictions."""

    def build_model(self, name: str) -> torch.nn.Module:
        """Return a fresh network of a named architecture for this task."""


@runtime_checkable
class Stream(Protocol):
    """Captured chunks that are made when asked for, whole samples each; iterating again makes them again."""

    def __iter__(self) -> Iterator[xr.Dataset]:
        """Yield datasets of the schema, one after the other."""


class Adapter(ABC):
    """How to read the quantities of one type of recurrent module, exactly.

    The engine calls `step` instead of the module, so the formula must be the module's own; every capture compares the
    two. A sequence module is called like ``nn.LSTM``, ``forward(input, state=None) -> (output, state)``, with
    ``batch_first`` where it has that attribute; a cell like ``nn.LSTMCell``, ``forward(input, state=None) -> state``.

    Attributes
    ----------
    name : str
        Kebab-case, such as ``peephole-lstm``.
    module : str
        The dotted name of the module's class. Subclasses that keep its ``forward`` are read too.
    quantities : tuple of str
        In the order of the units, after their activation functions; ``c_prev``, if at all, last.
    state : tuple of str
        Those that go on to the next step; the first is the output.
    cell : bool
        True where one call is one step.
    """

    name: ClassVar[str]
    module: ClassVar[str]
    quantities: ClassVar[tuple[str, ...]] = ("h",)
    state: ClassVar[tuple[str, ...]] = ("h",)
    cell: ClassVar[bool] = False

    @abstractmethod
    def step(
        self, weights: Any, x: torch.Tensor, state: tuple[torch.Tensor, ...], tap: Tap
    ) -> tuple[torch.Tensor, ...]:
        """Return the next state, handing each quantity to ``tap`` on the way.

        Parameters
        ----------
        weights : object
            What `weights` returned; the module itself unless overridden.
        x : Tensor (sample, feature)
            What `project` made of the inputs of this step.
        state : tuple of Tensor (sample, size)
            In the order of the attribute `state`.
        tap : Tap
            Call it once for each quantity and go on with its answer.
        """

    def project(self, weights: Any, x: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """Return the share of the inputs that needs no state, for all steps at once: ``(row, feature)``."""
        return x

    def weights(self, module: torch.nn.Module, layer: int, direction: str) -> Any:  # noqa: ARG002
        """Return what `project` and `step` need of a layer and direction, prepared once a call."""
        return module

    def compiled(self, weights: Any) -> Sweep | None:  # noqa: ARG002
        """Return what runs many steps faster than `step` does, for float32 and float64 on a processor; None: nothing.

        Used where quantities are only recorded. The engine's self-check holds it to the module, as it does `step`.
        """
        return None

    def layers(self, module: torch.nn.Module) -> int:  # noqa: ARG002
        """Return the number of layers."""
        return 1

    def directions(self, module: torch.nn.Module) -> tuple[str, ...]:  # noqa: ARG002
        """Return the directions of every layer: forward, and backward where there is one."""
        return ("forward",)

    def sizes(self, module: torch.nn.Module) -> Mapping[str, int]:
        """Return the width of each quantity; ``module.hidden_size`` unless overridden."""
        return dict.fromkeys(self.quantities, int(module.hidden_size))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Info:
    """What a decorator or a class says of a probe or a viewer."""

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
        Coordinates of ``token`` that the probe reads, such as ``output``.
    name : str, optional
        By default the function's name in kebab-case.
    sequential : bool
        True where the order of tokens matters to the result.
    version : str
        Stands in the results' attrs: raise it when numbers change.

    Returns
    -------
    callable
        A decorator that returns the function as it is.
    """

    def mark(function: ProbeFunction) -> ProbeFunction:
        function.interp = Info(name or kebab(function.__name__), tuple(requires), sequential, version)  # type: ignore[attr-defined]
        return function

    return mark


def viewer(*, requires: Sequence[str] = (), name: str | None = None) -> Callable[[ViewerFunction], ViewerFunction]:
    """Mark a function ``(acts, *results, options) -> View`` as a viewer; options are keyword-only.

    Parameters
    ----------
    requires : sequence of str
        Coordinates of ``token`` that the viewer reads.
    name : str, optional
        By default the function's name in kebab-case.

    Returns
    -------
    callable
        A decorator that returns the function as it is.
    """

    def mark(function: ViewerFunction) -> ViewerFunction:
        function.interp = Info(name or kebab(function.__name__), tuple(requires))  # type: ignore[attr-defined]
        return function

    return mark


class Reducer(ABC):
    """A probe in steps, so that it streams and distributes.

    Options are keyword-only arguments of the constructor, kept as attributes of the same names. A state is a dict of
    numpy arrays. The law that `measure` relies on: any cut of the tokens into chunks of whole samples, and any
    order of merges, give the same result.

    Attributes
    ----------
    name : str
        Kebab-case.
    requires : tuple of str
        Coordinates of ``token`` that are read.
    needs : tuple of str
        Names of reducers whose results over the same source are handed to `start`, each as a keyword.
    version : str
        Raise it when numbers change.
    unitwise : bool
        True where each unit's result depends on that unit alone: the units may then come in blocks.
    """

    name: ClassVar[str]
    requires: tuple[str, ...] = ()
    needs: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[str] = "1"
    unitwise: ClassVar[bool] = False

    @abstractmethod
    def start(self, units: xr.Dataset, *args: Any, **needed: Any) -> State:
        """Return the empty state for these units; override it with one keyword for each name in `needs`.

        Parameters
        ----------
        units : Dataset
            Dims ``unit``: the coords of the units, without data.
        *args, **needed : Dataset
            The results named in `needs`, whose arrays can't be written: reducers share them.
        """

    @abstractmethod
    def update(self, state: State, chunk: xr.Dataset) -> State:
        """Return the state with a chunk ``(token, unit)`` of whole samples added; its own arrays may be reused."""

    @abstractmethod
    def merge(self, a: State, b: State) -> State:
        """Return the state of all that went into two states, aligned by label; arrays of their own may be reused."""

    @abstractmethod
    def finish(self, state: State) -> xr.Dataset:
        """Return the result."""

    def conclude(self, result: xr.Dataset) -> xr.Dataset:
        """Return the result with what is said over all units at once, such as a correction for many tests.

        Parameters
        ----------
        result : Dataset
            What `finish` returned, blocks of units joined.
        """
        return result

    def options(self) -> dict[str, Any]:
        """Return the constructor's options with their values, for the result's attrs."""
        from inspect import signature

        return {key: getattr(self, key) for key in signature(type(self)).parameters}


def kebab(name: str) -> str:
    """Return ``some_name`` as ``some-name``."""
    return name.strip("_").replace("_", "-").lower()
