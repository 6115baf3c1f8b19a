"""Command line: commands of all packages, one-line errors, exit codes."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest
import xarray as xr
from typer.testing import CliRunner

import interp
from interp.cli import app as cli


def run(*arguments, stdin=""):
    code = "from interp.cli.app import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def test_help_lists_the_commands_of_all_packages():
    result = run("--help")
    assert result.returncode == 0
    for command in ("capture", "measure", "plugins", "train", "transliterate", "reproduce"):
        assert command in result.stdout


def test_version_is_the_packages():
    from interp import __version__

    assert run("--version").stdout.strip() == f"interp {__version__}"


def test_plugins_lists_the_objects_of_plugins():
    result = run("plugins")
    assert "probe hellinger" in " ".join(result.stdout.split())


def test_interp_errors_are_one_line_and_exit_code_1(tmp_path):
    result = run("train", "transliteration", "--corpus", str(tmp_path / "nowhere"), "--budget", "1")
    assert result.returncode == 1
    assert "nowhere" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.count("\n") == 1


def test_usage_errors_are_exit_code_2():
    assert run("train").returncode == 2
    assert run("no-such-verb").returncode == 2


def test_commands_that_fail_to_import_are_a_warning(monkeypatch):
    points = [
        EntryPoint("good", "interp.cli.plugins:plugins", cli.COMMAND_GROUP),
        EntryPoint("bad", "no_such_module:verb", cli.COMMAND_GROUP),
    ]
    monkeypatch.setattr(cli, "entry_points", lambda group: points)
    with pytest.warns(UserWarning, match="'bad'"):
        app = cli.build_app()
    assert [command.name for command in app.registered_commands] == ["good"]


def test_train_writes_weights_that_load(tmp_path):
    corpus = tmp_path / "small-train.txt"
    corpus.write_text("\n".join(interp.load_task("transliteration").sentences("demo")[:40]), encoding="utf-8")
    weights = tmp_path / "weights.safetensors"
    result = run(
        "train", "transliteration", "--corpus", str(corpus), "--budget", "2", "--seed", "5", "--output", str(weights)
    )
    assert result.returncode == 0, result.stderr
    assert "--budget 2 --seed 5" in result.stdout
    trained = interp.load_model("armenian-bilstm", weights=weights)
    fresh = interp.load_model("armenian-bilstm", random_init=5)
    assert any((a != b).any() for a, b in zip(trained.parameters(), fresh.parameters(), strict=True))
    assert [path.name for path in tmp_path.iterdir() if "checkpoint" in path.name] == []


def call(*arguments):
    """Run a command in this process."""
    return CliRunner().invoke(cli.build_app(), list(map(str, arguments)), catch_exceptions=False)


CAPTURE = ("capture", "armenian-bilstm", "--limit", "20", "--where", "input=t", "--quantities", "h,c")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "acts.zarr"
    result = run(*CAPTURE, "--modules", "lstm", "--modules", "hidden", "--output", str(path))
    assert result.returncode == 0, result.stderr
    assert "activation (token" in result.stdout
    return path


def test_capture_equals_the_python_call(stored):
    model, task = interp.load_model("armenian-bilstm"), interp.load_task("transliteration")
    options = {"where": {"input": "t"}, "quantities": ["h", "c"], "modules": ["lstm", "hidden"]}
    expected = interp.capture(model, task.batches("demo", limit=20, seed=0), progress=False, **options)
    xr.testing.assert_identical(interp.open(stored), expected)


def test_capture_does_not_change_finished_stores(stored):
    before = {path: path.stat().st_mtime_ns for path in stored.rglob("*")}
    assert call(*CAPTURE, "--modules", "lstm,hidden", "--output", stored).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in stored.rglob("*")} == before
    with pytest.raises(interp.OptionError, match="modules"):
        call(*CAPTURE, "--output", stored)


def test_capture_accepts_a_corpus_random_weights_and_a_batch_size(tmp_path):
    corpus = tmp_path / "small-test.txt"
    corpus.write_text("\n".join(interp.load_task("transliteration").sentences("demo")[:6]), encoding="utf-8")
    options = ("--task", "transliteration", "--corpus", corpus, "--rules", "chat", "--random-init", "3")
    call("capture", "armenian-bilstm", *options, "--batch-size", "4", "--output", tmp_path / "a.zarr")
    acts = interp.open(tmp_path / "a.zarr")
    assert acts.attrs["split"] == "test"
    assert acts.attrs["rules"] == "chat"
    model = interp.load_model("armenian-bilstm", random_init=3)
    batches = interp.load_task("transliteration", corpus=corpus, rules="chat").batches("test")
    assert acts.attrs["model_sha256"] == interp.capture(model, batches, progress=False).attrs["model_sha256"]


def test_measure_equals_the_python_call(stored, tmp_path):
    flags = ("--estimator", "raw", "--min-tokens", "10", "--pairs", "t=>տ", "--bins=40")
    result = run("measure", "hellinger", str(stored), *flags, "--output", str(tmp_path / "r.zarr"))
    assert result.returncode == 0, result.stderr
    expected = interp.measure("hellinger", interp.open(stored), estimator="raw", min_tokens=10, pairs=["t=>տ"], bins=40)
    xr.testing.assert_identical(interp.open(tmp_path / "r.zarr"), expected)
    assert interp.methods_text(expected) in result.stdout


def test_every_probe_has_the_flag_basis(stored, tmp_path):
    call("measure", "moments", stored, "--basis", "rotated", "--basis-seed", "4", "--output", tmp_path / "r.zarr")
    expected = interp.measure("moments", interp.open(stored), basis="rotated", basis_seed=4)
    xr.testing.assert_identical(interp.open(tmp_path / "r.zarr"), expected)


def test_several_stores_give_a_dim_model(stored, tmp_path):
    call("measure", "range", stored, stored, "--output", tmp_path / "r.zarr")
    assert interp.open(tmp_path / "r.zarr").sizes["model"] == 2


@pytest.mark.parametrize(
    ("words", "error", "sentence"),
    [
        (["rangee", "ACTS"], interp.UnknownNameError, "Did you mean.*'range'"),
        (
            ["hellinger", "ACTS", "--min-token", "3"],
            interp.OptionError,
            "Did you mean 'min_tokens'.*n_permutations=100",
        ),
        (["hellinger", "ACTS", "--min-tokens", "x"], interp.OptionError, "--min-tokens takes int"),
        (["hellinger", "--min-tokens", "3"], interp.OptionError, "a store of activations: interp measure hellinger"),
        (["range", "nowhere.zarr"], interp.SchemaError, "nowhere.zarr does not exist"),
    ],
)
def test_wrong_measure_options_are_errors_and_write_nothing(stored, tmp_path, words, error, sentence):
    words = [str(stored) if word == "ACTS" else word for word in words]
    with pytest.raises(error, match=sentence):
        call("measure", *words, "--output", tmp_path / "r.zarr")
    assert not list(tmp_path.iterdir())


def test_measure_replaces_a_result_only_with_overwrite(stored, tmp_path):
    path = tmp_path / "r.zarr"
    call("measure", "range", stored, "--output", path)
    with pytest.raises(interp.OptionError, match="exists"):
        call("measure", "moments", stored, "--output", path)
    call("measure", "moments", stored, "--output", path, "--overwrite")
    assert "variance" in interp.open(path)
