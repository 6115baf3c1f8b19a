"""The verb: a whole report, the same one again, a small one, and every error as one sentence."""

import json
import lzma
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest
import torch

import interp
from interp.cli import main
from interp_reproduction import pipeline

FIGURES = [
    "graph-t-ca",
    "graph-s-placeholder",
    "graph-t-to",
    "graph-h-placeholder",
    "histograms-t-ca-h",
    "histograms-t-ca-hidden-unit",
    "histograms-s-placeholder-h",
    "top-pairs-s-placeholder",
    "strips-tyun",
]


def told(report):
    return json.loads((report / "report.json").read_text(encoding="utf-8"))


def test_every_figure_is_there_in_three_formats(report):
    found = sorted(path.name for path in (report / "figures").iterdir())
    assert found == sorted(f"{name}{suffix}" for name in FIGURES for suffix in (".html", ".png", ".svg"))


VERDICTS = ("Learned and causal", "Learned, correlational", "Holds, but also untrained (architecture)", "Contradicted")


def test_every_claim_has_a_figure_trained_and_untrained(report):
    claims = told(report)["claims"]
    assert list(claims) == [f"C{number}" for number in range(1, 8)]
    for claim in claims.values():
        for run in ("trained", "untrained 1", "untrained 2", "untrained 3"):
            assert claim[run]["figure"] != "not measured"
            assert "/" in claim[run]["n"]
        assert claim["verdict"] in VERDICTS or claim["verdict"].startswith("Undecided: ")


def test_the_page_says_what_the_file_says(report):
    page = (report / "index.html").read_text(encoding="utf-8")
    for claim in told(report)["claims"].values():
        assert claim["verdict"] in page
        assert claim["trained"]["figure"].replace("=>", "=&gt;") in page
    assert "C8" in page
    assert page.count("<figure") == len(FIGURES)


def test_all_links_of_the_page_lead_somewhere(report):
    page = (report / "index.html").read_text(encoding="utf-8")
    for link in {part.split('"')[0] for part in page.split('href="')[1:]}:
        assert (f'id="{link[1:]}"' in page) if link.startswith("#") else (report / link).is_file(), link


def test_the_tables_hold_the_numbers(report):
    pairs = pd.read_csv(report / "tables/pairs.csv")
    assert {"t=>ծ", "s=>_", "t=>թ", "h=>_"} <= set(pairs["pair"])
    assert (pairs[["n_with", "n_without"]] >= 300).all(axis=None)
    claims = pd.read_csv(report / "tables/claims.csv")
    said = told(report)["claims"]["C1"]["trained"]
    mine = claims[(claims["claim"] == "C1") & (claims["network"] == "trained")]
    assert mine["value"].tolist() == pytest.approx([said[f"t=>ծ{end}"] for end in ("", " low", " high")])
    known = pd.read_csv(report / "tables/knowledge.csv")
    assert set(known["network"]) == {"trained", "untrained-1", "untrained-2", "untrained-3", "rotated"}
    assert known["know"].between(0, known["units"]).all()


def test_the_stores_open(report):
    article = interp.open(report / "data/distance-article.zarr")
    assert article["distance"].dims == ("unit", "pair")
    assert {"h", "c", "i", "f", "g", "o", "c_prev", "out"} == set(article["quantity"].values.tolist())
    for network in ("trained", "untrained-1", "untrained-2", "untrained-3", "rotated"):
        for part in ("chosen", "measured", "known"):
            dist = interp.open(report / f"data/honest-{part}-{network}.zarr")
            assert {"distance", "low", "high", "q", "knows"} <= set(dist.data_vars)
    acts = interp.open(report / "data/activations.zarr")
    assert set(acts["input"].values.tolist()) == {"t", "s", "h"}


