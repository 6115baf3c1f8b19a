"""Print the most common words of five languages in Latin script: ``python models/scripts/latin_words.py``.

Requires ``wordfreq``. The output is the file of the training option ``interp train transliteration --latin FILE``.
"""

import re

import typer
import wordfreq

N_WORDS = {"en": 20_000, "fr": 3_000, "de": 3_000, "es": 3_000, "it": 2_000}


def main() -> None:
    """Print each word once, the most common words of a language first."""
    words = (word for language, count in N_WORDS.items() for word in wordfreq.top_n_list(language, count))
    typer.echo("\n".join(dict.fromkeys(word for word in words if re.fullmatch("[a-z]{2,}", word))))


if __name__ == "__main__":
    typer.run(main)
