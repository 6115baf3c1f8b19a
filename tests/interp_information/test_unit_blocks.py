"""Blocks of units, and the check for finite values."""

import numpy as np
import pytest

import interp
from interp_information.unit_blocks import check_finite, unit_blocks


def test_blocks_cover_all_units(drawn_acts, monkeypatch):
    monkeypatch.setattr("interp_information.unit_blocks.BLOCK_VALUES", 100 * drawn_acts.sizes["token"])
    blocks = list(unit_blocks(drawn_acts))
    assert {len(values) for _, values in blocks[:-1]} == {96}, "a multiple of 16 units"
    np.testing.assert_array_equal(np.concatenate([values for _, values in blocks]).T, drawn_acts.activation.values)


def test_advice_for_units_that_are_not_finite_works(drawn_acts):
    values = drawn_acts.activation.values.copy()
    values[3, [5, 9]] = np.nan
    acts = drawn_acts.assign(activation=(("token", "unit"), values))
    with pytest.raises(interp.SchemaError, match="2 units have NaN") as error:
        check_finite(values.T, acts.unit.values)
    finite = eval(str(error.value).partition("type ")[2].removesuffix("."), {"interp": interp, "acts": acts, "np": np})
    assert finite.sizes["unit"] == acts.sizes["unit"] - 2
