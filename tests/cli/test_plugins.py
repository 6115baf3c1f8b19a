"""Commands for plugin authors, and the steps of the plugin guide, run literally."""

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
from interp.cli.app import build_app
from interp.cli.plugins import PLUGIN_KINDS, write_plugin

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "plugins/README.md").read_text(encoding="utf-8")
CALL = (sys.executable, "-W", "ignore", "-c", "from interp.cli.app import main; main()")
THIRD = Path(__file__).parents[1] / "fixtures/interp_thirdparty"


def run(*words, status=0, **options):
    """Run ``interp`` in a subprocess and check its exit code."""
    result = subprocess.run([*CALL, *words], capture_output=True, text=True, check=False, **options)
    assert result.returncode == status, result.stdout + result.stderr
    return result.stdout


def install(source, target):
    """Install a package into a folder, without network access."""
    call = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", target]
    subprocess.run([*call, source], check=True, capture_output=True)


def environment(path):
    return {**os.environ, "PYTHONPATH": str(path)}


def new_environment(folder):
    """Create a virtual environment with only the packages of this one, and return its shell environment."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    packages = next(folder.glob("lib/*/site-packages"))
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "ours.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in ours))
    for name in ("interp", "pip", "pytest"):
        script = folder / "bin" / name
        start = "from importlib.metadata import entry_points\nentry_points(group='console_scripts')"
        script.write_text(f"#!{folder}/bin/python\n{start}[{name!r}].load()()\n", encoding="utf-8")
        script.chmod(0o755)
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    return {**variables, "PATH": path, "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_INDEX": "1"}  # 0 means yes here


def shell(line, **options):
    result = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, **options)
    assert result.returncode == 0, f"{line}\n{result.stdout[-3000:]}{result.stderr[-3000:]}"
    return result.stdout


def served_status(line, **options):
    """Start a server with a command of the guide, and return the HTTP status of its page."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    call = ["bash", "-c", f"exec {line} --port {port}"]
    with subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options) as server:
        try:
            return page_status(f"http://127.0.0.1:{port}")
        finally:
            server.terminate()


def page_status(address):
    deadline = time.monotonic() + 60
    while True:
        try:
            return urllib.request.urlopen(address).status
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@pytest.mark.parametrize("kind", PLUGIN_KINDS)
def test_new_plugins_pass_their_own_test(kind, tmp_path):
    folder = write_plugin(kind, "first-try", tmp_path)
    call = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder / "tests")]
    result = subprocess.run(call, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-3000:]
    assert "interp-first-try" in (folder / "README.md").read_text(encoding="utf-8")


def test_new_rejects_wrong_names_and_existing_folders(tmp_path):
    write_plugin("probe", "mine", tmp_path)
    with pytest.raises(interp.OptionError, match="exists already"):
        write_plugin("probe", "mine", tmp_path)
    for name in ("Mine", "my_probe", "", "../up", "class", "1st"):
        with pytest.raises(interp.OptionError, match="kebab-case"):
            write_plugin("probe", name, tmp_path)
    with pytest.raises(interp.UnknownNameError, match="penalty"):
        write_plugin("penalt", "mine", tmp_path)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("viewer", "scene"), ("viewer", "format-caption"), ("probe", "register-probes"), ("probe", "probe"),
        ("probe", "max"), ("penalty", "any"), ("penalty", "penalty"), ("task", "batch"), ("adapter", "adapter"),
        ("reducer", "reducer"),
    ],
)  # fmt: skip
def test_names_in_the_template_source_are_rejected(kind, name, tmp_path):
    with pytest.raises(interp.OptionError, match=f"{name}.* has another meaning"):
        write_plugin(kind, name, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [("probe", "hellinger", "taken by the plugin 'hellinger'"), ("reducer", "moments", "taken"),
     ("viewer", "testing", None), ("probe", "reproduction", "taken by the plugin|module interp_reproduction")],
)  # fmt: skip
def test_names_of_plugins_and_modules_are_rejected(kind, name, message, tmp_path):
    if message is None:
        assert write_plugin(kind, name, tmp_path).is_dir()
    else:
        with pytest.raises(interp.OptionError, match=message):
            write_plugin(kind, name, tmp_path)


