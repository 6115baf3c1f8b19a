"""Corpora of all types, broken ones, and the splits."""

import bz2
import gzip
import hashlib
import itertools
import lzma
import os
import re
import tracemalloc
import unicodedata
import warnings
from collections import Counter
from pathlib import Path

import pytest

from interp import CorpusError
from interp_transliteration.corpora import corpus
from interp_transliteration.corpora.corpus import Document, assign_split, read_documents, read_split

PACK = {"": bytes, ".gz": gzip.compress, ".bz2": lambda data: bz2.compress(data, 1), ".xz": lzma.compress}
DUMP = """<mediawiki><siteinfo><sitename>Վիքի</sitename></siteinfo>
<page><title>Արարատ</title><ns>0</ns><id>1</id><revision><id>1</id><timestamp>2023-05-01T00:00:00Z</timestamp>
<text>Արարատը բարձր լեռ է։ Այն երևում է Երևանից։</text></revision></page>
<page><title>Սևան</title><ns>0</ns><id>2</id><revision><id>2</id><timestamp>2023-05-01T00:00:00Z</timestamp>
<text>Սևանը մեծ լիճ է։</text></revision></page>
</mediawiki>
"""
ARTICLES = [("Արարատ", ("Արարատը բարձր լեռ է։", "Այն երևում է Երևանից։")), ("Սևան", ("Սևանը մեծ լիճ է։",))]
DATA = Path(os.environ.get("INTERP_DATA") or Path(__file__).resolve().parents[4] / "shared" / "data")


def write(path, text, encoding="utf-8"):
    path.write_bytes(PACK[path.suffix if path.suffix in PACK else ""](text.encode(encoding)))
    return path


def names_and_sentences(path):
    return [(document.name, document.sentences) for document in read_documents(path)]


@pytest.mark.parametrize("packed", PACK)
def test_a_line_of_text_is_a_document(tmp_path, packed):
    path = write(tmp_path / f"a.txt{packed}", "\ufeffԲարև  Ձեզ\u00a0!\r\n\n \t\nՈղջույն։ Ինչպե՞ս ես։")
    assert names_and_sentences(path) == [
        ("a.txt" + packed + ":1", ("Բարև Ձեզ !",)),
        ("a.txt" + packed + ":4", ("Ողջույն։ Ինչպե՞ս ես։",)),
    ]


@pytest.mark.parametrize("packed", PACK)
def test_an_article_is_a_document(tmp_path, packed):
    path = write(tmp_path / f"d.xml{packed}", DUMP)
    assert names_and_sentences(path) == ARTICLES
    assert names_and_sentences(str(path)) == ARTICLES


def test_a_directory_is_read_in_the_order_of_names_and_other_files_are_ignored(tmp_path):
    write(tmp_path / "b.txt", "երկրորդ տող")
    write(tmp_path / "a.TXT", "առաջին տող")
    write(tmp_path / "c.xml.xz", DUMP)
    write(tmp_path / "README.md", "ոչ")
    write(tmp_path / ".hidden.txt", "ոչ")
    write(tmp_path / "empty.txt", "")
    (tmp_path / "sub.txt").mkdir()
    assert [name for name, _ in names_and_sentences(tmp_path)] == ["a.TXT:1", "b.txt:1", "Արարատ", "Սևան"]


def test_a_long_line_is_cut_and_nothing_of_it_lost(tmp_path):
    long = " ".join(["Սա մի նախադասություն է։"] * 60)
    path = write(tmp_path / "a.txt", f"{long}\nկարճ\n{'բառ ' * 600}{'ա' * 2_500}")
    documents = list(read_documents(path))
    assert [len(document.sentences) for document in documents] == [60, 1, 6]
    assert max(len(sentence) for document in documents for sentence in document.sentences) == 1_000
    assert "".join(documents[2].sentences).replace(" ", "") == "բառ" * 600 + "ա" * 2_500


def test_nfc_is_applied_before_the_split_is_decided(tmp_path):
    path = write(tmp_path / "a.txt", "café է\ncafe\u0301 է\n café  է ")
    documents = list(read_documents(path))
    assert {document.sentences for document in documents} == {("café է",)}
    assert len({document.split for document in documents}) == 1


def test_a_split_is_the_documented_hash():
    for name in ("Արարատ", "Deep Learning", ""):
        share = int(hashlib.blake2b(name.encode(), digest_size=8, person=b"interp-11").hexdigest(), 16) / 16**16
        assert assign_split(name) == ("test" if share < 0.15 else "validation" if share < 0.2 else "train")


def test_splits_never_change():
    """Weights are evaluated on these splits; with other splits, their test sets would be trained on."""
    pinned = {"Հայաստան": "test", "Իտալիա": "train", "Թուրքիա": "train", "Երևան": "train", "Օսլո": "train"}
    assert {name: assign_split(name) for name in pinned} == pinned


def test_shares_are_about_80_5_15():
    shares = Counter(assign_split(f"անուն {n}") for n in range(20_000))
    assert shares["train"] / 20_000 == pytest.approx(0.80, abs=0.015)
    assert shares["validation"] / 20_000 == pytest.approx(0.05, abs=0.01)
    assert shares["test"] / 20_000 == pytest.approx(0.15, abs=0.015)


