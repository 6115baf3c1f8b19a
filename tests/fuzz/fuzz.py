"""Fuzz for a fixed time: python tests/fuzz/fuzz.py [--minutes 8] [--target dump].

Each target runs for this time in its own process, with coverage-guided atheris if it is installed, else with
Hypothesis. Failing inputs are written to ``tests/fuzz/found/TARGET``, which the tests run again.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # helpers


def with_atheris(target: str, seconds: int) -> None:
    """Fuzz one target, guided by coverage; ends the process."""
    import atheris

    with atheris.instrument_imports(include=["interp", "interp_transliteration"]):
        from helpers.targets import TARGETS
    folder = HERE / "found" / target
    folder.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={folder}/", "-max_len=600", "-timeout=60"]
    options += ["-rss_limit_mb=4000", "-print_final_stats=1", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *options], TARGETS[target])
    atheris.Fuzz()


def with_hypothesis(target: str, seconds: int) -> None:
    """Fuzz one target with random examples."""
    from helpers.targets import TARGETS
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    end, runs, last = time.monotonic() + seconds, 0, b""

    @settings(deadline=None, max_examples=500, database=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=600))
    def fuzzed(data: bytes) -> None:
        nonlocal runs, last
        runs, last = runs + 1, data
        TARGETS[target](data)

    while time.monotonic() < end:
        try:
            fuzzed()
        except BaseException:
            folder = HERE / "found" / target
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"crash-{sha256(last).hexdigest()[:16]}").write_bytes(last)  # the last one is the smallest
            raise
    typer.echo(f"{target}: {runs:,} runs, no failures")


def main(
    minutes: Annotated[float, typer.Option(help="Minutes per target.")] = 8,
    target: Annotated[str, typer.Option(help="Target: dump, pack, store or text; all by default.")] = "",
    one: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Fuzz the targets and print the failed ones."""
    if one:
        engine = with_atheris if importlib.util.find_spec("atheris") else with_hypothesis
        engine(target, round(60 * minutes))
        return
    failed = []
    for name in [target] if target else ["dump", "pack", "store", "text"]:
        command = [sys.executable, __file__, "--one", "--target", name, "--minutes", str(minutes)]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    typer.echo(f"failed: {', '.join(failed) or 'none'}")
    raise typer.Exit(bool(failed))


if __name__ == "__main__":
    typer.run(main)
