"""Made-up dumps with known articles."""

import io
import tracemalloc
import warnings
from xml.sax.saxutils import escape

import pytest

from interp import CorpusError
from interp_transliteration.corpora import wikipedia
from interp_transliteration.corpora.wikipedia import plain_lines, read_articles

HEAD = """<mediawiki xml:lang="hy"><siteinfo><sitename>Վիքի</sitename><namespaces>
<namespace key="-2">Մեդիա</namespace><namespace key="0" /><namespace key="1">Քննարկում</namespace>
<namespace key="6">Պատկեր</namespace><namespace key="14">Կատեգորիա</namespace></namespaces></siteinfo>
"""
TAIL = "</mediawiki>\n"


def page(title, *texts, ns=0, redirect=""):
    target = f'<redirect title="{redirect}" />' if redirect else ""
    revisions = "".join(
        f'<revision><id>{n}</id><timestamp>2023-05-0{n}T00:00:00Z</timestamp><text xml:space="preserve">'
        f"{escape(text)}</text></revision>"
        for n, text in enumerate(texts, 1)
    )
    return f"<page><title>{title}</title><ns>{ns}</ns><id>7</id>{target}{revisions}</page>\n"


def read(xml, name="d.xml"):
    return list(read_articles(io.BytesIO(xml.encode() if isinstance(xml, str) else xml), name))


def titles(xml):
    return [title for title, _ in read(xml)]


def test_articles_come_with_their_lines():
    xml = HEAD + page("Արարատ", "Արարատը [[լեռ]] է։\n\n* Մասիս") + page("Սևան", "Լիճ է։") + TAIL
    assert read(xml) == [("Արարատ", ["Արարատը լեռ է։", "Մասիս"]), ("Սևան", ["Լիճ է։"])]


def test_only_articles():
    pages = [
        page("Քննարկում:Արարատ", "Քննարկում է։", ns=1),
        page("Մասիս", "#ՎԵՐԱՀՂՈՒՄ [[Արարատ]]", redirect="Արարատ"),
        page("Հին վերահղում", "#REDIRECT [[Արարատ]]"),
        page("Դատարկ", ""),
        page("Արարատ", "Լեռ է։"),
    ]
    assert titles(HEAD + "".join(pages) + TAIL) == ["Արարատ"]


def test_the_last_revision_of_a_history():
    assert read(HEAD + page("Արարատ", "Հին է։", "Նոր է։") + TAIL) == [("Արարատ", ["Նոր է։"])]


def test_every_truncation_gives_the_complete_pages():
    names = ["Ա", "Բ", "Գ"]
    xml = (HEAD + "".join(page(name, f"Սա {name} էջն է & <b>վերջ</b>։") for name in names) + TAIL).encode()
    ends = [xml.index(page(name, "").encode()[:30]) for name in names]
    ends = [xml.index(b"</page>", at) + len(b"</page>") for at in ends]
    for cut in range(0, len(xml) - len("\n</mediawiki>"), 7):
        complete = [name for name, end in zip(names, ends, strict=True) if end <= cut]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if not complete:
                with pytest.raises(CorpusError, match="no complete page"):
                    titles(xml[:cut])
                continue
            assert titles(xml[:cut]) == complete, cut
        assert [str(w.message) for w in caught] == [f"d.xml is truncated; its last complete page is {complete[-1]!r}."]


def test_a_complete_dump_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert titles(HEAD + page("Արարատ", "Լեռ է։") + TAIL) == ["Արարատ"]


def test_the_last_page_is_named_even_if_it_is_not_an_article():
    xml = HEAD + page("Արարատ", "Լեռ է։") + page("Կաղապար:Ա", "x", ns=10) + "<page><title>Ս"
    with pytest.warns(UserWarning, match="last complete page is 'Կաղապար:Ա'"):
        assert titles(xml) == ["Արարատ"]


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        (HEAD + TAIL, "d.xml has no complete page"),
        (HEAD, "d.xml has no complete page"),
        ("<svg></svg>", "d.xml is not a MediaWiki dump: expected <mediawiki>, got <svg>"),
        ("<mediawiki><video/></mediawiki>", "d.xml is not a MediaWiki dump"),
        ("Սա տեքստ է։", "d.xml is not well-formed XML.*line 1"),
        (HEAD + "<page></wrong>" + TAIL, "d.xml is not well-formed XML.*line 4"),
    ],
)
def test_other_files_give_one_clear_sentence(xml, message):
    with pytest.raises(CorpusError, match=message) as caught:
        read(xml)
    assert "\n" not in str(caught.value)