@pytest.mark.parametrize("network", ["trained", "untrained 1"])
def test_the_claimed_gap_follows_from_the_stored_distances(report, network):
    named = network.replace(" ", "-")
    chosen, dist = (interp.open(report / f"data/honest-{part}-{named}.zarr").load() for part in ("chosen", "measured"))
    means = {}
    for side in ("forward", "backward"):
        both = [interp.pick(one, quantity="h", direction=side)["distance"].sel(pair="t=>ծ") for one in (chosen, dist)]
        top = both[0].to_series().nlargest(10).index
        means[side] = float(both[1].sel(unit=top).mean())
    gap = told(report)["claims"]["C1"][network]["t=>ծ"]
    assert gap == pytest.approx(means["backward"] - means["forward"])


def test_the_halves_share_no_source(report):
    parts = [interp.open(report / f"data/honest-{part}-trained.zarr") for part in ("chosen", "measured")]
    counts = [int(part["n_with"].sel(pair="t=>ծ")) for part in parts]
    whole = int(interp.open(report / "data/distance-article.zarr")["n_with"].sel(pair="t=>ծ"))
    assert sum(counts) == whole


def test_ablations_are_told_whichever_way_they_fall(report):
    rows = pd.read_csv(report / "tables/ablations.csv")
    assert len(rows) == 3 * 4 + 4 + 3 + 1
    assert set(rows["pair"]) == {"t=>ծ", "s=>_", "t=>թ", "h=>_", "h=>հ"}
    assert (rows["low"] <= rows["high"]).all()
    for kind in ("uniform", "matched"):
        p = rows[f"p_{kind}"]
        assert (p * 20).round(9).isin(range(1, 21)).all()  # of 19 groups
        assert (rows[f"p_{kind}_holm"] >= p).all()
    for claim in told(report)["claims"].values():
        assert claim["ablation"]["used"] in (True, False)
        assert claim["verdict"] != "Learned and causal" or claim["ablation"]["used"]


def test_curves_and_agreement_are_told(report):
    curves = pd.read_csv(report / "tables/curves.csv")
    assert set(curves["basis"]) == {"units", "rotated"}
    assert (curves["k80"] <= curves["units"]).all()
    for _, both in curves.groupby(["pair", "layer"]):
        assert both["whole"].max() - both["whole"].min() < 1e-3  # all directions of a layer are all its units
    agreed = pd.read_csv(report / "tables/agreement.csv")
    assert set(agreed["layer"]) == {"hidden", "backward h", "forward h"}
    pairs = set(zip(agreed["measure"], agreed["measure_2"], strict=True))
    assert pairs == set(combinations(("hellinger", "classifier", "ablation", "attribution"), 2))
    assert agreed["correlation"].abs().max() <= 1


def test_the_page_shows_ablations(report):
    page = (report / "index.html").read_text(encoding="utf-8")
    assert '<section id="cause">' in page
    assert "top 10 backward h" in page
    assert page.count('<td class="ablation"') == 7
    for link in {part.split('"')[0] for part in page.split('href="#')[1:]}:
        assert f'id="{link}"' in page


def test_the_report_names_no_path_of_this_machine(report):
    for path in report.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert str(report.parent).encode() not in content, path
            assert str(Path.home()).encode() + b"/" not in content, path


def test_the_same_options_give_the_same_bytes(small, command, tmp_path):
    for name in ("a", "b"):
        code, out, _ = command("--limit", 300, "--output", tmp_path / name)
        assert code == 0
        assert out.strip() == f"The report: {(tmp_path / name).resolve() / 'index.html'}"
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(tmp_path / "b") for path in (tmp_path / "b").rglob("*") if path.is_file())
    different = [
        str(file) for file in files if (tmp_path / "a" / file).read_bytes() != (tmp_path / "b" / file).read_bytes()
    ]
    assert different == []


def test_few_samples_leave_figures_out_with_a_sentence(small, command, tmp_path):
    code, *_ = command("--limit", 200, "--output", tmp_path / "report")
    assert code == 0
    page = (tmp_path / "report/index.html").read_text(encoding="utf-8")
    assert 'id="cause"' not in page
    assert "ablation" not in told(tmp_path / "report")["claims"]["C1"]
    assert "Left out: t=&gt;ծ has" in page
    assert "not measured" in page
    assert not list((tmp_path / "report/figures").glob("graph-t-ca.*"))
    assert told(tmp_path / "report")["claims"]["C1"]["verdict"] == "Undecided: too few tokens"


