"""Sentence splitting and cleaning: cases by hand, and properties of any text."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp_transliteration.corpora.sentences import (
    MAX_SENTENCE_LENGTH,
    MIN_SENTENCE_LENGTH,
    is_usable,
    normalize,
    split_sentences,
)

TEXT = st.text(alphabet="աբԱԲev19 \t\n:։.․?!…,;()«»\"'՞՝-\u00a0\u200b\u00ad", max_size=80)


def test_normalize_composes_and_makes_spaces_single():
    assert normalize(" e\u0301 \u00a0\t x\r\ny\u2028z ") == "é x y z"


def test_normalize_drops_invisible_characters():
    assert normalize("\ufeffբա\u00adրև\u200b \u200eDzez\x07") == "բարև Dzez"


def test_normalize_keeps_the_ligature_and_the_one_dot_leader():
    assert normalize("և 5․5") == "և 5․5"


@given(st.text(max_size=60))
def test_normalize_is_idempotent_nfc_and_on_one_line(text):
    once = normalize(text)
    assert normalize(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert "  " not in once
    assert len(once.splitlines()) <= 1


@pytest.mark.parametrize(
    "sentences",
    [
        ["Նա եկավ։", "Մենք գնացինք։"],
        ["Նա եկավ։", "հետո գնաց։"],
        ["Նա եկավ տուն:", "Մենք գնացինք:"],
        ["Ինչպե՞ս ես։", "Լա՜վ եմ, իսկ դո՞ւ։"],
        ["Ասաց. «Արի այստեղ։»", "Հետո լռեց։"],
        ["(Սա փակագծում է։)", "Սա՝ դրսում։"],
        ["Is it so?", "Yes!", "Good…", "It ends here."],
        ["Քաղաքը մեծ է.", "Գետը լայն է."],
        ["Նա կարդաց գիրքը.", "«Լավ գիրք» ասաց։"],
        ["Նա լռեց...", "Հետո խոսեց։"],
    ],
)
def test_a_sentence_ends(sentences):
    assert split_sentences(" ".join(sentences)) == sentences


@pytest.mark.parametrize(
    "sentence",
    [
        "Նա ծնվել է 1920 թ. Երևանում։",
        "Նա ծնվել է 1920 թ․ Երևանում։",
        "Գրել են Ա. Բ. Գրիգորյանը և Ս․ Տարայանը։",
        "Գրել են Ա.Բ. Գրիգորյանը և Է. Սարսը։",
        "Մ. թ. ա. 69 թվականին և մ.թ.ա. Երևանում։",
        "Բարձրությունը 3.14 կմ է, 1.000 մ, 2․5 մ։",
        "Տես https://hy.wikipedia.org/wiki/Main?a=B և youtube.com կայքերը։",
        "Հանդիպումը 12:30 ժամին է, թռիչքը՝ 9։52-ին։",
        "Ցուցակը հետևյալն է: ա, բ, գ։",
        "Երկրներ: Հայաստան, Իրան, Վրաստան։",
        "Լատիներեն [dʒu։s] բառը։",
        "Նա հարցրեց «Ո՞վ է։»-ը և լռեց։",
        "Yahoo! ընկերությունը և Jeopardy! խաղը։",
        "Գինը 5 հազ. դրամ է, տես. էջ 4։",
    ],
)
def test_a_sentence_continues(sentence):
    assert split_sentences(sentence) == [sentence]


@given(TEXT)
def test_splitting_loses_nothing_but_spaces(text):
    line = normalize(text)
    sentences = split_sentences(line)
    assert "".join(sentences).replace(" ", "") == line.replace(" ", "")
    assert all(sentence and sentence == sentence.strip() for sentence in sentences)


def test_a_line_without_an_end_takes_linear_time():
    begin = time.perf_counter()
    assert len(split_sentences("թ. Ա: " * 100_000)) == 1
    assert time.perf_counter() - begin < 5


@pytest.mark.parametrize(
    "debris",
    [
        "{{Տեղեկաքարտ երկիր",
        "[[Պատկեր:Ararat.jpg",
        "Երևան 1982}} մայրաքաղաք",
        "մինի|435px|Գերագույն ռադա",
        "{| class=wikitable աղյուսակ",
        "== Պատմություն ==",
        "'''Հայաստան''' երկիր է",
        "<div style='overflow:auto'> տեքստ",
        "<!-- մեկնաբանություն",
        "1990 — 12,5 % (3 : 4)",
        "Կարճ է։",
        "ա" * (MAX_SENTENCE_LENGTH + 1),
    ],
)
def test_debris_is_not_usable(debris):
    assert not is_usable(debris)


@pytest.mark.parametrize(
    "sentence",
    [
        "Deep Learning",
        "Նա կարդաց <<Deep Purple>> գիրքը։",
        "halsiz < hal + -siz (անտարբեր)",
        "ա" * MIN_SENTENCE_LENGTH,
        "ա" * MAX_SENTENCE_LENGTH,
    ],
)
def test_text_is_usable(sentence):
    assert is_usable(sentence)
