"""Language packs: the Armenian one against the published table, a new one, and malformed ones."""

import string
from pathlib import Path

import pytest

from interp import CorpusError, UnknownNameError
from interp_transliteration.languages.pack import languages, load_pack

# The table of the article, transcribed independently: unit, then spellings with their probabilities.
ARTICLE = """
ա a 1|բ b 1|գ g 1|դ d 1|զ z 1|է e 1|ի i 1|լ l 1|կ k 1|հ h 1|մ m 1|ն n 1|պ p 1|ռ r 1|ս s 1|վ v 1|տ t 1|ր r 1|օ o 1|ֆ f 1
փ p 1|ւ v 1|ու u 1|ո o 1|ե e .8 ye .2|ը @ .45 y .35 e .2|թ t .9 th .1|ժ j .5 zh .3 g .2|խ x .7 kh .2 gh .1
ծ ts .6 c .3 & .1|ձ dz .8 z .1 d .1|ղ x .5 gh .5|ճ ch .4 j .4 tch .1 c .1|յ y .9 j .1|շ sh .8 s .2|չ ch .7 4 .2 c .1
ջ j .6 g .3 dj .1|ց c .8 ts .2|ք q .7 k .3|և ev .7 yev .3
"""

TINY = """
name = "xx"
title = "Tiny"
units = ["α", "β", "ου"]
capitals = {{ "ου" = ["Ου"] }}
kept = "{kept}"
[rules.plain.anywhere]
"α" = {alpha}
"β" = {{ b = 0.5, v = 0.5 }}
"ου" = {{ u = 1 }}
{more}
"""


def tiny(tmp_path, alpha="{ a = 1 }", kept=" .abcuvABUV", more=""):
    path = tmp_path / "xx.toml"
    path.write_text(TINY.format(alpha=alpha, kept=kept, more=more), encoding="utf-8")
    return str(path)


def published():
    for cell in ARTICLE.strip().replace("\n", "|").split("|"):
        unit, *pairs = cell.split()
        yield unit, dict(zip(pairs[::2], map(float, pairs[1::2]), strict=True))


@pytest.fixture(scope="module")
def pack():
    return load_pack("hy")


def test_armenian_is_shipped():
    assert "hy" in languages()


def test_the_article_rules_are_the_published_table(pack):
    rules = pack.rule_set("article")
    table = dict(published())
    lower = {unit for unit in pack.units if unit == unit.lower()}
    assert lower == set(table)
    for unit, spellings in table.items():
        assert rules.anywhere[unit] == spellings
    assert rules.spellings("ո", starts_word=True) == {"vo": 1}
    assert rules.spellings("Ո", starts_word=True) == {"Vo": 1}
    assert rules.spellings("Ո", starts_word=False) == {"O": 1}
    assert rules.lower_case == 0


def test_capitals_mirror_the_lower_case_and_share_its_weight(pack):
    rules = pack.rule_set("article")
    assert rules.anywhere["Ծ"] == pytest.approx({"Ts": 0.3, "TS": 0.3, "C": 0.3, "&": 0.1})
    assert rules.anywhere["Շ"] == pytest.approx({"Sh": 0.4, "SH": 0.4, "S": 0.2})
    assert rules.anywhere["Ու"] == rules.anywhere["ՈՒ"] == {"U": 1}


@pytest.mark.parametrize("name", ["article", "chat"])
def test_probabilities_sum_to_one_and_every_unit_can_be_typed(pack, name):
    rules = pack.rule_set(name)
    for unit in pack.units:
        for starts_word in (False, True):
            spellings = rules.spellings(unit, starts_word=starts_word)
            assert sum(spellings.values()) == pytest.approx(1)
            assert set("".join(spellings)) <= set(pack.kept)


def test_chat_has_common_spellings(pack):
    rules = pack.rule_set("chat")
    for unit, latin in [("վ", "w"), ("ու", "ou"), ("ու", "oo"), ("ի", "ee"), ("շ", "sch"), ("շ", "w"), ("։", ":")]:
        assert latin in rules.anywhere[unit]
    assert "gh" not in rules.anywhere["խ"]
    assert "kh" not in rules.anywhere["ղ"]
    assert 0 < rules.lower_case < 1
    assert rules.anywhere["ա"] == {"a": 1}, "the others are those of the article"


def test_alphabets_are_closed_within_limits_and_without_repetition(pack):
    assert len(pack.inputs) <= 110
    assert len(pack.outputs) <= 190
    assert len(set(pack.inputs)) == len(pack.inputs)
    assert len(set(pack.outputs)) == len(pack.outputs)
    assert pack.inputs[-1] == pack.plain[-1] == "#"
    assert pack.outputs[len(pack.plain) :] == ("նը", "րը")
    assert pack.outputs[0] == "_"
    assert set(string.ascii_letters + string.digits) <= set(pack.inputs) & set(pack.outputs)
    assert set("աբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆև") | {"ու", "Ու", "ՈՒ"} <= set(pack.outputs)


def test_u_is_one_unit_and_the_pieces_give_the_text(pack):
    assert pack.split("ՈՒրախ Ուր ուս ոււ\n") == [
        *("ՈՒ", "ր", "ա", "խ", " ", "Ու", "ր", " ", "ու", "ս", " ", "ու", "ւ", "\n"),
    ]
    assert pack.split("") == []


