"""Every target with drawn bytes, and with all that a longer search has ever found."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from targets import TARGETS

FOUND = sorted(path for path in (Path(__file__).parent / "found").glob("*/*") if path.is_file())


@pytest.mark.parametrize("target", TARGETS)
def test_whatever_comes_no_other_error(target):
    @settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    @given(st.binary(max_size=300))
    def fuzzed(data):
        TARGETS[target](data)

    fuzzed()


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}-{path.name[-8:]}")
def test_what_was_found_stays_right(path):
    TARGETS[path.parent.name](path.read_bytes())
