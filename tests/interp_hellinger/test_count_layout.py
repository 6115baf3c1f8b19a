"""Packed permutations, hashes and the tables of the counting pass."""

import numpy as np

from interp_hellinger.count_layout import (
    BINS,
    CLASSES,
    FIRST,
    OMITTED,
    POWER,
    SIZE,
    bytes_per_token,
    pack_permutations,
    sampling_hash,
    table_sizes,
    token_keys,
)
from interp_hellinger.token_pass import TokenPass


def test_packed_permutations_unpack_to_the_labels():
    draw = np.random.default_rng(0)
    classes = draw.choice(3, 50, p=[0.2, 0.5, 0.3])
    orders = [draw.permutation(50) for _ in range(11)]
    packed = pack_permutations(classes, orders, 11).reshape(50, 2, bytes_per_token(11))
    bits = np.unpackbits(packed, axis=2, bitorder="little")
    for number, order in enumerate(orders):
        for row, code in enumerate((0, 2)):
            np.testing.assert_array_equal(bits[:, row, number], classes[order] == code)
    assert not bits[:, :, 11:].any()


def test_sampling_hash_is_stable():
    keys = np.array([[0, 0, 0], [1, 2, 3], [3, 2, 1]])
    assert sampling_hash(keys, 0).tolist() == [2558736989570252433, 15020427595393229491, 15432287184251514724]
    assert (sampling_hash(keys, 1) != sampling_hash(keys, 0)).all()


def test_token_keys_are_unique():
    sample, step = (values.ravel().astype(np.int32) for values in np.indices((40, 70)))
    assert np.unique(token_keys(sample, step)).size == sample.size


def test_plan_describes_each_input(drawn_acts):
    reducer = TokenPass(min_tokens=50, min_sources=20)
    units = drawn_acts.drop_vars([name for name, values in drawn_acts.variables.items() if values.dims != ("unit",)])
    layout = reducer.finalize(reducer.update(reducer.init_state(units), drawn_acts))
    plan = layout["plan"].values
    inputs = np.unique(layout.pair_input)
    assert len(plan) == inputs.size
    for row, name, tokens in zip(plan, inputs, layout["tokens"].values, strict=True):
        of_input = drawn_acts.input.values == name
        assert row[SIZE] == of_input.sum() == tokens.sum()
        assert row[OMITTED] == tokens.sum(axis=1).argmax()
        assert row[CLASSES] == (tokens.sum(axis=1) > 0).sum()
        assert row[BINS] == row[POWER] == 16
    assert plan[:, FIRST].tolist() == (np.cumsum(plan[:, SIZE]) - plan[:, SIZE]).tolist()
    edges, counts, null = table_sizes(plan, 100)
    assert edges == 15 * len(plan)
    assert counts == (20 * plan[:, CLASSES] * 16).sum()
    assert null == ((plan[:, CLASSES] - 1) * 16 * 104).sum()
