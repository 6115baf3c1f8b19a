"""Counter types and the check for finite values."""

import numpy as np
import pytest

from interp import SchemaError
from interp_hellinger.counters import check_finite, count_dtype


def test_dtype_holds_the_largest_count():
    assert count_dtype(2**16 - 1) is np.uint16
    assert count_dtype(2**16) is np.uint32


def test_units_that_are_not_finite_are_listed():
    units = np.array([f"m.h.{index}" for index in range(5)])
    check_finite(units, np.zeros(5, bool))
    with pytest.raises(SchemaError, match=r"4 units .*: m\.h\.1, m\.h\.2, m\.h\.3, …\."):
        check_finite(units, np.arange(5) > 0)
