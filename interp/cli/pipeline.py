"""Commands `interp capture` and `interp measure`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.signatures import keyword_only

if TYPE_CHECKING:
    import xarray as xr
    from distributed import Client


SCHEDULER_TIMEOUT = 10  # seconds to wait for a scheduler
Scheduler = Annotated[
    str | None, typer.Option(help="Address of a Dask scheduler, such as tcp://10.0.0.1:8786; its workers do the work.")
]
NameList = Annotated[
    list[str] | None, typer.Option(help="Names, separated by commas or by repeating the flag; all by default.")
]


def capture(
    model: Annotated[str, typer.Argument(help="Name of the model; `interp plugins` lists them.")],
    output: Annotated[Path, typer.Option(help="Zarr store to write; an unfinished one is resumed.")],
    task: Annotated[str | None, typer.Option(help="Task; by default the one that the model was trained on.")] = None,
    corpus: Annotated[Path | None, typer.Option(help="Text file, Wikipedia dump, or directory of them.")] = None,
    split: Annotated[
        str | None, typer.Option(help="Split to capture: 'demo' by default, 'test' with --corpus.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Maximal number of samples; by default one per sentence.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed for the choice of samples and their spellings.")] = 0,
    language: Annotated[
        str | None, typer.Option(help="Language pack, such as 'ru'; default of the task otherwise.")
    ] = None,
    rules: Annotated[
        str | None, typer.Option(help="Rule set, or several joined by +; default of the task otherwise.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Safetensors file with the weights; those of the model by default.")
    ] = None,
    random_init: Annotated[
        int | None, typer.Option(help="Random weights from this seed, as a control network.")
    ] = None,
    quantities: NameList = None,
    modules: NameList = None,
    where: Annotated[
        list[str] | None, typer.Option(help="Tokens to keep, as LABEL=VALUE such as input=t; repeatable.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Maximal number of samples per forward.")] = 64,
    dtype: Annotated[str, typer.Option(help="Type of the matrix: float32, float64 or float16.")] = "float32",
    verify: Annotated[
        str, typer.Option(help="Rows to compare with the modules' own results: 'sample' or 'all'.")
    ] = "sample",
    scheduler: Scheduler = None,
) -> None:
    """Run a model and store the activations of all units and gates; an interrupted capture resumes."""
    import interp
    from interp.cli.options import parse_label_filters

    network = interp.load_model(model, weights=weights, random_init=random_init)
    batches = _batches(model, task, split, limit, seed, {"corpus": corpus, "language": language, "rules": rules})
    with dask_client(scheduler) as client:
        acts = interp.capture(
            network,
            batches,
            modules=_split_commas(modules),
            quantities=_split_commas(quantities) or "all",
            where=parse_label_filters(where) if where else None,
            store=output,
            batch_size=batch_size,
            dtype=dtype,
            verify=verify,
            client=client,
        )
    typer.echo(f"{output}: {_sizes(acts)}")
    rows, largest = acts.attrs["verification_rows"], acts.attrs["verification_max_error"]
    typer.echo(f"Compared with the modules' own results: {rows:,} rows, largest difference {largest:.1e}.")


@contextmanager
def dask_client(scheduler: str | None) -> Iterator[Client | None]:
    """Connect to a scheduler; yield the client, or None without a scheduler.

    Raises
    ------
    ClusterError
        No scheduler answers at the address.
    """
    if scheduler is None:
        yield None
        return
    from distributed import Client

    from interp.errors import ClusterError

    try:
        client = Client(scheduler, timeout=SCHEDULER_TIMEOUT, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise ClusterError(
            f"No Dask scheduler answers at {scheduler!r}. Start one with `dask scheduler`, and pass the address that "
            "it prints."
        ) from error
    with client:
        yield client


def _batches(
    model: str, task: str | None, split: str | None, limit: int | None, seed: int, task_options: dict[str, Any]
) -> Any:
    import interp
    from interp.errors import OptionError
    from interp.registry import active_registry

    name = task or active_registry().get("model", model).task
    if not name:
        raise OptionError(f"The model {model!r} has no default task. Pass --task, one of {', '.join(interp.tasks())}.")
    options = {key: value for key, value in task_options.items() if value is not None}
    split_name = split or ("test" if "corpus" in options else "demo")
    return interp.load_task(name, **options).batches(split_name, limit=limit, seed=seed)


def _split_commas(values: list[str] | None) -> list[str] | None:
    return [part for value in values for part in value.split(",")] if values else None


def measure(
    probe: Annotated[str, typer.Argument(help="Name of the probe; `interp plugins` lists them.")],
    stores: Annotated[list[str], typer.Argument(metavar="ACTS.zarr... [--OPTION VALUE]...")],
    output: Annotated[Path, typer.Option(help="Zarr store to write the result to.")],
    overwrite: Annotated[bool, typer.Option(help="Replace an existing store.")] = False,
    scheduler: Scheduler = None,
) -> None:
    """Run a probe on stored captures; several captures give a result with a dim `model`.

    With a scheduler, partial states are written beside the output, and an interrupted measurement resumes.

    Options of the probe are flags of the same names: `--min-tokens 100 --labels input,output`. An unknown flag is an
    error that lists all flags. Every probe also takes `--basis rotated`.
    """
    import interp
    from interp.cli.options import split_flags
    from interp.distributed.state_files import delete_directory
    from interp.errors import OptionError
    from interp.registry import active_registry
    from interp.storage.store import check_target

    probe_object = active_registry().get("probe", probe)
    parameters = {**keyword_only(interp.measure), **keyword_only(probe_object)}
    for name in ("client", "checkpoint_dir", "progress"):
        parameters.pop(name, None)
    paths, options = split_flags(stores, parameters)
    if not paths:
        raise OptionError(f"Expected a store of activations: interp measure {probe} ACTS.zarr --output {output}.")
    states = output.with_name(f".{output.name}.states") if scheduler else None
    resuming = states is not None and states.exists()
    if not resuming:
        check_target(output, overwrite)
    captures = [interp.open(path) for path in paths]
    with dask_client(scheduler) as client:
        result = interp.measure(
            probe, captures[0] if len(captures) == 1 else captures, client=client, checkpoint_dir=states, **options
        )
    if not (resuming and _is_already_saved(output, result)):
        interp.save(result, output, overwrite=overwrite)
    typer.echo(f"{output}: {_sizes(result)}\n{interp.methods_text(result)}")
    if states is not None:
        delete_directory(states)


measure.context_settings = {"ignore_unknown_options": True}  # type: ignore[attr-defined]


def _is_already_saved(path: Path, result: xr.Dataset) -> bool:
    """Return whether a store already has this result, from a call that was killed before it removed its states."""
    import interp

    return path.exists() and interp.open(path).identical(result)


def _sizes(dataset: xr.Dataset) -> str:
    sizes = ", ".join(f"{dim} {size:,}" for dim, size in dataset.sizes.items())
    return f"{', '.join(map(str, dataset.data_vars))} ({sizes})"
