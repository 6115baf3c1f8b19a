"""Untrusted text: bombs, entities and endless lines are rejected with an error, in bounded memory."""

import bz2
import gzip
import lzma
import subprocess
import sys

import pytest

MEGABYTE = 2**20
READ = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1_500_000_000, 1_500_000_000))
from interp import CorpusError
from interp_transliteration.corpora.corpus import read_documents
try:
    print("read", sum(len(sentence) for document in read_documents(sys.argv[1]) for sentence in document.sentences))
except CorpusError as error:
    print("rejected:", error)
"""
PAGE = (
    '<mediawiki xml:lang="hy"><siteinfo><sitename>Ա</sitename><namespaces><namespace key="0" /></namespaces></siteinfo>'
    "<page><title>Ա</title><ns>0</ns><id>1</id><revision><id>1</id><text>{}</text></revision></page></mediawiki>"
)
LAUGHS = '<!DOCTYPE a [<!ENTITY b0 "ha">{}]>'.format(
    "".join(f'<!ENTITY b{n} "{f"&b{n - 1};" * 10}">' for n in range(1, 10))
)


def read(path):
    done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize(
    ("kind", "begin", "message"),
    [(".txt", "", "is longer than 10,000,000 bytes"), (".xml", PAGE.partition("{}")[0], "has a page of over 64 MB")],
)
def test_files_that_unpack_to_200_megabytes_are_rejected(pack, kind, begin, message, tmp_path):
    packed = pack(begin.encode() + b"a" * (200 * MEGABYTE))
    assert len(packed) < MEGABYTE
    path = tmp_path / f"bomb{kind}{ {gzip.compress: '.gz', bz2.compress: '.bz2', lzma.compress: '.xz'}[pack] }"
    path.write_bytes(packed)
    assert message in read(path)


@pytest.mark.parametrize("prolog", [LAUGHS, '<!DOCTYPE a [<!ENTITY b9 SYSTEM "file:///etc/passwd">]>'])
@pytest.mark.parametrize("padding", [0, 65_530])
def test_entities_are_rejected_and_no_file_is_opened(prolog, padding, tmp_path):
    path = tmp_path / "dump.xml"
    path.write_text(f"<!--{'x' * padding}-->{prolog}{PAGE.format('Ա &b9;')}", encoding="utf-8")
    assert read(path).endswith("declares XML entities: expected a MediaWiki dump of articles.")


def test_predefined_xml_entities_are_read(tmp_path):
    path = tmp_path / "dump.xml"
    path.write_text(PAGE.format("Նա &amp; նա &lt;!ENTITY x&gt; եկան տուն։"), encoding="utf-8")
    assert read(path).startswith("read ")


PACK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1_500_000_000, 1_500_000_000))
from interp import CorpusError
from interp_transliteration.languages.pack import load_pack
try:
    load_pack(sys.argv[1])
except CorpusError as error:
    print("rejected:", error)
"""


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "{a=" * 20_000,
        ".".join("a" * 50_000) + " = 1",
        'kept = "' + "a" * 300_000_000 + '"',
        "a.b = 1\n" * 20_000,
        'name = "../../../etc/passwd"\ntitle = "a"\nunits = ["α"]\nkept = "a"\nrules.a.anywhere."α" = { a = 1 }',
        f'name = "x"\ntitle = "a"\nunits = {["α" * 50_000] * 2}\nkept = "a"\nrules.a.anywhere."α" = {{ a = 1 }}',
        f'name = "x"\ntitle = "a"\nunits = ["α"]\nkept = "a"\nrules.a.anywhere."α" = {{ {"a" * 50_000} = 1 }}',
    ],
    ids=lambda text: text[:12],
)
def test_packs_that_exhaust_memory_or_name_other_files_are_rejected(text, tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", PACK, str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("rejected: Language pack bad.toml"), done.stdout[:300]
    assert len(done.stdout) < 2_000, "the error is a sentence"
