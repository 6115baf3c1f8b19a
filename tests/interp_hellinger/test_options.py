"""Options of ``hellinger``: normalised, frozen and checked."""

from dataclasses import FrozenInstanceError

import pytest

from interp import OptionError
from interp_hellinger.options import HellingerOptions


def test_lists_become_tuples():
    options = HellingerOptions(labels=["a", "b"], pairs=["a=>b"], strata=["step"])
    assert (options.labels, options.pairs, options.strata) == (("a", "b"), ("a=>b",), ("step",))
    assert HellingerOptions().pairs is None


def test_default_bins_depend_on_the_estimator():
    assert HellingerOptions().bins is None
    assert HellingerOptions(estimator="raw").bins == 1000
    assert HellingerOptions(estimator="raw", bins=300).bins == 300


def test_options_are_frozen():
    with pytest.raises(FrozenInstanceError):
        HellingerOptions().bins = 3


@pytest.mark.parametrize("option", [{"where": {"input": "t"}}, {"strata": ["step"]}, {"return_jackknife": True}])
def test_raw_estimator_rejects_options_of_the_other(option):
    HellingerOptions(**option)
    with pytest.raises(OptionError, match="need estimator='debiased'"):
        HellingerOptions(estimator="raw", **option)
