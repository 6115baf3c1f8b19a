"""Backend of a distributed call: Dask client, state directory and progress bar."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr
    from distributed import Client

    from interp.activations.stream import CapturedStream
    from interp.base import Reducer
    from interp.distributed.executors import Executor


@dataclass(frozen=True)
class Backend:
    """Execution options of a call: ``client=``, ``checkpoint_dir=`` and ``progress=``.

    Attributes
    ----------
    client : distributed.Client, optional
        Client whose workers do the work. By default shards run in this process, one after the other.
    checkpoint_dir : Path, optional
        Directory for partial states. By default none are written.
    progress : bool
        Show a progress bar on a terminal.
    """

    client: Client | None = None
    checkpoint_dir: Path | None = None
    progress: bool = True

    @property
    def needs_shards(self) -> bool:
        """True if the source must be split into shards."""
        return self.client is not None or self.checkpoint_dir is not None

    def for_source(self, number: int) -> Backend:
        """Return the backend for one of several sources, with its own state directory."""
        return Backend(self.client, self.checkpoint_dir / f"{number}" if self.checkpoint_dir else None, self.progress)

    def executor(self) -> Executor:
        """Return an executor: the workers of the client, or this process."""
        from interp.distributed.executors import DaskExecutor, LocalExecutor

        return LocalExecutor() if self.client is None else DaskExecutor(self.client)

    def reduce(self, reducer: Reducer, source: Any) -> xr.Dataset:
        """Return the result of a reducer over a source."""
        from interp.distributed.reduce import reduce_in_shards

        with closing(self.executor()) as engine:
            return reduce_in_shards(reducer, source, engine, self.checkpoint_dir, self.show_progress)

    def capture(self, source: CapturedStream, store: Path) -> xr.Dataset:
        """Capture into a store and open it."""
        from interp.distributed.capture import DistributedCapture

        with closing(self.executor()) as engine:
            return DistributedCapture(source, store, engine).run(self.show_progress)

    def show_progress(self, done: Iterator[int]) -> None:
        """Exhaust an iterator of the numbers of newly finished shards, with a progress bar on a terminal."""
        if not self.progress or not sys.stderr.isatty():
            for _ in done:
                pass
            return
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.completed} shards"), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("shards", total=None)
            for more in done:
                bar.advance(task, more)
