"""The verbs for authors, and the guide: its steps are gone through word by word."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

import interp
from interp.authors import KINDS, write
from interp.cli import build_app

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "plugins/README.md").read_text(encoding="utf-8")
CALL = (sys.executable, "-W", "ignore", "-c", "from interp.cli import main; main()")
THIRD = Path(__file__).parent / "fixtures/interp_thirdparty"


def run(*words, status=0, **options):
    """Run ``interp`` in this environment, with further folders to import from."""
    done = subprocess.run([*CALL, *words], capture_output=True, text=True, check=False, **options)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def install(source, target):
    """Install a package into a folder, without a network."""
    call = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", target]
    subprocess.run([*call, source], check=True, capture_output=True)


def environment(path):
    return {**os.environ, "PYTHONPATH": str(path)}


def environment_of(folder):
    """Return what a shell in a new virtual environment sees, in which nothing but this one's packages is installed."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    packages = next(folder.glob("lib/*/site-packages"))
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "ours.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in ours))
    for name in ("interp", "pip", "pytest"):
        script = folder / "bin" / name
        start = "from importlib.metadata import entry_points\nentry_points(group='console_scripts')"
        script.write_text(f"#!{folder}/bin/python\n{start}[{name!r}].load()()\n", encoding="utf-8")
        script.chmod(0o755)
    held = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    return {**held, "PATH": path, "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_INDEX": "1"}  # 0 is how pip spells yes here


def shell(line, **options):
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def answer_of(line, **options):
    """Start a server by the words of the guide, and return the status of its page."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    call = ["bash", "-c", f"exec {line} --port {port}"]
    with subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options) as server:
        try:
            return status_of(f"http://127.0.0.1:{port}")
        finally:
            server.terminate()


def status_of(address):
    deadline = time.monotonic() + 60
    while True:
        try:
            return urllib.request.urlopen(address).status
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_begun_passes_its_own_test(kind, tmp_path):
    folder = write(kind, "first-try", tmp_path)
    call = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder / "tests")]
    done = subprocess.run(call, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "interp-first-try" in (folder / "README.md").read_text(encoding="utf-8")


def test_begun_names_are_kebab_case_and_nothing_is_overwritten(tmp_path):
    write("probe", "mine", tmp_path)
    with pytest.raises(interp.OptionError, match="there already"):
        write("probe", "mine", tmp_path)
    for name in ("Mine", "my_probe", "", "../up", "class", "1st"):
        with pytest.raises(interp.OptionError, match="kebab-case"):
            write("probe", name, tmp_path)
    with pytest.raises(interp.UnknownNameError, match="penalty"):
        write("penalt", "mine", tmp_path)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("viewer", "scene"), ("viewer", "captions"), ("probe", "register-probes"), ("probe", "probe"), ("probe", "max"),
        ("penalty", "any"), ("penalty", "penalty"), ("task", "batch"), ("adapter", "adapter"), ("reducer", "reducer"),
    ],
)  # fmt: skip
def test_a_name_that_the_source_uses_otherwise_is_refused(kind, name, tmp_path):
    with pytest.raises(interp.OptionError, match=f"{name}.* means something else"):
        write(kind, name, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [("probe", "hellinger", "taken, by the plugin 'hellinger'"), ("reducer", "moments", "taken"),
     ("viewer", "testing", None), ("probe", "reproduction", "taken, by the plugin|module interp_reproduction")],
)  # fmt: skip
def test_a_name_that_a_plugin_or_a_module_has_is_refused(kind, name, told, tmp_path):
    if told is None:
        assert write(kind, name, tmp_path).is_dir()
    else:
        with pytest.raises(interp.OptionError, match=told):
            write(kind, name, tmp_path)


def test_the_guide_goes_from_nothing_to_the_command_line_and_the_dashboard(tmp_path):
    source = re.search(r"<!-- file: (\S+) -->\n```python\n(.*?)```", GUIDE, re.DOTALL)
    lines = [line for line in source[2].splitlines() if line.strip() and '"""' not in line]
    assert len(lines) <= 40
    told = {}
    options = {"cwd": tmp_path, "env": environment_of(tmp_path / "venv")}
    for step in re.search(r"<!-- begin -->\n```sh\n(.*?)```", GUIDE, re.DOTALL)[1].splitlines():
        shell(step, **options)
    folder = tmp_path / "interp-burst-size"
    (folder / source[1]).write_text(source[2], encoding="utf-8")
    options["cwd"] = folder
    *steps, serve = re.search(r"<!-- steps -->\n```sh\n(.*?)```", GUIDE, re.DOTALL)[1].splitlines()
    for step in steps:
        told[step] = shell(step, **options)
    assert "viewer burst-bars" in " ".join(told["interp plugins"].split())
    assert "passed" in told["pytest"]
    assert answer_of(serve, **options) == 200
    script = (
        "import interp\n"
        "from interp_dashboard.dashboard import Dashboard\n"
        "from interp_dashboard.data import DashboardData\n"
        "held = DashboardData(interp.open('acts.zarr'), [interp.open('bursts.zarr')])\n"
        "sent = []; page = Dashboard(held, send=sent.append)\n"
        "page.show(); print([one['heading'] for one in sent if one.get('panel') == 'burst-bars' and 'html' in one])"
    )
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    shown = shell(f"python -W ignore {tmp_path / 'script.py'}", **options)
    assert shown.strip() == "['Burst bars']"


