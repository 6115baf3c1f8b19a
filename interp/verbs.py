"""Verbs of the core that make datasets: capture and measure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import xarray as xr
    from distributed import Client

ANSWER = 10  # seconds for a scheduler to answer
Scheduler = Annotated[
    str | None, typer.Option(help="Address of a Dask scheduler, such as tcp://10.0.0.1:8786, whose workers do it.")
]
Listed = Annotated[list[str] | None, typer.Option(help="Several with commas, or the flag several times.")]


def capture(
    model: Annotated[str, typer.Argument(help="The model, as `interp plugins` lists it.")],
    output: Annotated[Path, typer.Option(help="The Zarr store; on one that is not finished the capture goes on.")],
    task: Annotated[str | None, typer.Option(help="The task; by default the one the model was trained on.")] = None,
    corpus: Annotated[Path | None, typer.Option(help="A text file, a dump, or a directory of them.")] = None,
    split: Annotated[str | None, typer.Option(help="By default demo, with a corpus test.")] = None,
    limit: Annotated[int | None, typer.Option(help="Samples; by default one of each sentence.")] = None,
    seed: Annotated[int, typer.Option(help="Of the choice of samples and their spellings.")] = 0,
    language: Annotated[str | None, typer.Option(help="Language pack.")] = None,
    rules: Annotated[str | None, typer.Option(help="Rule set, or several with + between.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights of your own (safetensors).")] = None,
    untrained: Annotated[int | None, typer.Option(help="Fresh weights with this seed: the control network.")] = None,
    quantities: Listed = None,
    modules: Listed = None,
    where: Annotated[list[str] | None, typer.Option(help="LABEL=VALUE, such as input=t; several times.")] = None,
    batch_size: Annotated[int, typer.Option(help="The most samples at once.")] = 64,
    dtype: Annotated[str, typer.Option(help="Of the matrix: float32, float64 or float16.")] = "float32",
    check: Annotated[str, typer.Option(help="Compare with the modules' own results: sample or all.")] = "sample",
    scheduler: Scheduler = None,
) -> None:
    """Run a model and store what every unit and gate did; started again, it goes on where it stopped."""
    import interp
    from interp.flags import labels_from

    network = interp.load_model(model, weights=weights, untrained=untrained)
    batches = _batches(model, task, split, limit, seed, {"corpus": corpus, "language": language, "rules": rules})
    with connected(scheduler) as client:
        acts = interp.capture(
            network,
            batches,
            modules=_listed(modules),
            quantities=_listed(quantities) or "all",
            where=labels_from(where) if where else None,
            store=output,
            batch_size=batch_size,
            dtype=dtype,
            check=check,
            client=client,
        )
    typer.echo(f"{output}: {_sizes(acts)}")
    rows, worst = acts.attrs["checked_rows"], acts.attrs["max_abs_error"]
    typer.echo(f"Compared with the modules' own results: {rows:,} rows, largest difference {worst:.1e}.")


@contextmanager
def connected(scheduler: str | None) -> Iterator[Client | None]:
    """Give a client of a scheduler, or None without one.

    Raises
    ------
    ClusterError
        Where nothing answers at the address.
    """
    if scheduler is None:
        yield None
        return
    from distributed import Client

    from interp.errors import ClusterError

    try:
        client = Client(scheduler, timeout=ANSWER, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise ClusterError(
            f"No Dask scheduler answers at {scheduler!r}. Start one with `dask scheduler`, and give the address that "
            "it prints."
        ) from error
    with client:
        yield client


def _batches(
    model: str, task: str | None, split: str | None, limit: int | None, seed: int, given: dict[str, Any]
) -> Any:
    import interp
    from interp.errors import OptionError
    from interp.registry import registry

    name = task or registry().get("model", model).task
    if not name:
        raise OptionError(f"The model {model!r} names no task: give --task, one of {', '.join(interp.tasks())}.")
    options = {key: value for key, value in given.items() if value is not None}
    chosen = split or ("test" if "corpus" in options else "demo")
    return interp.load_task(name, **options).batches(chosen, limit=limit, seed=seed)


def _listed(values: list[str] | None) -> list[str] | None:
    return [part for value in values for part in value.split(",")] if values else None


def measure(
    probe: Annotated[str, typer.Argument(help="The probe, as `interp plugins` lists it.")],
    stores: Annotated[list[str], typer.Argument(metavar="ACTS.zarr... [--OPTION VALUE]...")],
    output: Annotated[Path, typer.Option(help="The result is written here, as a Zarr store.")],
    overwrite: Annotated[bool, typer.Option(help="Replace a store that is there.")] = False,
    scheduler: Scheduler = None,
) -> None:
    """Run a probe over stored captures; several give a result with a dim `model`.

    With a scheduler what is counted is recorded beside the output: started again, it goes on where it stopped.

    The options of the probe are flags of the same names: `--minimum 100 --labels input,output`. A wrong one is
    answered with the list of all. `--basis rotated` is for every probe.
    """
    import interp
    from interp.errors import OptionError
    from interp.flags import split_flags
    from interp.registry import registry
    from interp.scaling.records import remove
    from interp.storage import check_target

    called = registry().get("probe", probe)
    known = {**keyword_only(interp.measure), **keyword_only(called)}
    for name in ("client", "states", "progress"):
        known.pop(name, None)
    paths, options = split_flags(stores, known)
    if not paths:
        raise OptionError(f"Expected a store of activations: interp measure {probe} ACTS.zarr --output {output}.")
    states = output.with_name(f".{output.name}.states") if scheduler else None
    begun = states is not None and states.exists()
    if not begun:
        check_target(output, overwrite)
    opened = [interp.open(path) for path in paths]
    with connected(scheduler) as client:
        result = interp.measure(
            probe, opened[0] if len(opened) == 1 else opened, client=client, states=states, **options
        )
    if not (begun and _is_at(output, result)):
        interp.save(result, output, overwrite=overwrite)
    typer.echo(f"{output}: {_sizes(result)}\n{interp.methods(result)}")
    if states is not None:
        remove(states)


measure.context_settings = {"ignore_unknown_options": True}  # type: ignore[attr-defined]


def _is_at(path: Path, result: xr.Dataset) -> bool:
    """Return whether a result has been written, by a call that was killed before it could clear up."""
    import interp

    return path.exists() and interp.open(path).identical(result)


def keyword_only(called: Any) -> dict[str, Parameter]:
    """Return the keyword-only parameters of a callable: its options."""
    return {name: one for name, one in signature(called).parameters.items() if one.kind is Parameter.KEYWORD_ONLY}


def _sizes(dataset: xr.Dataset) -> str:
    sizes = ", ".join(f"{dim} {size:,}" for dim, size in dataset.sizes.items())
    return f"{', '.join(map(str, dataset.data_vars))} ({sizes})"
