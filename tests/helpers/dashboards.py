"""Dashboard server in a thread of the test process, on a free port, for the duration of a test."""

import asyncio
import socket
import threading
from contextlib import contextmanager

from tornado.ioloop import IOLoop

from interp_dashboard.server import build


def free_port():
    """Return a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(material, **options):
    """Serve a dashboard and yield its URL."""
    port, ready, running = free_port(), threading.Event(), {}

    def serve():
        asyncio.set_event_loop(asyncio.new_event_loop())
        running["loop"] = IOLoop.current()
        running["server"] = build(material, port=port, **options)
        running["server"].start()
        running["loop"].add_callback(ready.set)
        running["loop"].start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert ready.wait(60), "the server did not start"
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running["loop"].add_callback(running["server"].stop)
        running["loop"].add_callback(running["loop"].stop)
        thread.join(20)
