"""What is fuzzed: each target takes any bytes, and fails where something other than a promised error comes out.

A target makes its input from the bytes: edits of a good one, or, where the first byte is 255, the bytes as they are.
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
from laws import small

import interp
from interp import InterpError
from interp.doctor import examine
from interp_transliteration.corpora import read_documents
from interp_transliteration.pack import FOLDER, Pack, load_pack
from interp_transliteration.romanise import Romaniser, restore, split_samples
from interp_transliteration.sentences import split_sentences
from interp_transliteration.transliterator import Transliterator

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
    """Takes numbers and bytes from the front of some bytes; at their end numbers are 0."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def below(self, limit: int) -> int:
        """Return the next number, 0..limit - 1."""
        return int.from_bytes(self.take(2 if limit > 256 else 1), "big") % max(1, limit)


def edited(good: bytes, draw: Draw, words: Sequence[bytes] = ()) -> bytes:
    """Return a good input with parts replaced by words, by other bytes, or by parts of its own."""
    for _ in range(draw.below(6) + 1):
        at, gone = draw.below(len(good) + 1), draw.below(64)
        match draw.below(4):
            case 0:
                new = draw.take(draw.below(16))
            case 1:
                start = draw.below(len(good) + 1)
                new = good[start : start + draw.below(256)] * (1 + draw.below(3))
            case _:
                new = words[draw.below(len(words))] * (1 + draw.below(4)) if words else bytes([draw.below(256)])
        good = good[:at] + new + good[at + gone :]
    return good


def made(data: bytes, good: str, words: Sequence[str]) -> bytes:
    """Return the input that some bytes stand for."""
    draw = Draw(data)
    return draw.data if draw.below(256) == 255 else edited(good.encode(), draw, [word.encode() for word in words])


def dump(data: bytes) -> None:
    """Text files and dumps, packed or not: documents of clean sentences, or a `CorpusError`."""
    draw = Draw(data)
    kind, packed = (".xml", ".txt")[draw.below(2)], draw.below(8)
    content = made(draw.data, PAGE, MARKUP)
    pack, ending = {1: (gzip.compress, ".gz"), 2: (bz2.compress, ".bz2"), 3: (lzma.compress, ".xz")}.get(
        packed, (bytes, "")
    )
    content = pack(content) if packed < 6 else content
    if ending and draw.below(2):
        content = edited(content, draw)
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
    """Language packs: a `CorpusError`, or a pack whose spellings lead back to the text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "xx.toml"
        path.write_bytes(made(data, TINY, KEYS))
        try:
            found = load_pack(str(path))
        except interp.CorpusError as error:
            assert "xx.toml" in str(error), error  # noqa: PT017
            return
    goes_round(found, "".join(found.units) + " ".join(found.units) + found.kept)


def goes_round(found: Pack, text: str) -> None:
    """See that a text is restored from what is typed for it, by every rule set and at once; upper case has no end."""
    for name, rules in found.rules.items():
        exact = Romaniser(found, [rules])
        (sample,) = split_samples(exact.encode([text], seed=1))
        _, outputs, typed = sample
        written = restore(typed, [found.outputs[code] for code in outputs.tolist()])
        if not rules.typos and not rules.left_out:
            assert written == text, (name, text, typed, written)
    found.upper(text)


@cache
def _store() -> tuple[Path, dict[str, np.ndarray]]:
    """Return a good store, and what it holds."""
    path = Path(tempfile.mkdtemp(prefix="fuzz-")) / "acts.zarr"
    acts = small(5, samples=12, units=5)
    interp.save(acts, path)
    return path, {name: held.values for name, held in interp.open(path).variables.items()}


def store(data: bytes) -> None:
    """A store with one file altered: the same values and nothing found, or an error and a fault that is found."""
    good, wanted = _store()
    draw = Draw(data)
    files = sorted(path.relative_to(good) for path in good.rglob("*") if path.is_file())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "acts.zarr"
        shutil.copytree(good, path)
        target = path / files[draw.below(len(files))]
        before = target.read_bytes()
        after = draw.data if draw.below(16) == 0 else edited(before, draw, [b"{}", b"null", b"[", b"../", b"\0", b"-1"])
        target.write_bytes(after)
        try:
            held = interp.open(path)
            found = {name: variable.values for name, variable in held.variables.items()}
        except InterpError:
            found = {}
        for name, values in found.items():
            np.testing.assert_array_equal(values, wanted[str(name)], err_msg=f"{target.name}: {name}")
        assert bool(examine(path)) == (before != after), f"doctor on {target.name}"


@cache
def _writer() -> Transliterator:
    return Transliterator()


@cache
def _armenian() -> Pack:
    return load_pack(str(FOLDER / "hy.toml"))


def text(data: bytes) -> None:
    """Any text: nothing is lost or put elsewhere, in sentences, in spellings and by the network."""
    draw = Draw(data)
    line = edited("Barew Dzez, MSFT youtube.com ա😀é".encode(), draw, [b"es ", "́".encode(), b"\xff", b"tch", b" "])
    typed = (draw.data if draw.below(4) == 0 else line).decode("utf-8", "surrogateescape").replace("\n", " ")
    writer = _writer()
    (reading,) = writer.read([typed])
    alphabet = {*writer.task.pack.inputs, *writer.task.pack.letters}
    kept = [char for char in typed if char not in alphabet]
    assert [char for char in reading.written if char not in alphabet] == kept, (typed, reading.written)
    assert writer([typed]) == [reading.written]
    assert all(0 < word.confidence <= 1 for word in reading.words), reading
    goes_round(_armenian(), typed)
    clean = " ".join(normalize("NFC", typed).split())
    assert "".join(split_sentences(clean)).replace(" ", "") == clean.replace(" ", ""), clean


TARGETS: dict[str, Callable[[bytes], None]] = {"dump": dump, "pack": pack, "store": store, "text": text}
