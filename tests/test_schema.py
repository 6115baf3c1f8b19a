"""The data model: names of units, validation with all faults in one message, selection on both axes."""

import numpy as np
import pytest
import xarray as xr

import interp
from interp.errors import OptionError, SchemaError, UnknownNameError
from interp.schema import require_labels
from interp.selection import hash_sources, label_mask


@pytest.fixture
def acts():
    units = [
        ("lstm", 0, "forward", "h", 0),
        ("lstm", 0, "forward", "h", 1),
        ("lstm", 0, "backward", "c", 0),
        ("hidden", 0, "", "out", 0),
    ]
    names = ("module", "layer", "direction", "quantity", "index")
    columns = dict(zip(names, zip(*units, strict=True), strict=True))
    unit = [interp.plotting.format_unit_name(m, q, i, layer, d) for m, layer, d, q, i in units]
    tokens = {
        "sample": [0, 0, 1],
        "step": [0, 1, 0],
        "source": [7, 7, 3],
        "input": ["t", "s", "t"],
        "output": ["ծ", "_", "թ"],
    }
    return interp.make_dataset(
        np.arange(12, dtype="float32").reshape(3, 4), {"unit": unit, **columns}, tokens, {"model": "toy"}
    )


def test_units_are_named_by_module_layer_direction_quantity_index(acts):
    assert acts.unit.values.tolist() == [
        "lstm.0.forward.h.0",
        "lstm.0.forward.h.1",
        "lstm.0.backward.c.0",
        "hidden.out.0",
    ]


def test_the_dtypes_are_those_of_the_schema(acts):
    for name, dtype in {"sample": "i4", "step": "i4", "source": "i4", "layer": "i2", "index": "i4"}.items():
        assert acts[name].dtype == dtype
    assert acts.attrs["schema"] == "interp.activations"


def test_one_message_lists_all_faults(acts):
    broken = acts.drop_vars(["source", "quantity"]).assign_attrs(schema="else", odd=[1])
    with pytest.raises(SchemaError) as error:
        interp.validate(broken)
    for part in ("'source'", "'quantity'", "'else'", "attrs['odd'] is a list"):
        assert part in str(error.value)


def test_duplicate_units_are_a_fault(acts):
    with pytest.raises(SchemaError, match=r"not unique: hidden\.out\.0"):
        interp.validate(xr.concat([acts, acts.isel(unit=[3])], "unit"))


@pytest.mark.parametrize(
    ("labels", "tokens", "units"),
    [
        ({"input": "t"}, [0, 2], [0, 1, 2, 3]),
        ({"input": "t", "output": ["թ", "ծ"]}, [0, 2], [0, 1, 2, 3]),
        ({"module": "lstm", "quantity": ["h"]}, [0, 1, 2], [0, 1]),
        ({"step": slice(1, None), "direction": "backward"}, [1], [2]),
        ({"index": lambda index: index > 0}, [0, 1, 2], [1]),
        ({"sample": 1, "unit": "hidden.out.0"}, [2], [3]),
    ],
)
def test_pick_selects_on_either_axis(acts, labels, tokens, units):
    expected = np.arange(12).reshape(3, 4)[np.ix_(tokens, units)]
    np.testing.assert_array_equal(interp.select(acts, **labels).activation.values, expected)


def test_pick_suggests_similar_labels(acts):
    with pytest.raises(UnknownNameError, match="Did you mean 'output'"):
        interp.select(acts, outputt="ծ")


def test_where_takes_labels_or_a_function_and_rejects_other_shapes():
    labels = {"input": np.array(["t", "s"])}
    assert label_mask(labels, {"input": "t"}, 2).tolist() == [True, False]
    assert label_mask(labels, lambda arrays: arrays["input"] == "s", 2).tolist() == [False, True]
    assert label_mask(labels, None, 2).all()
    with pytest.raises(OptionError, match="2 booleans"):
        label_mask(labels, lambda arrays: np.ones(3, bool), 2)
    with pytest.raises(UnknownNameError, match="'inptu'"):
        label_mask(labels, {"inptu": "t"}, 2)


def test_grid_pads_with_nan(acts):
    cube = interp.to_padded(acts)
    assert cube.dims == ("sample", "step", "unit")
    assert cube.shape == (2, 2, 4)
    np.testing.assert_array_equal(cube.values[0], [[0, 1, 2, 3], [4, 5, 6, 7]])
    assert np.isnan(cube.values[1, 1]).all()


def test_halves_split_by_source_and_lose_nothing():
    n = 4000
    tokens = {"sample": np.arange(n), "step": np.zeros(n), "source": np.repeat(np.arange(n // 4), 4)}
    units = {"unit": ["a.out.0"], "module": ["a"], "layer": [0], "direction": [""], "quantity": ["out"], "index": [0]}
    acts = interp.make_dataset(np.arange(n, dtype="float32")[:, None], units, tokens)
    even, odd = interp.split_by_source(acts)
    assert not set(even.source.values) & set(odd.source.values)
    assert even.sizes["token"] + odd.sizes["token"] == n
    assert abs(even.sizes["token"] / n - 0.5) < 0.05


def test_the_hash_of_a_source_is_the_same_everywhere():
    from hashlib import blake2b

    expected = int.from_bytes(blake2b(b"12", digest_size=8).digest(), "little")
    assert hash_sources(np.array([12], dtype=np.int32))[0] == expected


def test_a_missing_label_is_reported_with_the_existing_labels(acts):
    with pytest.raises(SchemaError, match=r"mine reads the label 'word'.*input"):
        require_labels(acts, ("word", "input"), "mine")
