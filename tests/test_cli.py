"""The command line: verbs of any package, one sentence for an error, exit codes."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

import interp
from interp import cli


def run(*arguments, stdin=""):
    code = "from interp.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def test_help_lists_the_verbs_of_all_packages():
    result = run("--help")
    assert result.returncode == 0
    for verb in ("plugins", "train", "transliterate", "reproduce"):
        assert verb in result.stdout


def test_version_is_the_packages():
    from interp import __version__

    assert run("--version").stdout.strip() == f"interp {__version__}"


def test_plugins_lists_who_brings_what():
    result = run("plugins")
    assert "probe hellinger" in " ".join(result.stdout.split())


def test_an_error_of_ours_is_one_sentence_and_exit_code_1(tmp_path):
    result = run("train", "transliteration", "--corpus", str(tmp_path / "nowhere"), "--budget", "1")
    assert result.returncode == 1
    assert "nowhere" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.count("\n") == 1


def test_wrong_usage_is_exit_code_2():
    assert run("train").returncode == 2
    assert run("no-such-verb").returncode == 2


def test_a_verb_that_cannot_be_loaded_is_a_warning_and_the_rest_works(monkeypatch):
    points = [
        EntryPoint("good", "interp.commands:plugins", cli.GROUP),
        EntryPoint("bad", "no_such_module:verb", cli.GROUP),
    ]
    monkeypatch.setattr(cli, "entry_points", lambda group: points)
    with pytest.warns(UserWarning, match="'bad'"):
        app = cli.build_app()
    assert [command.name for command in app.registered_commands] == ["good"]


def test_training_from_the_command_line_gives_weights_that_load(tmp_path):
    corpus = tmp_path / "small-train.txt"
    corpus.write_text("\n".join(interp.load_task("transliteration").sentences("demo")[:40]), encoding="utf-8")
    weights = tmp_path / "weights.safetensors"
    result = run(
        "train", "transliteration", "--corpus", str(corpus), "--budget", "2", "--seed", "5", "--output", str(weights)
    )
    assert result.returncode == 0, result.stderr
    assert "--budget 2 --seed 5" in result.stdout
    trained = interp.load_model("armenian-bilstm", weights=weights)
    fresh = interp.load_model("armenian-bilstm", untrained=5)
    assert any((a != b).any() for a, b in zip(trained.parameters(), fresh.parameters(), strict=True))
    assert [path.name for path in tmp_path.iterdir() if "checkpoint" in path.name] == []