def test_share_counts_letters_of_the_script(pack):
    assert pack.script_share("աբ c") == 0.5
    assert pack.script_share("") == 0
    assert pack.script_share("ab 1։") == 0, "punctuation of the script is not a letter"


def test_errors_of_unknown_names_list_the_known_ones(pack, tmp_path):
    with pytest.raises(UnknownNameError, match=r"no rules 'klingon'; it has article, chat"):
        pack.rule_set("klingon")
    with pytest.raises(UnknownNameError, match=r"No language 'qq'; shipped: .*hy"):
        load_pack("qq")
    with pytest.raises(UnknownNameError, match=r"none\.toml"):
        load_pack(str(tmp_path / "none.toml"))


def test_a_new_language_is_a_file(tmp_path):
    pack = load_pack(tiny(tmp_path))
    assert pack.units == ("α", "Α", "β", "Β", "ου", "Ου")
    assert pack.split("Ουα") == ["Ου", "α"]
    assert pack.rule_set("plain").spellings("Β", starts_word=True) == {"B": 0.5, "V": 0.5}
    assert pack.rule_set("plain").spellings("!", starts_word=True) == {"!": 1}


def test_all_faults_are_listed_at_once(tmp_path):
    path = tiny(
        tmp_path,
        alpha='{ a = 0.5, "é" = 0.4 }',
        kept=" .aabcuv_ABUVα",
        more='"ω" = { a = 1 }\n[rules.other]\nlower_case = 3\n[rules.other.anywhere]\n"α" = { "" = 1 }',
    )
    with pytest.raises(CorpusError) as caught:
        load_pack(path)
    message = str(caught.value)
    for fault in (
        "'kept' lists a character twice",
        "'kept' must not contain '_' or '#'",
        "a unit is also in 'kept'",
        "rules 'plain', unit 'α': probabilities must be positive and sum to 1",
        "rules 'plain', unit 'α': 'é' is empty or has characters outside 'kept'",
        "rules 'plain', unit 'ω': neither a unit nor a kept character",
        "rules 'other', unit 'α': '' is empty",
        "rules 'other' have no spelling for the unit 'β'",
        "rules 'other': lower_case must be 0..1, got 3",
    ):
        assert fault in message


@pytest.mark.parametrize("alpha", ["{ a = 1.5, b = -0.5 }", "{ a = 0.0, b = 1.0 }", "{ a = 0.9 }", "{}"])
def test_probabilities_are_positive_and_sum_to_one(tmp_path, alpha):
    with pytest.raises(CorpusError, match="unit 'α': probabilities must be positive and sum to 1"):
        load_pack(tiny(tmp_path, alpha=alpha))


@pytest.mark.parametrize("unit", ["_", "#", "a_", ""])
def test_a_unit_contains_no_mark(tmp_path, unit):
    path = tmp_path / "xx.toml"
    path.write_text(TINY.format(alpha="{ a = 1 }", kept=" abuvABUV", more="").replace("α", unit), encoding="utf-8")
    with pytest.raises(CorpusError, match="a unit is empty or contains '_' or '#'"):
        load_pack(str(path))


@pytest.mark.parametrize(
    "text",
    [
        "name = ",
        "name = 'xx'",
        "units = 3\nkept = ''\nname = 'x'\ntitle = 'x'\n[rules]",
        TINY.format(alpha="'a'", kept="a", more=""),
        TINY.format(alpha="{ a = 'many' }", kept="a", more=""),
        TINY.format(alpha="{ a = 1 }", kept=" abuvABUV", more='" " = { a = "x" }'),
        TINY.format(alpha="{ a = 1 }", kept=" abuvABUV", more="[rules.b]\nextends = 'none'"),
        TINY.format(alpha="{ a = 1 }", kept=" abuvABUV", more="[rules.b]\nlower_case = 'x'"),
    ],
)
def test_a_malformed_pack_is_one_error(tmp_path, text):
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CorpusError, match=r"Language pack bad\.toml is malformed"):
        load_pack(str(path))


def test_a_pack_that_is_not_text(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_bytes("name = 'é'".encode("latin-1"))
    with pytest.raises(CorpusError, match="malformed"):
        load_pack(str(path))


def test_words_in_capitals_and_small_letters(pack):
    assert pack.upper("Երևան ու Windows-ը 5") == "ԵՐԵՎԱՆ ՈՒ WINDOWS-Ը 5"
    assert [pack.lower_symbol(symbol) for symbol in ("Ա", "Ու", "ՈՒ", "ու", "և", "Q", "5")] == [
        "ա", "Ու", "ու", "ու", "և", "q", "5",
    ]  # fmt: skip
    assert load_pack("fa").upper("سلام ab") == "سلام AB", "a script without capitals"


def test_faults_of_in_capitals_are_listed(tmp_path):
    path = tiny(tmp_path)
    text = Path(path).read_text(encoding="utf-8")
    Path(path).write_text(text.replace("kept =", 'in_capitals = { "ω" = "Α", "β" = "B" }\nkept ='), encoding="utf-8")
    with pytest.raises(CorpusError, match=r"(?s)'in_capitals' of 'ω'.*'in_capitals' of 'β'"):
        load_pack(path)