def test_splits_are_a_partition_and_duplicates_stay_together(tmp_path):
    lines = [f"Տող համար {n % 400}" for n in range(1_000)]
    path = write(tmp_path / "a.txt", "\n".join(lines))
    parts = {split: list(read_split(path, split)) for split in corpus.SPLITS}
    assert sorted(itertools.chain(*parts.values())) == sorted(read_split(path, None))
    texts = [{text for _, text in part} for part in parts.values()]
    assert sum(map(len, texts)) == len(set.union(*texts)) == 400


def test_an_article_is_in_the_same_split_in_every_corpus(tmp_path):
    write(tmp_path / "a.txt", "Ուրիշ տեքստ է")
    path = write(tmp_path / "d.xml", DUMP)
    for document in read_documents(path):
        split = document.split or assign_split(document.name)
        assert split == assign_split(document.name)
        for where in (path, tmp_path):
            assert (document.name, document.sentences[0]) in list(read_split(where, split))


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("ud-train.txt", "train"),
        ("ud-dev.txt.xz", "validation"),
        ("my.v1-validation.txt.gz", "validation"),
        ("UD-Test.txt", "test"),
        ("wiki-test.xml.bz2", "test"),
    ],
)
def test_the_name_of_a_file_determines_its_split(tmp_path, name, split):
    text = DUMP if ".xml" in name else "\n".join(f"տող {n}" for n in range(50))
    path = write(tmp_path / name, text)
    assert {document.split for document in read_documents(path)} == {split}
    assert list(read_split(path, split)) == list(read_split(path, None))


@pytest.mark.parametrize("name", ["test.txt", "latest.txt", "dev-a.txt", "a-test-b.txt"])
def test_other_names_determine_no_split(tmp_path, name):
    path = write(tmp_path / name, "\n".join(f"տող {n}" for n in range(200)))
    assert {document.split for document in read_documents(path)} == set(corpus.SPLITS)


def damaged(packed):
    data = bytearray(PACK[packed]("\n".join(f"Տող համար {n * n}" for n in range(20_000)).encode()))
    data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("e.txt", b"", "e.txt is empty: expected .txt"),
        ("e.xml", b"", "e.xml is empty"),
        ("e.txt.gz", gzip.compress(b"\n \n", mtime=0), "e.txt.gz has no sentence"),
        ("d.xml.xz", lzma.compress(DUMP.encode()[:100]), "d.xml.xz has no complete page; download"),
        ("d.xml", DUMP.replace("<ns>0", "<ns>4").encode(), "d.xml has no sentence"),
        ("a.pdf", b"text", "a.pdf has an unknown type: expected .txt (text, one sentence per line) or .xml"),
        ("a.zip", b"text", "a.zip has an unknown type"),
        ("a.gz", b"text", "a.gz has an unknown type"),
        ("a.txt", "տեքստ".encode("utf-16"), "a.txt is not UTF-8 text: byte 0xff at offset 0; save it as UTF-8."),
        ("a.txt.xz", lzma.compress(b"abc \xe9 d"), "a.txt.xz is not UTF-8 text: byte 0xe9 at offset 4 after decomp"),
        ("b.txt", b"a\n" * 70_000 + b"\xff", "b.txt is not UTF-8 text: byte 0xff at offset 140,000"),
        ("a.xml", b"<mediawiki>\x00\x01", "a.xml is not UTF-8 text: byte 0x00 at offset 11;"),
        ("c.txt.xz", b"plain text, and no archive at all", "c.txt.xz is corrupt, download or compress it again"),
        ("c.txt.gz", b"plain text, and no archive at all", "c.txt.gz is corrupt"),
        ("c.txt.bz2", b"plain text, and no archive at all", "c.txt.bz2 is corrupt"),
        ("d.txt.xz", damaged(".xz"), "d.txt.xz is "),
        ("d.txt.gz", damaged(".gz"), "d.txt.gz is "),
        ("d.txt.bz2", damaged(".bz2"), "d.txt.bz2 is "),
    ],
)
def test_unreadable_files_give_one_clear_sentence(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=re.escape(f"{tmp_path}{os.sep}{message}")) as caught:
        list(read_split(path, None))
    assert "\n" not in str(caught.value)


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(CorpusError, match=r"no\.txt does not exist; give a file or a directory"):
        list(read_documents(tmp_path / "no.txt"))


def test_a_directory_with_nothing_to_read(tmp_path):
    write(tmp_path / "a.md", "տեքստ")
    with pytest.raises(CorpusError, match=r"is a directory without a readable file: expected \.txt"):
        list(read_documents(tmp_path))
    write(tmp_path / "a.txt", "")
    with pytest.raises(CorpusError, match=f"{tmp_path} has no sentence"):
        list(read_documents(tmp_path))


