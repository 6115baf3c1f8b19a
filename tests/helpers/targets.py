"""Fuzz targets: each takes arbitrary bytes and fails if anything but a documented error is raised.

A target derives its input from the bytes: edits of a valid input, or, if the first byte is 255, the bytes themselves.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tempfile
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from unicodedata import normalize

import numpy as np

import interp
from helpers.laws import small
from interp import InterpError
from interp.distributed.recovery import check_store
from interp_transliteration.corpora.corpus import read_documents
from interp_transliteration.corpora.sentences import split_sentences
from interp_transliteration.decoding.transliterator import Transliterator
from interp_transliteration.languages.pack import DATA_FOLDER, Pack, load_pack
from interp_transliteration.languages.romaniser import Romaniser, restore, split_samples

PAGE = """<mediawiki xml:lang="hy"><siteinfo><sitename>Ա</sitename><namespaces><namespace key="0" />
<namespace key="6">Պատկեր</namespace></namespaces></siteinfo><page><title>Ա</title><ns>0</ns><id>1</id><revision>
<id>1</id><text>'''Երևան''' {{տ|a=[[բ]]}} [[գ|դ]] քաղաք է։ <ref>x</ref> {| class=a
| b
|} [http://a.am բ] &amp;nbsp; * գ</text></revision></page></mediawiki>"""
MARKUP = [
    *("{{", "}}", "[[", "]]", "|", "'''", "<ref>", "</ref>", "<!--", "-->", "{|", "|}", "&amp;", "&#0;", "&#55296;"),
    *("<![CDATA[", "]]>", "<text>", "</text>", "<page>", "</page>", "<ns>1</ns>", "<redirect/>", "<br/>", "<math>"),
    *("<?xml version='1.1'?>", "<!DOCTYPE", "<!ENTITY", "<id>x</id>", "https://", "=", "ա", "։", "\0", "\ufffe", "\n"),
]
KEYS = [
    *('"', "'", "{", "}", "[", "]", "=", "\\", "\0", "\n", "0", "-1", "nan", "inf", "1e999", "true", "[]", '""', '"_"'),
    *('"#"', '"β"', "α", "units", "kept", "rules", "anywhere", "initial", "extends", "capitals", "left_out", "endings"),
    *("in_capitals", "[rules.b]", "[rules.b.anywhere]", 'extends = "b"'),
]
TINY = """name = "xx"
title = "Tiny"
units = ["α", "β", "ου"]
capitals = { "ου" = ["Ου"] }
kept = " .abcuvABUV"
left_out = { "β" = ["α"] }
[rules.a]
lower_case = 0.2
[rules.a.anywhere]
"α" = { a = 1 }
"β" = { b = 0.5, v = 0.5 }
"ου" = { u = 1 }
"""


class Draw:
    """Reader of numbers and bytes from the front of some bytes; past their end numbers are 0."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        front, self.data = self.data[:size], self.data[size:]
        return front

    def below(self, limit: int) -> int:
        """Return the next number, 0..limit - 1."""
        return int.from_bytes(self.take(2 if limit > 256 else 1), "big") % max(1, limit)


def mutate(good: bytes, draw: Draw, words: Sequence[bytes] = ()) -> bytes:
    """Return a valid input with parts replaced by words, by other bytes, or by parts of itself."""
    for _ in range(draw.below(6) + 1):
        start, length = draw.below(len(good) + 1), draw.below(64)
        match draw.below(4):
            case 0:
                new = draw.take(draw.below(16))
            case 1:
                source = draw.below(len(good) + 1)
                new = good[source : source + draw.below(256)] * (1 + draw.below(3))
            case _:
                new = words[draw.below(len(words))] * (1 + draw.below(4)) if words else bytes([draw.below(256)])
        good = good[:start] + new + good[start + length :]
    return good


def decode_input(data: bytes, good: str, words: Sequence[str]) -> bytes:
    """Return the input that the bytes encode."""
    draw = Draw(data)
    return draw.data if draw.below(256) == 255 else mutate(good.encode(), draw, [word.encode() for word in words])


def dump(data: bytes) -> None:
    """Read text files and dumps, compressed or not: expect documents of clean sentences, or a `CorpusError`."""
    draw = Draw(data)
    kind, compression = (".xml", ".txt")[draw.below(2)], draw.below(8)
    content = decode_input(draw.data, PAGE, MARKUP)
    compress, ending = {1: (gzip.compress, ".gz"), 2: (bz2.compress, ".bz2"), 3: (lzma.compress, ".xz")}.get(
        compression, (bytes, "")
    )
    content = compress(content) if compression < 6 else content
    if ending and draw.below(2):
        content = mutate(content, draw)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        path = Path(folder) / f"a{kind}{ending}"
        path.write_bytes(content)
        try:
            for document in read_documents(path):
                for sentence in document.sentences:
                    assert sentence, "an empty sentence"
                    assert sentence == " ".join(normalize("NFC", sentence).split()), repr(sentence)
        except interp.CorpusError as error:
            assert f"a{kind}" in str(error), error  # noqa: PT017 (fuzzers have no pytest)


def pack(data: bytes) -> None:
    """Load language packs: expect a `CorpusError`, or a pack from whose spellings the text can be restored."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "xx.toml"
        path.write_bytes(decode_input(data, TINY, KEYS))
        try:
            language = load_pack(str(path))
        except interp.CorpusError as error:
            assert "xx.toml" in str(error), error  # noqa: PT017
            return
    assert_round_trip(language, "".join(language.units) + " ".join(language.units) + language.kept)


def assert_round_trip(language: Pack, text: str) -> None:
    """Assert that each rule set's spelling of a text is restored to the text, and that it has an upper case."""
    for name, rules in language.rules.items():
        romaniser = Romaniser(language, [rules])
        (sample,) = split_samples(romaniser.encode([text], seed=1))
        _, outputs, typed = sample
        written = restore(typed, [language.outputs[code] for code in outputs.tolist()])
        if not rules.typos and not rules.left_out:
            assert written == text, (name, text, typed, written)
    language.upper(text)


@cache
def _store() -> tuple[Path, dict[str, np.ndarray]]:
    """Return a valid store and its values by name."""
    path = Path(tempfile.mkdtemp(prefix="fuzz-")) / "acts.zarr"
    acts = small(5, samples=12, units=5)
    interp.save(acts, path)
    return path, {name: variable.values for name, variable in interp.open(path).variables.items()}


def store(data: bytes) -> None:
    """Open a store with one file altered: expect a reported fault, and either the original values or an error."""
    good, expected = _store()
    draw = Draw(data)
    files = sorted(path.relative_to(good) for path in good.rglob("*") if path.is_file())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "acts.zarr"
        shutil.copytree(good, path)
        target = path / files[draw.below(len(files))]
        before = target.read_bytes()
        after = draw.data if draw.below(16) == 0 else mutate(before, draw, [b"{}", b"null", b"[", b"../", b"\0", b"-1"])
        target.write_bytes(after)
        try:
            dataset = interp.open(path)
            arrays = {name: variable.values for name, variable in dataset.variables.items()}
        except InterpError:
            arrays = {}
        for name, values in arrays.items():
            np.testing.assert_array_equal(values, expected[str(name)], err_msg=f"{target.name}: {name}")
        assert bool(check_store(path)) == (before != after), f"doctor on {target.name}"


@cache
def _transliterator() -> Transliterator:
    return Transliterator()


@cache
def _armenian() -> Pack:
    return load_pack(str(DATA_FOLDER / "hy.toml"))


def text(data: bytes) -> None:
    """Transliterate any text: expect that no character is lost or moved, in sentences, spellings and by the network."""
    draw = Draw(data)
    line = mutate("Barew Dzez, MSFT youtube.com ա😀é".encode(), draw, [b"es ", "́".encode(), b"\xff", b"tch", b" "])
    typed = (draw.data if draw.below(4) == 0 else line).decode("utf-8", "surrogateescape").replace("\n", " ")
    transliterator = _transliterator()
    (reading,) = transliterator.read([typed])
    alphabet = {*transliterator.task.pack.inputs, *transliterator.task.pack.letters}
    other = [char for char in typed if char not in alphabet]
    assert [char for char in reading.written if char not in alphabet] == other, (typed, reading.written)
    assert transliterator([typed]) == [reading.written]
    assert all(0 < word.confidence <= 1 for word in reading.words), reading
    assert_round_trip(_armenian(), typed)
    clean = " ".join(normalize("NFC", typed).split())
    assert "".join(split_sentences(clean)).replace(" ", "") == clean.replace(" ", ""), clean


TARGETS: dict[str, Callable[[bytes], None]] = {"dump": dump, "pack": pack, "store": store, "text": text}
