"""Examples of each unit and their text, against the tokens of the capture."""

import numpy as np
import pytest
from helpers.laws import small

import interp
from interp_summaries.top_contexts import text_windows


@pytest.fixture(scope="module")
def contexts(drawn_acts):
    return interp.measure("top-contexts", drawn_acts, window=4, examples=3, sample=500)


def text_of(acts, sample, steps):
    inside = acts.isel(token=np.flatnonzero(acts["sample"].values == sample))
    return "".join(dict(zip(inside.step.values, inside.input.values, strict=True)).get(step, "") for step in steps)


def test_every_example_is_a_token_with_its_text(contexts, drawn_acts):
    draw = np.random.default_rng(0)
    where = {
        (int(sample), int(step)): row
        for row, (sample, step) in enumerate(zip(drawn_acts["sample"].values, drawn_acts.step.values, strict=True))
    }
    for unit in draw.integers(contexts.sizes["unit"], size=8):
        for row in range(12):
            for example in range(3):
                cell = contexts.isel(unit=unit, row=row, example=example)
                sample, step = int(cell["sample"]), int(cell["step"])
                token = drawn_acts.isel(token=where[sample, step])
                assert float(cell.value) == float(token.activation[unit])
                assert str(cell.here.values) == str(token.input.values)
                assert int(cell.source) == int(token.source)
                assert str(cell.before.values) == text_of(drawn_acts, sample, range(step - 4, step))
                assert str(cell.after.values) == text_of(drawn_acts, sample, range(step + 1, step + 5))


def test_extremes_are_over_all_tokens_with_one_per_source(contexts, drawn_acts):
    values = drawn_acts.activation.values
    sources = drawn_acts.source.values
    for unit in range(0, contexts.sizes["unit"], 11):
        for row, sign in (("highest", 1), ("lowest", -1)):
            each = [(sign * values[sources == source, unit]).max() for source in np.unique(sources)]
            expected = sign * np.sort(each)[::-1][:3].astype(float)
            cell = contexts.isel(unit=unit).sel(row=row)
            np.testing.assert_array_equal(cell.value, expected)
            assert np.unique(cell.source).size == 3


def test_rows_are_tenths_of_the_distribution(contexts, drawn_acts):
    assert contexts.row.values.tolist()[:3] == ["highest", "90-100 %", "80-90 %"]
    assert contexts.row.values.tolist()[-2:] == ["0-10 %", "lowest"]
    values = drawn_acts.activation.values
    for unit in range(0, contexts.sizes["unit"], 29):
        for row in range(1, 11):
            share = [(values[:, unit] < value).mean() for value in contexts.value.isel(unit=unit, row=row).values]
            # with 500 tokens, a quantile is off by more than .067 with probability 0.003
            assert all((10 - row) / 10 - 0.09 < one < (11 - row) / 10 + 0.09 for one in share), (unit, row, share)
            assert (np.diff(contexts.value.isel(unit=unit, row=row)) <= 0).all()


def test_the_sample_is_all_tokens_if_there_are_fewer():
    acts = small(1)
    result = interp.measure("top-contexts", acts, examples=200, quantiles=1, window=0)
    for unit in range(1, 5):
        values = result.value.isel(unit=unit).sel(row="0-100 %").values
        values = values[~np.isnan(values)]
        expected = np.sort(acts.activation.values[:, unit].astype(float))[::-1][:200]
        np.testing.assert_array_equal(values, expected)
    assert (result.before == "").all()


def test_another_seed_draws_other_examples_but_the_same_extremes(drawn_acts):
    hidden = interp.select(drawn_acts, module="hidden")
    one, other = (interp.measure("top-contexts", hidden, seed=seed, sample=300) for seed in (0, 1))
    assert one.identical(interp.measure("top-contexts", hidden, seed=0, sample=300))
    np.testing.assert_array_equal(one.value.sel(row="highest"), other.value.sel(row="highest"))
    assert (one.value.sel(row="40-50 %") != other.value.sel(row="40-50 %")).any()


def test_nan_units_and_no_tokens_have_no_examples():
    acts = small(0)
    acts.activation[3, 1] = np.nan
    result = interp.measure("top-contexts", acts, sample=50)
    assert np.isnan(result.value.isel(unit=1)).all()
    assert (result.here.isel(unit=1) == "").all()
    assert (result.step.isel(unit=1) == -1).all()
    assert np.isnan(result.value.isel(unit=2).sel(row="highest")).values.tolist() == 4 * [False] + [True]  # 4 sources
    empty = interp.measure("top-contexts", acts.isel(token=[]))
    assert np.isnan(empty.value).all()
    assert (empty.before == "").all()


def test_tokens_not_captured_are_a_gap():
    samples, steps = np.array([0, 0, 0, 1, 1]), np.array([1, 4, 5, 0, 1])
    symbols = np.array(["b", "e", "ու", "x", "y"])
    before, after = text_windows(samples, steps, symbols, np.arange(5), 3)
    assert before.tolist() == ["…", "b…", "…e", "", "x"]
    assert after.tolist() == ["…e", "ու", "", "y", ""]


def test_text_of_another_label(drawn_acts):
    result = interp.measure("top-contexts", drawn_acts, label="output", sample=100)
    assert "ու" in np.unique(result.here)
    with pytest.raises(interp.SchemaError, match="'outputs'"):
        interp.measure("top-contexts", drawn_acts, label="outputs")
    with pytest.raises(interp.OptionError, match="examples=0"):
        interp.measure("top-contexts", drawn_acts, examples=0)


def test_the_result_is_stored(contexts, tmp_path):
    assert interp.open(interp.save(contexts, tmp_path / "r.zarr")).identical(contexts)
    assert len(interp.to_dataframe(contexts)) == contexts.value.size
