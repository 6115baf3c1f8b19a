"""Where work is done: on the workers of a Dask client, or here."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pickle import PickleBuffer
from typing import TYPE_CHECKING, Any, Protocol, Self, SupportsIndex
from weakref import WeakSet

from interp.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client

AHEAD = 2  # calls for each thread of the workers that are given out at once
OUT_OF_BAND = 5  # the first protocol of pickle that sends large buffers without a copy
PATIENCE = 60.0  # seconds to wait for a first worker


class Shipped:
    """A value as bytes, from which each thread of a worker makes one of its own: a model that runs is not shared.

    Parameters
    ----------
    data : bytes
        What `cloudpickle` makes of the value.
    arrays : sequence of buffers
        What it leaves out; the arrays of all threads are views of them, which can't be written.
    """

    def __init__(self, data: bytes, arrays: Sequence[Any] = ()) -> None:
        self.data, self.arrays, self.made = data, arrays, threading.local()

    @classmethod
    def of(cls, value: Any, *, read_only: bool) -> Self:
        """Return what stands for a value; its arrays are left as they are where they are only read."""
        import cloudpickle

        arrays: list[PickleBuffer] = []
        data = cloudpickle.dumps(value, protocol=OUT_OF_BAND, buffer_callback=arrays.append if read_only else None)
        return cls(data, arrays)

    def digest(self) -> str:
        """Return a hash of all bytes."""
        found = sha256(self.data)
        for array in self.arrays:
            found.update(PickleBuffer(array).raw())
        return found.hexdigest()

    def value(self) -> Any:
        """Return the value, made once in a thread."""
        if not hasattr(self.made, "value"):
            views = [memoryview(array).toreadonly() for array in self.arrays]
            self.made.value = pickle.loads(self.data, buffers=views)  # noqa: S301 (of the call's own process)
        return self.made.value

    def __sizeof__(self) -> int:
        return len(self.data) + sum(PickleBuffer(array).raw().nbytes for array in self.arrays)

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return Shipped, (self.data, [sent(array, protocol) for array in self.arrays])


def sent(data: Any, protocol: SupportsIndex) -> Any:
    """Return what pickle sends of a buffer: from its protocol 5 on, the buffer without a copy."""
    return PickleBuffer(data) if int(protocol) >= OUT_OF_BAND else bytes(data)


def _itself(value: Any) -> Any:
    return value


def arrived(value: Any) -> Any:
    """Return what was shipped to a call."""
    return value.value() if isinstance(value, Shipped) else value


class Engine(Protocol):
    """Runs functions, somewhere."""

    def ship(self, value: Any, *, read_only: bool = False) -> Any:
        """Return what stands for a value that many calls take, each of them by `arrived`: a worker gets it once.

        Parameters
        ----------
        value : object
        read_only : bool
            Its arrays are not written: the threads of a worker share them.
        """

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

    def ship(self, value: Any, *, read_only: bool = False) -> Any:  # noqa: ARG002 (the value itself is in use)
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

    def ship(self, value: Any, *, read_only: bool = False) -> Any:
        """Send a value as bytes that stay with the scheduler, so that it outlives any worker."""
        shipped = Shipped.of(value, read_only=read_only)
        return self._kept(self.client.submit(_itself, shipped, key=f"shipped-{shipped.digest()}"))

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