def test_a_package_from_elsewhere_is_found_and_checked(tmp_path):
    install(THIRD, tmp_path)
    listed = json.loads(run("plugins", "--json", env=environment(tmp_path)))
    found = next(one for one in listed if one["plugin"] == "thirdparty")
    assert (found["from"], found["version"]) == ("interp_thirdparty", "0.3.0")
    assert found["distribution"] == "interp-thirdparty"
    options = {"above": {"type": "float", "default": "0.5"}}
    assert found["hooks"] == ["register_probes", "register_penalties"]
    assert {"kind": "probe", "name": "longest-run", "options": options} in found["brings"]
    checked = json.loads(run("check", "thirdparty", "--json", env=environment(tmp_path)))
    assert {one["state"] for one in checked} == {"passed"}


def test_check_ends_with_one_and_names_the_remedy(monkeypatch):
    from interp.conformance.running import Outcome

    found = [Outcome("mine/result", "passed"), Outcome("mine/input-kept", "failed", "Remedy: copy.")]
    monkeypatch.setattr("interp.testing.check", lambda plugin: found)
    done = CliRunner().invoke(build_app(), ["check", "mine"])
    assert done.exit_code == 1
    assert "Remedy: copy." in done.output
    assert "1 passed, 1 failed" in done.output


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    acts = interp.testing.toy(sources=4).acts
    return interp.save(acts, tmp_path_factory.mktemp("show") / "acts.zarr")


def test_show_says_what_is_in_a_store_and_where_it_is_from(store):
    told = run("show", str(store))
    assert "interp.activations, version 1: no fault" in told
    assert re.search(r"token +144", told)
    assert re.search(r"model +toy-lstm", told)
    parsed = json.loads(run("show", str(store), "--json"))
    assert parsed["dims"] == {"token": 144, "unit": 57}
    assert parsed["variables"] == {"activation": "(token, unit) float32"}


def test_show_lists_all_faults_and_ends_with_one(tmp_path):
    import xarray as xr

    wrong = xr.Dataset(
        {"activation": (("unit", "token"), [[1.0]])}, attrs={"schema": "interp.activations", "schema_version": 1}
    )
    wrong.to_zarr(tmp_path / "wrong.zarr", consolidated=False)
    told = run("show", str(tmp_path / "wrong.zarr"), status=1)
    assert "version 1: 11 faults" in told
    assert "no coord 'sample'" in told
    assert "no coord 'module'" in told
    assert len(json.loads(run("show", str(tmp_path / "wrong.zarr"), "--json", status=1))["faults"]) == 11


def test_show_finds_the_faults_of_a_result(tmp_path, store):
    right = interp.measure("moments", interp.open(store))
    assert json.loads(run("show", str(interp.save(right, tmp_path / "right.zarr")), "--json"))["faults"] == []
    wrong = right.drop_vars("module").expand_dims(pair=["t=>ծ"]).assign_attrs(options="{")
    del wrong.attrs["probe"]
    faults = json.loads(run("show", str(interp.save(wrong, tmp_path / "wrong.zarr")), "--json", status=1))["faults"]
    assert [fault.split(":")[0] for fault in faults] == [
        "attrs['probe'] is missing",
        "attrs['options'] is no JSON",
        "there is no coord 'module' (unit)",
        "there is no coord 'pair_input' (pair)",
        "there is no coord 'pair_output' (pair)",
    ]
