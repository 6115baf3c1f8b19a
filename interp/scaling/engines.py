"""Where work is done: on the workers of a Dask client, or here."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

from interp.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client

AHEAD = 2  # calls for each thread of the workers that are given out at once
KEPT = 4  # shipped values that a thread keeps
MADE = threading.local()
PATIENCE = 60.0  # seconds to wait for a first worker


@dataclass(frozen=True)
class Shipped:
    """A value as bytes, from which each thread of a worker makes one of its own: a model that runs is not shared."""

    digest: str
    data: bytes

    def value(self) -> Any:
        """Return the value, made once in a thread."""
        if not hasattr(MADE, "values"):
            MADE.values = {}
        if self.digest not in MADE.values:
            if len(MADE.values) >= KEPT:
                del MADE.values[next(iter(MADE.values))]
            MADE.values[self.digest] = pickle.loads(self.data)  # noqa: S301 (of the call's own process)
        return MADE.values[self.digest]


def arrived(value: Any) -> Any:
    """Return what was shipped to a call."""
    return value.value() if isinstance(value, Shipped) else value


class Engine(Protocol):
    """Runs functions, somewhere."""

    def ship(self, value: Any) -> Any:
        """Return what stands for a value that many calls take, each of them by `arrived`: a worker gets it once."""

    def submit(self, function: Callable[..., Any], *args: Any, soon: bool = False) -> Any:
        """Begin a call, ``soon`` before others that wait; return what stands for its value, as arguments may do."""

    def first(self, running: Sequence[Any]) -> Any:
        """Wait until one of several calls is done, and return it; raise what it raised."""

    def value(self, held: Any) -> Any:
        """Return the value that something stands for."""

    def close(self) -> None:
        """Give up what is running, and let go of what is held."""

    def room(self) -> int:
        """Return how many calls are worth being given out at once."""


class Here:
    """Runs each call at once, in this process."""

    def ship(self, value: Any) -> Any:
        """Return the value."""
        return value

    def submit(self, function: Callable[..., Any], *args: Any, soon: bool = False) -> Any:  # noqa: ARG002 (there are no others)
        """Return the value of a call."""
        return function(*args)

    def first(self, running: Sequence[Any]) -> Any:
        """Return the first."""
        return running[0]

    def value(self, held: Any) -> Any:
        """Return the value."""
        return held

    def close(self) -> None:
        """Do nothing."""

    def room(self) -> int:
        """Return 1."""
        return 1


class OnCluster:
    """Runs calls on the workers of a Dask client, which reruns what a worker took with it when it died.

    Parameters
    ----------
    client : distributed.Client

    Raises
    ------
    ClusterError
        Where no worker comes within a minute.
    """

    def __init__(self, client: Client) -> None:
        self.client, self.held = client, WeakSet[Any]()
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise ClusterError(
                f"The scheduler at {self.address} has no workers: start some, for example "
                f"`dask worker {self.address} --nthreads 1`."
            ) from error

    @property
    def address(self) -> str:
        """Where the scheduler listens."""
        scheduler = self.client.scheduler
        return str(scheduler.address) if scheduler is not None else "?"

    def ship(self, value: Any) -> Any:
        """Send a value as bytes that stay with the scheduler, so that it outlives any worker."""
        import cloudpickle

        data = cloudpickle.dumps(value)
        return self._kept(self.client.submit(Shipped, sha256(data).hexdigest(), data, pure=True))

    def submit(self, function: Callable[..., Any], *args: Any, soon: bool = False) -> Any:
        """Begin a call on some worker."""
        return self._kept(self.client.submit(function, *args, pure=False, priority=int(soon)))

    def _kept(self, future: Any) -> Any:
        self.held.add(future)
        return future

    def first(self, running: Sequence[Any]) -> Any:
        """Wait for one call."""
        from distributed import wait

        with self._explained(), self.client.as_current():
            finished = wait(list(running), return_when="FIRST_COMPLETED").done
            held = next(one for one in running if one in finished)
            if held.status != "finished":
                held.result()
            return held

    def value(self, held: Any) -> Any:
        """Fetch a value."""
        with self._explained():
            return held.result()

    def close(self) -> None:
        """Cancel what is running, as far as there is a scheduler to tell, and let go of the rest."""
        from contextlib import suppress

        held = list(self.held)
        with suppress(Exception):  # of a scheduler that is gone
            self.client.cancel(held, force=True)
        for one in held:
            one.release()

    def room(self) -> int:
        """Return `AHEAD` calls for each thread of the workers."""
        threads: dict[str, int] = self.client.nthreads()
        return AHEAD * max(1, sum(threads.values()))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        from concurrent.futures import CancelledError

        from distributed import KilledWorker
        from distributed.comm.core import CommClosedError

        try:
            yield
        except KilledWorker as error:
            raise ClusterError(
                f"Workers that were given a shard have died, the last at {error.last_worker.address}: look at its log; "
                "where memory ran out, give workers more of it (`dask worker --memory-limit`) or fewer units=."
            ) from error
        except (CancelledError, CommClosedError, TimeoutError) as error:
            raise ClusterError(
                f"The scheduler at {self.address} is gone, or has dropped the work. Start it and the same call again; "
                "what is recorded is not done again."
            ) from error