def test_an_endless_page_is_rejected(monkeypatch):
    monkeypatch.setattr(wikipedia, "MAX_REVISION_BYTES", 200_000)
    with pytest.raises(CorpusError, match=r"d\.xml has a page of over"):
        read(HEAD + page("Մեծ", "ա" * 300_000) + TAIL)
    many = "".join(page(f"Փոքր {n}", "ա" * 1_000, ns=n % 2) for n in range(500))
    assert len(titles(HEAD + many + TAIL)) == 250


class Endless(io.RawIOBase):
    """A dump that is generated while it is read."""

    def __init__(self, pages, text, ns):
        self.parts = iter([HEAD.encode(), *[b""] * pages, TAIL.encode()])
        self.page, self.rest = page("Էջ", text, ns=ns).encode(), b""

    def read(self, size=-1):
        while len(self.rest) < size and (part := next(self.parts, None)) is not None:
            self.rest += part or self.page
        data, self.rest = self.rest[:size], self.rest[size:]
        return data


def peak(pages, text, ns):
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_articles(Endless(pages, text, ns), "d.xml"))
        return count, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("text", "ns", "pages"), [("Սա [[էջ]] է։ " * 500, 0, 4), ("ա", 1, 500)])
def test_memory_does_not_grow_with_the_dump(text, ns, pages):
    peak(2, text, ns)  # imports happen in the first call
    few, many = peak(pages, text, ns), peak(pages * 8, text, ns)
    assert many[0] == 8 * few[0] == (0 if ns else 8 * pages)
    assert many[1] < 1.2 * few[1] + 100_000


@pytest.mark.parametrize(
    ("wikitext", "lines"),
    [
        ("'''Հայաստան''', ''երկիր'' է։", ["Հայաստան, երկիր է։"]),
        ("[[Երևան]] և [[Գյումրի|Գյումրու]] միջև, [[:Կատեգորիա:Քաղաք|քաղաքներ]]։", ["Երևան և Գյումրու միջև, քաղաքներ։"]),
        ("Լեռ[[Պատկեր:A.jpg|thumb|250px|[[Արարատ]]ը {{ա}} այստեղ]] է։", ["Լեռ է։"]),
        ("Լեռ[[Изображение:Б.PNG|մինի|ձախ]] է։ [[Category:Լեռ]][[Կատեգորիա:Լեռ]] [[en:Mount]]", ["Լեռ է։"]),
        ("[[wikt:լեռ|լեռ]] [[Alien: Covenant]]", ["լեռ Alien: Covenant"]),
        ("Ջերմաստիճանը {{convert|24|C}} է {{ա|{{բ}}}}։", ["Ջերմաստիճանը է։"]),
        ("Երևան ({{lang-en|Yerevan}}, {{IPA|x}}) քաղաք։", ["Երևան քաղաք։"]),
        ("Երևան (հուն․՝ {{x}}, {{y}}, Ὀ) քաղաք, {{z}}, մեծ։", ["Երևան (հուն․, Ὀ) քաղաք, մեծ։"]),
        ("Մեծ<ref name=a>http://a.am [[x]] {{cite|ա}}</ref> է<ref name=a />։", ["Մեծ է։"]),
        ("Առաջ\n{| class=x\n|-\n! Ա !! Բ\n|-\n| 1 || 2\n|}\nՀետո", ["Առաջ", "Հետո"]),
        ("== Պատմություն ==\nՏեքստ։\n=== Հին ===\nԱյլ։", ["Տեքստ։", "Այլ։"]),
        ("* Ա\n** Բ\n# Գ\n: Դ\n; Ե : Զ", ["Ա", "Բ", "Գ", "Դ", "Ե Զ"]),
        ("<div align=x>Տեքստ <small>փոքր</small></div><br />նոր <!-- ոչ -->տող", ["Տեքստ փոքր", "նոր տող"]),
        ("<math>x^2</math>, <code>y</code><gallery>\nA.jpg|Ա\n</gallery>Տեքստ", ["Տեքստ"]),
        ("30&nbsp;կմ<sup>2</sup> &amp; 5&deg;", ["30 կմ2 & 5°"]),
        ("[http://a.am Կայք] [http://b.am] youtube.com http://c.am/x", ["Կայք youtube.com http://c.am/x"]),
        ("__NOTOC__ <span lang=RU>С է։ </p>", ["С է։"]),
        ("Նա կարդաց <<Deep Purple>>։", ["Նա կարդաց <<Deep Purple>>։"]),
        ("{{Միայն կաղապար}}", []),
    ],
)
def test_wikitext_becomes_prose(wikitext, lines):
    assert plain_lines(wikitext, wikipedia._HIDDEN | {"պատկեր", "կատեգորիա"}) == lines
