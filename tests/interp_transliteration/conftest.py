"""A language of five letters, for results that can be computed by hand."""

import pytest

from interp_transliteration.languages.pack import load_pack

TOY = """
name = "xx"
title = "Toy"
units = ["α", "β", "γ", "δ", "ε"]
kept = " .abcdtsABCDTSE"
[rules.clear.anywhere]
"α" = { a = 1 }
"β" = { b = 0.5, tc = 0.5 }
"γ" = { c = 1 }
"δ" = { ts = 1 }
"ε" = { d = 1 }
[rules.clear.initial]
"ε" = { dd = 1 }
[rules.mixed.anywhere]
"α" = { a = 1 }
"β" = { b = 0.75, s = 0.25 }
"γ" = { c = 0.5, s = 0.5 }
"δ" = { ts = 0.75, t = 0.25 }
"ε" = { t = 1 }
[rules.mixed.initial]
"β" = { s = 1 }
[rules.mixed-small]
extends = "mixed"
lower_case = 0.5
"""


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    """Return a pack with the rule sets `clear`, `mixed` and `mixed-small`."""
    path = tmp_path_factory.mktemp("packs") / "xx.toml"
    path.write_text(TOY, encoding="utf-8")
    return load_pack(str(path))
