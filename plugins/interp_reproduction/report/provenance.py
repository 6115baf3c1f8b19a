"""What a report was made of: text, network, options, versions; no clock and no paths, so that it can be made again."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import interp
from interp_reproduction.folder import MARKER, SCHEMA

if TYPE_CHECKING:
    from interp_reproduction.claims import Row, Runs
    from interp_reproduction.findings import Finding
    from interp_reproduction.settings import Settings
    from interp_reproduction.used import Cause

PACKAGES = ("torch", "numpy", "scipy", "xarray", "zarr", "matplotlib")


def describe(settings: Settings, runs: Runs) -> dict[str, Any]:
    """Return the provenance of a report, by heading, in the order of the page."""
    attrs, drawn = runs.figures.acts.attrs, runs.figures
    return {
        "corpus": str(attrs.get("corpus") or "demo"),
        "split": settings.split,
        "rules": settings.rules,
        "seed": settings.seed,
        "samples": drawn.samples,
        "tokens": drawn.tokens,
        "sources": drawn.sources,
        "untrained networks": f"{len(runs.untrained)}, seeds from {settings.seed}",
        "model": settings.model,
        "model sha256": str(attrs["model_sha256"]),
        "self-check": f"at most {attrs['max_abs_error']:.1e} from torch's own, over {attrs['checked_rows']:,} tokens",
        "character error rate": drawn.score.get("cer"),
        "words right": drawn.score.get("words"),
        "interp": interp.__version__,
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def write_marker(folder: Path, told: dict[str, Any], rows: Sequence[Row]) -> None:
    """Write ``report.json``, which marks a directory as a report: provenance, figures of the claims, verdicts."""
    claims = {
        row.claim.key: {
            "claim": row.claim.words,
            "statistic": row.claim.statistic,
            "holds if": row.claim.rule,
            "verdict": row.verdict,
            **({"ablation": _cause(row.cause)} if row.cause is not None else {}),
            **{name: _told(found) for name, found in row.findings.items()},
        }
        for row in rows
    }
    content = {"schema": SCHEMA, "schema_version": 1, "provenance": told, "claims": claims}
    (folder / MARKER).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _cause(cause: Cause) -> dict[str, Any]:
    return {"figure": cause.text, "used": cause.passes, "more": list(cause.more)}


def _told(found: Finding) -> dict[str, Any]:
    return {"figure": found.text, "holds": found.holds, "n": found.n, "more": list(found.more), **found.numbers}