def test_few_samples_leave_ablations_out_with_a_sentence(small, command, tmp_path):
    code, *_ = command("--limit", 200, "--full", "--output", tmp_path / "report")
    assert code == 0
    assert "Left out: too few tokens" in (tmp_path / "report/index.html").read_text(encoding="utf-8")
    assert told(tmp_path / "report")["claims"]["C1"]["ablation"]["used"] is None


def test_a_second_report_replaces_the_first(small, command, tmp_path):
    for limit in (200, 210):
        command("--limit", limit, "--output", tmp_path / "report")
    assert told(tmp_path / "report")["provenance"]["samples"] == 210
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def dump(path, pages=""):
    head = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="hy">'
    path.write_bytes(lzma.compress((head + pages).encode()))
    return path


def corpora(folder):
    (folder / "empty.txt").touch()
    (folder / "picture.txt").write_bytes(bytes(range(256)) * 20)
    (folder / "english-test.txt").write_text("Not one letter of the script is here.\n" * 30)
    (folder / "directory").mkdir()
    page = "<page><title>Ա</title><ns>0</ns><id>1</id><revision><id>1</id><text>Կիսատ"
    return {
        "empty": folder / "empty.txt",
        "no text": folder / "picture.txt",
        "no Armenian": folder / "english-test.txt",
        "no file": folder / "directory",
        "nowhere": folder / "nowhere.txt",
        "half a page": dump(folder / "dump.xml.xz", page),
    }


@pytest.mark.filterwarnings("ignore:.*truncated")
@pytest.mark.parametrize("kind", ["empty", "no text", "no Armenian", "no file", "nowhere", "half a page"])
def test_a_corpus_that_does_not_do_is_one_sentence(small, command, tmp_path, kind):
    (tmp_path / "corpora").mkdir()
    (tmp_path / "out").mkdir()
    path = corpora(tmp_path / "corpora")[kind]
    one_sentence(command("--corpus", path, "--output", tmp_path / "out/report"), path.name)
    assert list((tmp_path / "out").iterdir()) == []


def one_sentence(result, *words):
    code, out, err = result
    said = err.strip().splitlines()[-1]
    assert code == 1
    assert out == ""
    assert said.startswith("interp: ")
    assert "Traceback" not in err
    for word in words:
        assert word in said


def test_an_output_that_cannot_be_written_is_said_before_the_work(monkeypatch, command, tmp_path):
    monkeypatch.setattr(pipeline, "load_model", lambda *_, **__: pytest.fail("the work must not begin"))
    (tmp_path / "file").touch()
    one_sentence(command("--output", tmp_path / "file"), "is a file")
    one_sentence(command("--output", tmp_path / "file/report"), "no directory")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("kind", ["missing", "altered"])
def test_weights_that_do_not_do_are_one_sentence(monkeypatch, command, tmp_path, kind):
    from interp.registry import registry

    weights = tmp_path / "weights.safetensors"
    if kind == "altered":
        weights.write_bytes(b"other bytes")
    spec = replace(registry().get("model", "armenian-bilstm"), weights=weights)
    monkeypatch.setattr(type(registry()), "get", lambda *_: spec)
    one_sentence(command("--output", tmp_path / "report"), kind, "armenian-bilstm")
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("options", "word"),
    [(["--limit", 5], "--limit"), (["--rules", "nobody's"], "nobody's"), (["--model", "no-such"], "no-such")],
)
def test_options_that_do_not_do_are_one_sentence(request, command, tmp_path, options, word):
    if "--model" not in options:
        request.getfixturevalue("small")
    one_sentence(command(*options, "--output", tmp_path / "report"), word)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_leaves_nothing_behind(monkeypatch, small, tmp_path):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "judge", interrupted)
    monkeypatch.setattr(sys, "argv", ["interp", "reproduce", "--limit", "200", "--output", str(tmp_path / "report")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert list(tmp_path.iterdir()) == []


def test_torch_has_its_threads_back_afterwards():
    before = torch.get_num_threads()
    with pipeline.one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
