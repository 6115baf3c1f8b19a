"""The viewer ``hypothesis``: text, tables, and errors."""

import numpy as np
import pytest

import interp
from interp import OptionError, SchemaError
from interp_units.hypothesis.viewer import format_share, hypothesis_view


@pytest.fixture(scope="module")
def view(searched):
    return interp.draw(hypothesis_view, searched)


def test_text_of_the_view(view, searched):
    assert view.title.startswith("tyun")
    assert f"{int(searched.n_with_pattern):,} of {int(searched.n_candidates):,} units" in view.summary
    assert "regex='tyun'" in view.caption
    assert "tokens / sources" in view.caption


def test_tables(view, searched):
    tables = view.tables()
    assert tables["units"]["unit"].tolist() == searched.unit.values.tolist()
    assert tables["places"]["match_text"].tolist() == searched.match_text.values.tolist()
    assert tables["counts"]["n_places"].tolist() == searched.n_places.values.tolist()


def test_no_place(planted):
    acts = interp.select(planted(), sample=[0, 2])
    result = interp.measure("hypothesis", acts, span=(0, 1, 4), high=0.5, low=-0.5, regex="tyun", min_agreement=1)
    assert result.sizes["place"] == 0
    view = interp.draw(hypothesis_view, result)
    assert "No place" in view.html()
    assert np.isnan(result.recall.values).all()


def test_shares_are_formatted_with_their_interval():
    assert format_share(0.5, 0.25, 0.75) == "0.50 (0.25–0.75)"
    assert format_share(np.nan, np.nan, np.nan) == "–"
    assert format_share(1.0, np.nan, np.nan) == "1.00"


def test_other_results_are_refused(debiased, searched):
    with pytest.raises(SchemaError, match=r"measure\('hypothesis'"):
        interp.draw(hypothesis_view, debiased)
    with pytest.raises(OptionError, match="1 to 100"):
        interp.draw(hypothesis_view, searched, max_places=0)
