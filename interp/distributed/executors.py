"""Executors: run calls on the workers of a Dask client, or in this process."""

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


CALLS_PER_THREAD = 2  # calls submitted at once per worker thread
BUFFER_PROTOCOL = 5  # first pickle protocol that sends large buffers without a copy
WORKER_TIMEOUT = 60.0  # seconds to wait for the first worker


class Broadcast:
    """A pickled value, unpickled once per worker thread, because threads can't share a running model.

    Parameters
    ----------
    data : bytes
        The value, pickled with `cloudpickle`.
    arrays : sequence of buffers
        Out-of-band buffers; all threads get read-only views of them.
    """

    def __init__(self, data: bytes, arrays: Sequence[Any] = ()) -> None:
        self.data, self.arrays, self.per_thread = data, arrays, threading.local()

    @classmethod
    def from_value(cls, value: Any, *, read_only: bool) -> Self:
        """Pickle a value; with ``read_only``, threads share its arrays."""
        import cloudpickle

        arrays: list[PickleBuffer] = []
        data = cloudpickle.dumps(value, protocol=BUFFER_PROTOCOL, buffer_callback=arrays.append if read_only else None)
        return cls(data, arrays)

    def digest(self) -> str:
        """Return the SHA-256 of all bytes."""
        digest = sha256(self.data)
        for array in self.arrays:
            digest.update(PickleBuffer(array).raw())
        return digest.hexdigest()

    def value(self) -> Any:
        """Return this thread's copy of the value."""
        if not hasattr(self.per_thread, "value"):
            views = [memoryview(array).toreadonly() for array in self.arrays]
            self.per_thread.value = pickle.loads(self.data, buffers=views)  # noqa: S301 (pickled by the calling process)
        return self.per_thread.value

    def __sizeof__(self) -> int:
        return len(self.data) + sum(PickleBuffer(array).raw().nbytes for array in self.arrays)

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return Broadcast, (self.data, [pickle_buffer(array, protocol) for array in self.arrays])


def pickle_buffer(data: Any, protocol: SupportsIndex) -> Any:
    """Return a buffer as pickle can send it: without a copy from protocol 5 on, as bytes before."""
    return PickleBuffer(data) if int(protocol) >= BUFFER_PROTOCOL else bytes(data)


def _identity(value: Any) -> Any:
    return value


def receive(value: Any) -> Any:
    """Return the value of a call's argument, unpickled if it was shipped."""
    return value.value() if isinstance(value, Broadcast) else value


class Executor(Protocol):
    """Interface of an executor, which runs functions."""

    def broadcast(self, value: Any, *, read_only: bool = False) -> Any:
        """Return a handle on a value that many calls take; each worker receives it once.

        Parameters
        ----------
        value : object
            Argument of calls, which read it with `receive`.
        read_only : bool
            Calls don't write its arrays, so that the threads of a worker can share them.
        """

    def submit(self, function: Callable[..., Any], *args: Any, soon: bool = False) -> Any:
        """Start a call and return a handle on its value, which other calls take as an argument.

        ``soon`` puts the call ahead of waiting ones.
        """

    def wait_any(self, running: Sequence[Any]) -> Any:
        """Wait until one of several calls ends, and return its handle; raise the error of a call that failed."""

    def value(self, handle: Any) -> Any:
        """Return the value of a handle."""

    def close(self) -> None:
        """Cancel running calls and release all handles."""

    def capacity(self) -> int:
        """Return the number of calls to keep submitted at once."""


class LocalExecutor:
    """Executor that runs each call immediately, in this process."""

    def broadcast(self, value: Any, *, read_only: bool = False) -> Any:  # noqa: ARG002 (nothing is copied)
        """Return the value itself."""
        return value

    def submit(self, function: Callable[..., Any], *args: Any, soon: bool = False) -> Any:  # noqa: ARG002 (no calls wait)
        """Run a call and return its value."""
        return function(*args)

    def wait_any(self, running: Sequence[Any]) -> Any:
        """Return the first value."""
        return running[0]

    def value(self, handle: Any) -> Any:
        """Return the handle, which is the value itself."""
        return handle

    def close(self) -> None:
        """Do nothing."""

    def capacity(self) -> int:
        """Return 1."""
        return 1


class DaskExecutor:
    """Executor on the workers of a Dask client; results that were lost with a worker are computed again.

    Parameters
    ----------
    client : distributed.Client

    Raises
    ------
    ClusterError
        No worker registers within a minute.
    """

    def __init__(self, client: Client) -> None:
        import distributed  # noqa: F401 (an optional dependency: the error names its extra)

        self.client, self.futures = client, WeakSet[Any]()
        try:
            client.wait_for_workers(1, timeout=WORKER_TIMEOUT)
        except TimeoutError as error:
            raise ClusterError(
                f"The scheduler at {self.address} has no workers. Start some, for example: "
                f"`dask worker {self.address} --nthreads 1`."
            ) from error

    @property
    def address(self) -> str:
        """Address of the scheduler."""
        scheduler = self.client.scheduler
        return str(scheduler.address) if scheduler is not None else "?"

    def broadcast(self, value: Any, *, read_only: bool = False) -> Any:
        """Send a pickled value to the scheduler, where it survives the death of any worker."""
        shipped = Broadcast.from_value(value, read_only=read_only)
        return self._track(self.client.submit(_identity, shipped, key=f"shipped-{shipped.digest()}"))

    def submit(self, function: Callable[..., Any], *args: Any, soon: bool = False) -> Any:
        """Submit a call to any worker."""
        return self._track(self.client.submit(function, *args, pure=False, priority=int(soon)))

    def _track(self, future: Any) -> Any:
        self.futures.add(future)
        return future

    def wait_any(self, running: Sequence[Any]) -> Any:
        """Wait until one call ends and return its future."""
        from distributed import wait

        with self._cluster_errors(), self.client.as_current():
            finished = wait(list(running), return_when="FIRST_COMPLETED").done
            future = next(one for one in running if one in finished)
            if future.status != "finished":
                future.result()
            return future

    def value(self, handle: Any) -> Any:
        """Fetch the result of a future."""
        with self._cluster_errors():
            return handle.result()

    def close(self) -> None:
        """Cancel running calls if the scheduler still answers, and release all futures."""
        from contextlib import suppress

        futures = list(self.futures)
        with suppress(Exception):  # the scheduler may be gone
            self.client.cancel(futures, force=True)
        for future in futures:
            future.release()

    def capacity(self) -> int:
        """Return `CALLS_PER_THREAD` calls per worker thread."""
        threads: dict[str, int] = self.client.nthreads()
        return CALLS_PER_THREAD * max(1, sum(threads.values()))

    @contextmanager
    def _cluster_errors(self) -> Iterator[None]:
        from concurrent.futures import CancelledError

        from distributed import KilledWorker
        from distributed.comm.core import CommClosedError

        try:
            yield
        except KilledWorker as error:
            raise ClusterError(
                f"A shard killed several workers, the last one at {error.last_worker.address}; see its log. If it ran "
                "out of memory, raise the limit (`dask worker --memory-limit`) or pass fewer units=."
            ) from error
        except (CancelledError, CommClosedError, TimeoutError) as error:
            raise ClusterError(
                f"The scheduler at {self.address} stopped or dropped the work. Restart it and run the same call again; "
                "finished shards on disk are reused."
            ) from error
