"""The mutual information gap and the participation ratio."""

import numpy as np
import pytest

import interp
from interp.statistics import participation_ratio
from interp_information import mutual_information_gap

FACTORS = [f"factor_{k}" for k in range(8)]


def test_information_is_in_nats(coded_acts):
    result = interp.measure("mig", coded_acts, factors=FACTORS)
    assert result.mutual_information.dims == ("factor", "unit")
    np.testing.assert_allclose(result.entropy, np.log(2), atol=0.001)
    own = np.diag(result.mutual_information.values[:, :8])
    assert (own <= result.entropy.values + 1e-9).all()
    assert (own >= 0.9 * np.log(2)).all()
    assert np.abs(result.mutual_information.values[:, 8:].mean()) < 0.0005
    np.testing.assert_allclose(result.gap.mean(), result.mig)


def test_gap_and_participation_of_a_table():
    table = [[0.5, 0.1, -0.2], [0.3, 0.3, 0.0], [-0.1, 0.4, -0.3]]
    np.testing.assert_allclose(mutual_information_gap(table, [0.5, 0.6, 0.4]), [0.8, 0, 1])
    np.testing.assert_allclose(participation_ratio(table), [0.36 / 0.26, 2, 1])
    assert participation_ratio(np.full((1, 7), 0.2)) == pytest.approx(7)
    assert participation_ratio(np.zeros((1, 7))) == 0
    with pytest.raises(interp.OptionError, match="at least two units"):
        mutual_information_gap([[0.1]], [1])


def test_one_factor_is_enough(coded_acts):
    assert interp.measure("mig", coded_acts, factors=["factor_3"]).mig > 0.8
