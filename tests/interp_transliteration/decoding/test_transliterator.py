"""The shipped network as people use it: sentences that a reader checks, any text, files and streams."""

import io
import os
import subprocess
import sys
from unicodedata import normalize

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from interp import OptionError, WeightsError, load_model
from interp_transliteration.baselines import CharacterNGram
from interp_transliteration.reading import told
from interp_transliteration.streams import blocks_of
from interp_transliteration.transliterator import Transliterator
from interp_transliteration.words import WORD

MAIN = "from interp.cli import main; main()"
WRITER = Transliterator()
EXPECTED = {
    "es sirum em Deep Learning": "ես սիրում եմ Deep Learning",
    "Barew Dzez": "Բարև Ձեզ",
    "Aydpes aveli sirun e.": "Այդպես ավելի սիրուն է։",
    "youtube.com": "youtube.com",
    "MSFT": "MSFT",
    "shnorhakalutyun": "շնորհակալություն",
    "Yerevan": "Երևան",
}


@pytest.mark.parametrize("typed", EXPECTED)
def test_a_reader_gets_what_is_expected(typed):
    assert WRITER([typed]) == [EXPECTED[typed]]


def test_lines_do_not_depend_on_their_neighbours():
    lines = [*EXPECTED, "", "a" * 3000, "barev " * 500]
    assert WRITER(lines) == [WRITER([line])[0] for line in lines]


@given(st.text(max_size=60))
@settings(deadline=None, max_examples=100)
@example("👩‍👩‍👧 barev 🇦🇲 e\u0301\u0308 שלום \u202eabc\u202c \x00 \ud800")
def test_what_is_no_letter_of_the_alphabets_comes_out_in_its_order(text):
    (out,) = WRITER([text])
    alphabet = {*WRITER.task.pack.inputs, *WRITER.task.pack.letters}
    assert [char for char in out if char not in alphabet] == [char for char in text if char not in alphabet]


@pytest.fixture(scope="module")
def searching(tmp_path_factory):
    """The shipped network beside an n-gram of the demo sentences."""
    network, task = load_model("armenian-bilstm"), WRITER.task
    ngram = CharacterNGram(task.pack, task.romaniser.rules, order=4).fit(task.sentences("demo"))
    network.ngram = tmp_path_factory.mktemp("ngram") / "ngram.npz"
    ngram.language.save(network.ngram)
    return Transliterator(model=network, beam=6)


def test_a_search_writes_whole_words_and_loses_nothing(searching):
    typed = "es sirum em Deep Learning, youtube.com café https://ab.am/barev u Dzez 🇦🇲 iPhone-y"
    (out,) = searching([typed])
    assert "սիրում եմ Deep Learning, youtube.com café https://ab.am/barev ու Ձեզ 🇦🇲 iPhone-" in out
    (reading,) = searching.read([typed])
    assert " ".join(word.written for word in reading.words) == out
    assert all(0 < word.confidence <= 1 for word in reading.words)


@given(st.text(st.sampled_from("abdeksnyw -.é"), max_size=30))
@settings(deadline=None, max_examples=60)
@example("w- ")
@example("«w-»")
def test_a_search_never_tears_a_word(searching, text):
    (out,) = searching([text])
    assert len(WORD.findall(out)) == len(WORD.findall(text))
    for word in WORD.findall(out):
        letters = [char for char in word if char.isalpha()]
        assert len({char in searching.task.pack.letters for char in letters}) < 2, word


def test_accents_do_not_make_letters_of_the_script():
    for text in ("café", normalize("NFD", "café"), "Müller", "señor"):
        assert WRITER([f"es {text} em"])[0].split(" ")[1] == text


def test_a_line_of_a_million_letters_is_written_whole():
    line = "barev dzez " * 91_000
    (out,) = WRITER([line])
    assert out.count("ձեզ") > 90_000
    assert out.count(" ") == line.count(" ")


def test_confidence_is_a_probability_and_unsure_letters_are_told():
    (reading,) = WRITER.read(["Aydpes aveli sirun e."])
    assert reading.written == EXPECTED[reading.typed]
    assert [word.typed for word in reading.words] == reading.typed.split()
    assert all(0 < word.confidence <= 1 for word in reading.words)
    for word in reading.words:
        for letter in word.unsure:
            assert letter.probability < 0.9
            assert letter.probability + sum(chance for _, chance in letter.others) <= 1 + 1e-6
            assert f"{letter.typed}: {letter.written or '∅'} {letter.probability:.0%}" in told(reading)


def test_wrong_options_are_errors(tmp_path):
    with pytest.raises(OptionError, match="does not write the alphabet of the language 'ru'"):
        Transliterator(language="ru")
    with pytest.raises(OptionError, match="brings no n-gram"):
        Transliterator(beam=4)
    with pytest.raises(WeightsError, match=r"There are no weights .*none"):
        Transliterator(weights=tmp_path / "none")


@given(st.binary(max_size=400), st.integers(1, 50))
@settings(deadline=None)
def test_a_stream_is_cut_in_lines_and_lost_nothing(data, size):
    class Slow(io.BytesIO):
        def read1(self, n=-1):
            return super().read1(min(n, size))

    found = [line for block in blocks_of(Slow(data)) for line in block]
    assert "".join(found).encode("utf-8", "surrogateescape") == data
    assert all("\n" not in line[:-1] for line in found)


def test_a_long_line_comes_in_pieces_that_end_behind_a_space():
    data = b"abc " * 100_000
    pieces = [line for block in blocks_of(io.BytesIO(data)) for line in block]
    assert "".join(pieces).encode() == data
    assert len(pieces) > 2
    assert all(piece.endswith(" ") and len(piece) <= 140_000 for piece in pieces)


def run(*words, data=b""):
    command = [sys.executable, "-c", MAIN, "transliterate", *words]
    done = subprocess.run(command, input=data, capture_output=True, env=os.environ, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


def test_bytes_that_are_no_text_and_ends_of_lines_come_out_again():
    code, out, _ = run(data=b"barev\r\n\xff\xfe es\n\nvoch")
    assert (code, out) == (0, "բարև\r\n".encode() + b"\xff\xfe " + "ես\n\nոչ".encode())


def test_files_are_read_and_written(tmp_path):
    (tmp_path / "a.txt").write_text("barev\nes", encoding="utf-8")
    target = tmp_path / "out.txt"
    assert run("--file", str(tmp_path / "a.txt"), "--output", str(target))[0] == 0
    assert target.read_text(encoding="utf-8") == "բարև\nես"
    code, _, error = run("--file", str(target), "--output", str(target))
    assert code == 1
    assert "read and written at once" in error
    code, _, error = run("--file", str(tmp_path / "none.txt"))
    assert code == 1
    assert "none.txt can't be read" in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "out.txt"]


def test_a_line_is_written_before_the_next_one_comes():
    command = [sys.executable, "-c", MAIN, "transliterate"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for typed, expected in (("barev", "բարև"), ("es", "ես")):
            process.stdin.write(typed.encode() + b"\n")
            process.stdin.flush()
            assert process.stdout.readline().decode() == expected + "\n"
        process.stdin.close()
        assert process.wait(timeout=60) == 0
