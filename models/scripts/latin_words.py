"""Print the commonest words of five languages that are written in Latin letters: ``python models/latin_words.py``.

Needs ``wordfreq``. What it prints is an option of training, ``interp train transliteration --latin FILE``.
"""

import re

import typer
import wordfreq

COUNTS = {"en": 20_000, "fr": 3_000, "de": 3_000, "es": 3_000, "it": 2_000}


def main() -> None:
    """Print each word once, the commonest of a language first."""
    words = (word for language, count in COUNTS.items() for word in wordfreq.top_n_list(language, count))
    typer.echo("\n".join(dict.fromkeys(word for word in words if re.fullmatch("[a-z]{2,}", word))))


if __name__ == "__main__":
    typer.run(main)
