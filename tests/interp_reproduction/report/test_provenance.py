"""Marker and provenance of a report."""

from pathlib import Path

VERDICTS = ("Learned and causal", "Learned, correlational", "Holds, but also untrained (architecture)", "Contradicted")


def test_every_claim_has_a_figure_trained_and_untrained(marker):
    claims = marker["claims"]
    assert list(claims) == [f"C{number}" for number in range(1, 8)]
    for claim in claims.values():
        for network in ("trained", "untrained 1", "untrained 2", "untrained 3"):
            assert claim[network]["figure"] != "not measured"
            assert "/" in claim[network]["n"]
        assert claim["verdict"] in VERDICTS or claim["verdict"].startswith("Undecided: ")


def test_the_report_has_no_local_path(report):
    for path in report.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert str(report.parent).encode() not in content, path
            assert str(Path.home()).encode() + b"/" not in content, path
