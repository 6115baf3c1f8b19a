"""The server: who may connect, and to what."""

import socket
import subprocess
import sys
import urllib.request

import pytest
from dashboards import serving

import interp
from interp import OptionError
from interp_dashboard.material import Material
from interp_dashboard.opening import opened
from interp_dashboard.server import origins, settings


def test_it_listens_on_this_machine_and_answers_its_own_pages_only():
    found = settings()
    assert found["address"] == "127.0.0.1"
    assert found["websocket_origin"] == ["127.0.0.1:5006", "localhost:5006"]
    assert "basic_auth" not in found


def test_other_origins_are_named_one_by_one():
    assert origins("10.0.0.3", 80, ["lab.example:443"]) == ["10.0.0.3:80", "lab.example:443"]
    for wild in ("*", "*.example", "http://a.example", ""):
        with pytest.raises(OptionError, match="no wildcard"):
            origins("127.0.0.1", 80, [wild])


def test_a_password_comes_with_a_secret_of_its_own():
    first, second = settings(password="a"), settings(password="a")
    assert first["basic_auth"] == "a"
    assert first["cookie_secret"] != second["cookie_secret"]


def test_a_port_is_a_port():
    with pytest.raises(OptionError, match="1 to 65535"):
        settings(port=70_000)


def test_stores_open_with_notes_beside_them(drawn_acts, drawn_dist, tmp_path):
    dist = drawn_dist.assign_attrs(schema_version=1)
    paths = [interp.save(drawn_acts, tmp_path / "a.zarr"), interp.save(dist, tmp_path / "d.zarr")]
    held = opened(paths)
    assert held.pairs
    assert held.model is None
    assert held.notes.path == tmp_path / "a.notes.json"
    with pytest.raises(OptionError, match="begin with activations"):
        opened(paths[::-1])


def test_the_command_is_light_and_says_what_it_takes():
    script = "import sys; from interp.cli import build_app; build_app(); print('panel' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "False\n"
    )


@pytest.fixture
def running(drawn_acts, drawn_dist, request):
    """A server in this process, on a port that is free; parametrize it with a password."""
    with serving(Material(drawn_acts, [drawn_dist]), password=getattr(request, "param", "")) as url:
        yield url


def upgrade(url, origin):
    """Ask for a websocket from a page of some origin, and return the status."""
    host, _, port = url.removeprefix("http://").partition(":")
    lines = [
        "GET /ws HTTP/1.1",
        f"Host: {host}:{port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        f"Origin: {origin}",
    ]
    lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "", ""]
    with socket.create_connection((host, int(port)), timeout=10) as line:
        line.sendall("\r\n".join(lines).encode())
        return int(line.recv(1000).split()[1])


def test_a_foreign_page_gets_no_connection(running):
    assert upgrade(running, "http://evil.example") == 403
    assert upgrade(running, f"http://evil.example:{running.rpartition(':')[2]}") == 403
    assert upgrade(running, running) != 403


@pytest.mark.parametrize("running", ["secret"], indirect=True)
def test_a_password_is_asked_for_first(running):
    with urllib.request.urlopen(running, timeout=10) as answer:
        assert "/login" in answer.url
        assert b"made-up-bilstm" not in answer.read()
