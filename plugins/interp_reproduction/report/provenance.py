"""Provenance of a report: text, network, options, versions. No clock and no paths, so that it is reproducible."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import interp
from interp_reproduction.report.folder import MARKER, SCHEMA

if TYPE_CHECKING:
    from interp_reproduction.claims.ablation_findings import AblationFinding
    from interp_reproduction.claims.finding import Finding
    from interp_reproduction.claims.judge import JudgedClaim, ReportNetworks
    from interp_reproduction.settings import Settings

PACKAGES = ("torch", "numpy", "scipy", "xarray", "zarr", "matplotlib")


def describe_provenance(settings: Settings, networks: ReportNetworks) -> dict[str, Any]:
    """Return the provenance of a report by heading, in the order of the page."""
    attrs, network = networks.run.acts.attrs, networks.run
    error, n_rows = f"{attrs['verification_max_error']:.1e}", f"{attrs['verification_rows']:,}"
    return {
        "corpus": str(attrs.get("corpus") or "demo"),
        "split": settings.split,
        "rules": settings.rules,
        "seed": settings.seed,
        "samples": network.samples,
        "tokens": network.tokens,
        "sources": network.sources,
        "untrained networks": f"{len(networks.untrained)}, seeds from {settings.seed}",
        "model": settings.model,
        "model sha256": str(attrs["model_sha256"]),
        "verification": f"difference to torch at most {error}, over {n_rows} tokens",
        "character error rate": network.score.get("cer"),
        "words right": network.score.get("words"),
        "interp": interp.__version__,
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def write_marker(folder: Path, provenance: dict[str, Any], claims: Sequence[JudgedClaim]) -> None:
    """Write ``report.json``, which marks a directory as a report: provenance, figures of the claims, verdicts."""
    records = {
        claim.claim.key: {
            "claim": claim.claim.text,
            "statistic": claim.claim.statistic,
            "holds if": claim.claim.rule,
            "verdict": claim.verdict,
            **({"ablation": _ablation_record(claim.ablation)} if claim.ablation is not None else {}),
            **{name: _finding_record(finding) for name, finding in claim.findings.items()},
        }
        for claim in claims
    }
    content = {"schema": SCHEMA, "schema_version": 1, "provenance": provenance, "claims": records}
    (folder / MARKER).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _ablation_record(ablation: AblationFinding) -> dict[str, Any]:
    return {"figure": ablation.text, "used": ablation.is_used, "details": list(ablation.details)}


def _finding_record(finding: Finding) -> dict[str, Any]:
    record = {"figure": finding.text, "holds": finding.holds, "n": finding.n, "details": list(finding.details)}
    return record | dict(finding.numbers)
