"""The verbs for authors, and the guide: its steps are gone through word by word."""

import json
import re
import subprocess
import sys
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
    import os

    return {**os.environ, "PYTHONPATH": str(path)}


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
    run("new", "probe", "burst-size", cwd=tmp_path)
    folder, site = tmp_path / "interp-burst-size", tmp_path / "site"
    (folder / source[1]).write_text(source[2], encoding="utf-8")
    install(folder, site)
    options = {"cwd": folder, "env": environment(site)}
    steps = re.search(r"<!-- steps -->\n```sh\n(.*?)```", GUIDE, re.DOTALL)[1].splitlines()
    assert [step.split()[0] for step in steps] == ["pip", "interp", "pytest", "interp", "interp", "interp"]
    assert "viewer burst-bars" in " ".join(run("plugins", **options).split())
    call = [sys.executable, "-m", "pytest", "-q"]
    tested = subprocess.run(call, capture_output=True, text=True, check=False, **options)
    assert tested.returncode == 0, tested.stdout[-3000:]
    for step in steps[3:5]:
        run(*step.split()[1:], **options)
    script = (
        "import interp\n"
        "from interp_dashboard.dashboard import Dashboard\n"
        "from interp_dashboard.material import Material\n"
        "held = Material(interp.open('acts.zarr'), [interp.open('bursts.zarr')])\n"
        "sent = []; page = Dashboard(held, send=sent.append)\n"
        "page.show(); print([one['heading'] for one in sent if one.get('panel') == 'burst-bars' and 'html' in one])"
    )
    shown = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True, **options
    )
    assert shown.stdout.strip() == "['Burst bars']"


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
