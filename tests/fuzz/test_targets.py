"""Fuzz targets on random bytes and on the failing inputs of longer searches."""

from pathlib import Path

import pytest
from helpers.targets import TARGETS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FAILING_INPUTS = sorted(path for path in (Path(__file__).parent / "found").glob("*/*") if path.is_file())


@pytest.mark.parametrize("target", TARGETS)
def test_random_input_raises_only_expected_errors(target):
    @settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    @given(st.binary(max_size=300))
    def fuzzed(data):
        TARGETS[target](data)

    fuzzed()


@pytest.mark.parametrize("path", FAILING_INPUTS, ids=lambda path: f"{path.parent.name}-{path.name[-8:]}")
def test_earlier_failures_stay_fixed(path):
    TARGETS[path.parent.name](path.read_bytes())
