"""The commands `interp transliterate` and `interp evaluate`, in a process of their own."""

import os
import subprocess
import sys

import pandas as pd

MAIN = "from interp.cli.app import main; main()"


def run(*words, data=b""):
    command = [sys.executable, "-c", MAIN, "transliterate", *words]
    done = subprocess.run(command, input=data, capture_output=True, env=os.environ, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


def test_invalid_bytes_and_line_ends_are_preserved():
    code, out, _ = run(data=b"barev\r\n\xff\xfe es\n\nvoch")
    assert (code, out) == (0, "բարև\r\n".encode() + b"\xff\xfe " + "ես\n\nոչ".encode())


def test_files_are_read_and_written(tmp_path):
    (tmp_path / "a.txt").write_text("barev\nes", encoding="utf-8")
    target = tmp_path / "out.txt"
    assert run("--file", str(tmp_path / "a.txt"), "--output", str(target))[0] == 0
    assert target.read_text(encoding="utf-8") == "բարև\nես"
    code, _, error = run("--file", str(target), "--output", str(target))
    assert code == 1
    assert "both input and output" in error
    code, _, error = run("--file", str(tmp_path / "none.txt"))
    assert code == 1
    assert "none.txt can't be read" in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "out.txt"]


def test_a_line_is_written_before_the_next_one_comes():
    command = [sys.executable, "-c", MAIN, "transliterate"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for typed, expected in (("barev", "բարև"), ("es", "ես")):
            process.stdin.write(typed.encode() + b"\n")
            process.stdin.flush()
            assert process.stdout.readline().decode() == expected + "\n"
        process.stdin.close()
        assert process.wait(timeout=60) == 0


def test_evaluate_prints_and_writes_the_table(tmp_path):
    words = [
        "evaluate",
        "transliteration",
        "--task-variant",
        "bgn",
        "--task-variant",
        "code-mix",
        "--limit",
        "20",
        "--seeds",
        "1",
    ]
    command = [sys.executable, "-c", MAIN, *words, "--output", str(tmp_path / "a.csv")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "a.csv", index_col=["track", "system"])
    assert {"armenian-bilstm", "greedy rules"} <= set(table.index.get_level_values("system"))
    assert table["cer"].between(0, 1).all()
    for (track, system), row in table.iterrows():
        assert track in done.stdout
        assert f"**{100 * row['cer']:.2f}**" in done.stdout, system