def test_guide_leads_to_the_command_line_and_the_dashboard(tmp_path):
    source = re.search(r"<!-- file: (\S+) -->\n```python\n(.*?)```", GUIDE, re.DOTALL)
    lines = [line for line in source[2].splitlines() if line.strip() and '"""' not in line]
    assert len(lines) <= 40
    outputs = {}
    options = {"cwd": tmp_path, "env": new_environment(tmp_path / "venv")}
    for step in re.search(r"<!-- begin -->\n```sh\n(.*?)```", GUIDE, re.DOTALL)[1].splitlines():
        shell(step, **options)
    folder = tmp_path / "interp-burst-size"
    (folder / source[1]).write_text(source[2], encoding="utf-8")
    options["cwd"] = folder
    *steps, serve = re.search(r"<!-- steps -->\n```sh\n(.*?)```", GUIDE, re.DOTALL)[1].splitlines()
    for step in steps:
        outputs[step] = shell(step, **options)
    assert "viewer burst-bars" in " ".join(outputs["interp plugins"].split())
    assert "passed" in outputs["pytest"]
    assert served_status(serve, **options) == 200
    script = (
        "import interp\n"
        "from interp_dashboard.dashboard import Dashboard\n"
        "from interp_dashboard.data import DashboardData\n"
        "data = DashboardData(interp.open('acts.zarr'), [interp.open('bursts.zarr')])\n"
        "sent = []; page = Dashboard(data, send=sent.append)\n"
        "page.show(); print([one['heading'] for one in sent if one.get('panel') == 'burst-bars' and 'html' in one])"
    )
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    output = shell(f"python -W ignore {tmp_path / 'script.py'}", **options)
    assert output.strip() == "['Burst bars']"


def test_third_party_packages_are_found_and_checked(tmp_path):
    install(THIRD, tmp_path)
    records = json.loads(run("plugins", "--json", env=environment(tmp_path)))
    record = next(one for one in records if one["plugin"] == "thirdparty")
    assert (record["from"], record["version"]) == ("interp_thirdparty", "0.3.0")
    assert record["distribution"] == "interp-thirdparty"
    options = {"above": {"type": "float", "default": "0.5"}}
    assert record["hooks"] == ["register_probes", "register_penalties"]
    assert {"kind": "probe", "name": "longest-run", "options": options} in record["objects"]
    outcomes = json.loads(run("check", "thirdparty", "--json", env=environment(tmp_path)))
    assert {one["state"] for one in outcomes} == {"passed"}


def test_check_exits_with_1_and_prints_the_remedy(monkeypatch):
    from interp.testing.conformance.runner import Outcome

    outcomes = [Outcome("mine/result", "passed"), Outcome("mine/input-unchanged", "failed", "Remedy: copy.")]
    monkeypatch.setattr("interp.testing.api.check_plugin", lambda plugin: outcomes)
    result = CliRunner().invoke(build_app(), ["check", "mine"])
    assert result.exit_code == 1
    assert "Remedy: copy." in result.output
    assert "1 passed, 1 failed" in result.output


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    acts = interp.testing.toy_capture(sources=4).acts
    return interp.save(acts, tmp_path_factory.mktemp("show") / "acts.zarr")


def test_show_prints_contents_and_provenance(store):
    output = run("show", str(store))
    assert "interp.activations, version 2: no faults" in output
    assert re.search(r"token +144", output)
    assert re.search(r"model +toy-lstm", output)
    parsed = json.loads(run("show", str(store), "--json"))
    assert parsed["dims"] == {"token": 144, "unit": 57}
    assert parsed["variables"] == {"activation": "(token, unit) float32"}


def test_show_lists_all_faults_and_exits_with_1(tmp_path):
    import xarray as xr

    wrong = xr.Dataset(
        {"activation": (("unit", "token"), [[1.0]])}, attrs={"schema": "interp.activations", "schema_version": 1}
    )
    wrong.to_zarr(tmp_path / "wrong.zarr", consolidated=False)
    output = run("show", str(tmp_path / "wrong.zarr"), status=1)
    assert "version 2: 11 faults" in output
    assert "no coord 'sample'" in output
    assert "no coord 'module'" in output
    assert len(json.loads(run("show", str(tmp_path / "wrong.zarr"), "--json", status=1))["faults"]) == 11


def test_show_finds_faults_of_results(tmp_path, store):
    right = interp.measure("moments", interp.open(store))
    assert json.loads(run("show", str(interp.save(right, tmp_path / "right.zarr")), "--json"))["faults"] == []
    wrong = right.drop_vars("module").expand_dims(pair=["t=>ծ"]).assign_attrs(options="{")
    del wrong.attrs["probe"]
    faults = json.loads(run("show", str(interp.save(wrong, tmp_path / "wrong.zarr")), "--json", status=1))["faults"]
    assert [fault.split(":")[0] for fault in faults] == [
        "attrs['probe'] is missing",
        "attrs['options'] is not valid JSON",
        "there is no coord 'module' (unit)",
        "there is no coord 'pair_input' (pair)",
        "there is no coord 'pair_output' (pair)",
    ]
