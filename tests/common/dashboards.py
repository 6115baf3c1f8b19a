"""A dashboard's server in a thread of the test, on a port that is free, for as long as a test needs it."""

import asyncio
import socket
import threading
from contextlib import contextmanager

from tornado.ioloop import IOLoop

from interp_dashboard.server import build


def free_port():
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(material, **options):
    """Serve what a dashboard shows, and give its URL."""
    port, ready, held = free_port(), threading.Event(), {}

    def run():
        asyncio.set_event_loop(asyncio.new_event_loop())
        held["loop"] = IOLoop.current()
        held["server"] = build(material, port=port, **options)
        held["server"].start()
        held["loop"].add_callback(ready.set)
        held["loop"].start()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(60), "the server did not start"
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        held["loop"].add_callback(held["server"].stop)
        held["loop"].add_callback(held["loop"].stop)
        thread.join(20)