def test_a_split_without_a_sentence_is_an_error(tmp_path):
    path = write(tmp_path / "a-test.txt", "մի տող\nերկու տող")
    with pytest.raises(CorpusError, match=r"no sentence in the split 'train' \(it has: test 2\)"):
        list(read_split(path, "train"))
    with pytest.raises(CorpusError, match="No split named 'dev'; expected one of: train, validation, test"):
        list(read_split(path, "dev"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root can read every file")
def test_a_file_without_permission(tmp_path):
    path = write(tmp_path / "a.txt", "տող")
    path.chmod(0)
    with pytest.raises(CorpusError, match=r"a\.txt cannot be opened"):
        list(read_documents(path))


@pytest.mark.parametrize("packed", [".gz", ".bz2", ".xz"])
def test_a_truncated_compressed_text_gives_its_complete_lines(tmp_path, packed):
    lines = [f"Տող համար {n} և {n * 7919 % 10007}" for n in range(60_000)]
    path = write(tmp_path / f"a.txt{packed}", "\n".join(lines))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.warns(UserWarning, match=r"a\.txt.* is truncated; its last complete line is \d+"):
        read = [text for _, text in read_split(path, None)]
    assert 1_000 < len(read) < len(lines)
    assert read == lines[: len(read)]


@pytest.mark.parametrize("packed", PACK)
def test_a_truncated_dump_gives_its_complete_pages(tmp_path, packed):
    filler = "".join(
        DUMP.split("\n", 1)[1].replace("Սևան", f"Սևան {n}").rsplit("</mediawiki>", 1)[0] for n in range(900)
    )
    path = write(tmp_path / f"d.xml{packed}", DUMP.split("\n", 1)[0] + filler)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.warns(UserWarning, match=r"d\.xml.* is truncated; its last complete page is '(Սևան \d+|Արարատ)'"):
        names = [document.name for document in read_documents(path)]
    assert 10 < len(names) < 1_800


def test_a_text_truncated_within_a_character(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("մի տող\nերկու".encode()[:-1])
    with pytest.warns(UserWarning, match="truncated; its last complete line is 1"):
        assert [text for _, text in read_split(path, None)] == ["մի տող"]


def test_characters_across_blocks_are_whole(tmp_path):
    line = "ա" * 999
    path = write(tmp_path / "a.txt", f"x\n{(line + chr(10)) * 500}")
    assert [text for _, text in read_split(path, None)] == ["x", *[line] * 500]


def test_an_endless_line_is_rejected_in_bounded_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "MAX_LINE_BYTES", 1_000_000)
    path = tmp_path / "bomb.txt.xz"
    path.write_bytes(lzma.compress(b"a" * 50_000_000, preset=0))
    tracemalloc.start()
    with pytest.raises(CorpusError, match=r"bomb\.txt\.xz:1 is longer than 1,000,000 bytes"):
        list(read_documents(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


def test_reading_may_stop_early_and_closes_the_file(tmp_path):
    path = write(tmp_path / "a.txt", "մի տող\nերկու տող")
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        documents = read_documents(path)
        assert next(documents) == Document("a.txt:1", ("մի տող",), assign_split("մի տող"))
        documents.close()


def armenian(sentence):
    return 3 * len(re.findall("[Ա-Ֆա-և]", sentence)) >= len(sentence)


@pytest.fixture(scope="module")
def wiki():
    path = DATA / "hywiki-truncated-100k.xml.xz"
    if not path.exists():
        pytest.skip(f"{path.name} is not in {DATA} (set INTERP_DATA)")
    with pytest.warns(UserWarning, match="last complete page is 'Օսլո'"):
        return list(read_documents(path))


def test_the_real_dump_has_the_expected_size(wiki):
    sentences = Counter()
    for document in wiki:
        sentences[assign_split(document.name)] += sum(map(armenian, document.sentences))
    assert len(wiki) == len({document.name for document in wiki}) == 278
    assert 45_000 < sum(sentences.values()) < 52_000
    assert 6_000 <= sentences["test"] <= 7_500
    assert sentences["validation"] > 1_500


def test_the_real_dump_leaves_no_debris(wiki):
    for document in wiki:
        for sentence in document.sentences:
            assert 10 <= len(sentence) <= 1_000
            assert unicodedata.is_normalized("NFC", sentence)
            assert not re.search(r"\{\{|\}\}|\[\[|\]\]|==|''|\||</?ref|thumb|\dpx|\s\s|\n|&nbsp|<!--", sentence), (
                sentence
            )


@pytest.mark.parametrize("name", ["ud-dev.txt.xz", "ud-train.txt.xz", "news-arpa.txt.xz", "news-armner.txt.xz"])
def test_the_real_texts_are_read_line_by_line(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not in {DATA} (set INTERP_DATA)")
    lines = [line for line in lzma.decompress(path.read_bytes()).decode().splitlines() if line.strip()]
    documents = list(read_documents(path))
    assert len(documents) == len(lines)
    for line, document in zip(lines, documents, strict=True):
        visible = "".join(letter for letter in line if unicodedata.category(letter) != "Cf")
        assert " ".join(document.sentences).split() == unicodedata.normalize("NFC", visible).split()
