"""Server: addresses, origins and password."""

import socket
import subprocess
import sys
import urllib.request

import pytest
from helpers.dashboards import serving

import interp
from interp import OptionError
from interp_dashboard.data import DashboardData, open_data
from interp_dashboard.server import allowed_origins, server_settings


def test_defaults_admit_only_this_machine_and_its_own_pages():
    settings = server_settings()
    assert settings["address"] == "127.0.0.1"
    assert settings["websocket_origin"] == ["127.0.0.1:5006", "localhost:5006"]
    assert "basic_auth" not in settings


def test_other_origins_must_be_explicit():
    assert allowed_origins("10.0.0.3", 80, ["lab.example:443"]) == ["10.0.0.3:80", "lab.example:443"]
    for origin in ("*", "*.example", "http://a.example", ""):
        with pytest.raises(OptionError, match="without wildcards"):
            allowed_origins("127.0.0.1", 80, [origin])


def test_a_password_has_a_random_cookie_secret():
    first, second = server_settings(password="a"), server_settings(password="a")
    assert first["basic_auth"] == "a"
    assert first["cookie_secret"] != second["cookie_secret"]


def test_the_port_is_checked():
    with pytest.raises(OptionError, match="1 to 65535"):
        server_settings(port=70_000)


def test_stores_open_with_notes_beside_them(drawn_acts, drawn_dist, tmp_path):
    dist = drawn_dist.assign_attrs(schema_version=1)
    paths = [interp.save(drawn_acts, tmp_path / "a.zarr"), interp.save(dist, tmp_path / "d.zarr")]
    data = open_data(paths)
    assert data.pairs
    assert data.model is None
    assert data.notes.path == tmp_path / "a.notes.json"
    with pytest.raises(OptionError, match="begin with activations"):
        open_data(paths[::-1])


def test_the_command_does_not_import_panel():
    script = "import sys; from interp.cli.app import build_app; build_app(); print('panel' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "False\n"
    )


@pytest.fixture
def running(drawn_acts, drawn_dist, request):
    """Server in this process on a free port; parametrize it with a password."""
    with serving(DashboardData(drawn_acts, [drawn_dist]), password=getattr(request, "param", "")) as url:
        yield url


def upgrade(url, origin):
    """Request a websocket from a page of some origin, and return the status."""
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


def test_a_page_of_another_origin_is_rejected(running):
    assert upgrade(running, "http://evil.example") == 403
    assert upgrade(running, f"http://evil.example:{running.rpartition(':')[2]}") == 403
    assert upgrade(running, running) != 403


@pytest.mark.parametrize("running", ["secret"], indirect=True)
def test_a_password_is_required(running):
    with urllib.request.urlopen(running, timeout=10) as response:
        assert "/login" in response.url
        assert b"made-up-bilstm" not in response.read()
