"""Run the regularisation study, or resume it: ``python examples/study/run.py --corpus DIR --output DIR``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `study`, here and in worker processes


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, run the study and print the path of its results; return the exit code."""
    parser = argparse.ArgumentParser(description="Run the regularisation study, or resume it.")
    parser.add_argument(
        "--corpus", type=Path, required=True, help="Text to train on: a text file, a Wikipedia dump, or a directory."
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="Directory of the results and of all weights and measurements."
    )
    options = parser.parse_args(arguments)
    from interp import InterpError
    from study.stages import run_study

    try:
        page = run_study(options.output, options.corpus, print)
    except InterpError as error:
        print(f"study: {error}", file=sys.stderr)
        return 1
    print(f"Results: {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
