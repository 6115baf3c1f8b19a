"""Conformance rules of probes and reducers: unchanged input, valid results, and invariances."""

from __future__ import annotations

from inspect import isclass, signature
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.api.measure import measure
from interp.base import Reducer
from interp.errors import InterpError
from interp.measurement.reduce import unit_coords
from interp.testing.conformance.check import CheckedObject, NotApplicable, run_or_skip
from interp.testing.conformance.compare import dataset_difference, row_difference
from interp.testing.toy import Toy, keep_labels

if TYPE_CHECKING:
    import xarray as xr


SHARED_DIMS = ("token", "unit")


def measure_toy(subject: CheckedObject, toy: Toy, **changed: Any) -> xr.Dataset:
    """Return the result of the probe on a toy, with some options changed."""
    return measure(subject.value, toy.acts, **subject.options(toy) | changed)


def cached_result(subject: CheckedObject) -> xr.Dataset:
    """Return the result on the default toy, measured once for all rules."""
    if "first" not in subject.cache:
        subject.cache["first"] = run_or_skip(lambda: measure_toy(subject, subject.toy()))
    result: xr.Dataset = subject.cache["first"]
    return result


def fail_on_difference(subject: CheckedObject, difference_text: str, what: str, remedy: str) -> None:
    """Fail with a description of a difference; pass if it is empty."""
    if difference_text:
        subject.fail(f"{what}: {difference_text}.", remedy)


def input_unchanged(subject: CheckedObject) -> None:
    """Require that the probe does not change its input."""
    toy, before = subject.toy(), subject.toy().acts
    run_or_skip(lambda: measure_toy(subject, toy))
    remedy = "work on a copy: acts = acts.copy(deep=True), or use x + 1 instead of x += 1."
    fail_on_difference(subject, dataset_difference(toy.acts, before), "it changed its input", remedy)


def deterministic(subject: CheckedObject) -> None:
    """Require identical results from two runs."""
    remedy = "draw from np.random.default_rng(seed) with an option seed: int = 0, not from global state or the clock."
    difference_text = dataset_difference(cached_result(subject), measure_toy(subject, subject.toy()))
    fail_on_difference(subject, difference_text, "two runs on the same input differ", remedy)


def order_of_tokens(subject: CheckedObject) -> None:
    """Require the same result for shuffled tokens; with `sequential=True`, for shuffled samples."""
    toy, expected = subject.toy(), cached_result(subject)
    acts = toy.acts
    rng = np.random.default_rng(0)
    order = rng.permutation(acts.sizes["token"])
    if is_sequential(subject.value):
        rank = rng.permutation(int(acts["sample"].values.max()) + 1)
        order = np.argsort(rank[acts["sample"].values], kind="stable")
    actual = measure_toy(subject, toy.with_activations(acts.isel(token=order)))
    if "token" in expected.dims:
        if expected.sizes["token"] != order.size:
            raise NotApplicable("the result has only some tokens, in its own order")
        expected = expected.isel(token=order)
    remedy = "use the coords sample and step instead of positions, or set sequential=True."
    difference_text = row_difference(actual, expected, exact=float_tolerance(subject))
    fail_on_difference(subject, difference_text, "its result depends on the order of the tokens", remedy)


def is_sequential(value: Any) -> bool:
    """Return whether a probe is marked as depending on the order of tokens."""
    return bool(getattr(getattr(value, "interp", value), "sequential", False))


def order_of_units(subject: CheckedObject) -> None:
    """Require that permuting the units permutes the rows of the result."""
    toy, expected = subject.toy(), cached_result(subject)
    if "unit" not in expected.dims:
        raise NotApplicable("the result has no dim unit")
    order = np.random.default_rng(1).permutation(toy.acts.sizes["unit"])
    actual = measure_toy(subject, toy.with_activations(toy.acts.isel(unit=order)))
    remedy = "treat every column alike, and seed random numbers of a unit by its name, not by its position."
    difference_text = row_difference(actual, expected, exact=float_tolerance(subject))
    fail_on_difference(subject, difference_text, "its result depends on the order of the units", remedy)


def unit_subset(subject: CheckedObject) -> None:
    """Require the same rows when only half of the units are measured."""
    toy, expected = subject.toy(), cached_result(subject)
    if "unit" not in expected.dims:
        raise NotApplicable("the result has no dim unit")
    half = toy.acts.isel(unit=slice(None, None, 2))
    actual = measure_toy(subject, toy.with_activations(half))
    common = np.isin(actual["unit"].values, expected["unit"].values)
    actual = actual.isel(unit=common)
    expected_half = expected.drop_vars(variables_depending_on_all(expected)).sel(unit=actual["unit"].values)
    difference_text = row_difference(
        actual.drop_vars(variables_depending_on_all(actual)), expected_half, exact=float_tolerance(subject)
    )
    remedy = (
        "make the values of each unit depend on that unit alone; mark variables that depend on all units, such as a "
        'corrected p: result["q"].attrs["depends_on_all"] = "unit".'
    )
    fail_on_difference(subject, difference_text, "half of the units have other rows than among all units", remedy)


def variables_depending_on_all(result: xr.Dataset) -> list[Any]:
    """Return the variables that depend on all measured units: without a dim unit, or marked in their attrs."""
    variables = result.data_vars.items()
    return [name for name, x in variables if "unit" not in x.dims or x.attrs.get("depends_on_all") == "unit"]


def float_tolerance(subject: CheckedObject) -> float:
    """Return the tolerance of floats: larger if the probe runs a network, whose float32 sums depend on batch order."""
    return 1e-3 if "model" in signature(subject.value).parameters else 1e-5


def one_sample(subject: CheckedObject) -> None:
    """Require a result or an interp error for one sample, one token and no tokens."""
    toy = subject.toy()
    acts = toy.acts
    for case, tokens in (("one sample", acts["sample"].values == 0), ("one token", [0]), ("no token", [])):
        try_measure(subject, toy.with_activations(acts.isel(token=tokens)), case)


def empty_symbols(subject: CheckedObject) -> None:
    """Require a result or an interp error for labels that are empty or have several letters."""
    toy = subject.toy()
    labels = {name: np.where(toy.acts[name].values == "t", "", toy.acts[name].values) for name in ("input", "output")}
    labels["output"] = np.where(labels["output"] == "_", "ու", labels["output"])
    acts = toy.acts.assign_coords({name: ("token", values) for name, values in labels.items()})
    try_measure(subject, toy.with_activations(acts), "empty symbols")


def try_measure(subject: CheckedObject, toy: Toy, case: str) -> None:
    """Measure and fail on any error but `InterpError`; skip probes that can't be measured on the default toy."""
    cached_result(subject)
    try:
        measure_toy(subject, toy)
    except InterpError:
        return
    except NotApplicable:
        raise
    except Exception as error:
        subject.fail(
            f"with {case} it raises {type(error).__name__}: {error}.",
            "return a result, with NaN for undefined values, or raise interp.OptionError that says what to type.",
        )


def declared_labels(subject: CheckedObject) -> None:
    """Require that the probe reads no other labels than those in ``requires``."""
    toy, _ = subject.toy(), cached_result(subject)
    labels = getattr(subject.value, "interp", subject.value).requires
    try:
        measure_toy(subject, toy.with_activations(keep_labels(toy.acts, labels)))
    except InterpError:
        return
    except NotApplicable:
        raise
    except Exception as error:
        subject.fail(
            f"it requires the labels {tuple(labels)} and reads others: {type(error).__name__}: {error}.",
            "list every label that it reads, such as requires=('input', 'output').",
        )


def result(subject: CheckedObject) -> None:
    """Require a valid result: coords of the capture, plain attrs, and variables of numbers or text."""
    from interp.schema import find_faults

    dataset, acts = cached_result(subject), subject.toy().acts
    for dim in SHARED_DIMS:
        if dim in dataset.dims and dim in acts.indexes and dim not in dataset.indexes:
            subject.fail(
                f"its result has a dim {dim!r} without its coords.",
                "keep the coords, as acts.activation.mean('token') does.",
            )
        if dim in dataset.indexes and not set(dataset[dim].values.tolist()) <= set(acts[dim].values.tolist()):
            subject.fail(
                f"its result has labels along {dim!r} that are not in the capture.", f"keep the coords of {dim!r}."
            )
    for fault in find_faults(dataset):
        subject.fail(
            f"{fault}.",
            "keep the unit names of the capture, add pair_input and pair_output to pairs, use str, int or float attrs.",
        )
    for name, variable in dataset.variables.items():
        if variable.dtype.kind not in "biufUT":
            subject.fail(f"variable {name!r} has dtype {variable.dtype}.", "use numbers, or text: .astype(str).")


def round_trip(subject: CheckedObject) -> None:
    """Require the same result after saving and opening it."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from interp.storage.store import open as open_store
    from interp.storage.store import save

    with TemporaryDirectory() as folder:
        reopened = open_store(save(cached_result(subject), Path(folder) / "result.zarr")).load()
    difference_text = dataset_difference(reopened, cached_result(subject))
    remedy = "use dtypes that both numpy and Zarr support."
    fail_on_difference(subject, difference_text, "its result changes when it is saved and opened", remedy)


def lstm_and_gru(subject: CheckedObject) -> None:
    """Require a result or an interp error for a network without a cell state."""
    try_measure(subject, subject.toy("GRU"), "a GRU")


def merge_law(subject: CheckedObject) -> None:
    """Require the same result for one chunk, and for several chunks merged in another order."""
    toy = subject.toy()
    reducer = run_or_skip(lambda: subject.value(**subject.options(toy)))
    cached_result(subject)  # skips probes that can't be measured on the toy
    difference_text = row_difference(merge_chunks(reducer, toy.acts), measure(reducer, toy.acts), exact=1e-10)
    remedy = "keep additive values (counts, sums) in the state, and align by label in merge(a, b)."
    fail_on_difference(subject, difference_text, "chunks, or another order of merges, change the result", remedy)


def merge_chunks(reducer: Reducer, acts: xr.Dataset) -> xr.Dataset:
    """Return the result from seven chunks of shuffled samples and an empty state, merged from both ends."""
    needs = required_results(reducer, acts)
    samples = np.random.default_rng(2).permutation(np.unique(acts["sample"].values))
    states = [reducer.init_state(unit_coords(acts), **needs)]
    for number, part in enumerate(np.array_split(samples, 7)):
        rows = np.concatenate([np.flatnonzero(acts["sample"].values == one) for one in part])
        state = states.pop() if number % 3 == 1 else reducer.init_state(unit_coords(acts), **needs)
        states.append(reducer.update(state, acts.isel(token=rows)))
    while len(states) > 1:
        later, earlier = states.pop(), states.pop(0)
        states.insert(0, reducer.merge(later, earlier))
    dataset = reducer.finalize(states[0])
    dataset = dataset.assign_coords(unit_coords(acts).coords) if "unit" in dataset.dims else dataset
    return reducer.postprocess(dataset)


def required_results(reducer: Reducer, acts: xr.Dataset) -> dict[str, xr.Dataset]:
    """Return the results that a reducer needs, as passed to `Reducer.init_state`."""
    from interp.measurement.reduce import make_dependency, read_only

    return {
        need.replace("-", "_"): read_only(measure(make_dependency(reducer, need), acts)) for need in reducer.depends_on
    }


def state_of_arrays(subject: CheckedObject) -> None:
    """Require a state that is a dict of numpy arrays, which can be saved without pickling."""
    toy = subject.toy()
    reducer = run_or_skip(lambda: subject.value(**subject.options(toy)))
    cached_result(subject)
    state = reducer.update(reducer.init_state(unit_coords(toy.acts), **required_results(reducer, toy.acts)), toy.acts)
    wrong = [
        name for name, value in state.items() if not isinstance(value, np.ndarray | np.generic) or value.dtype == object
    ]
    if wrong:
        subject.fail(
            f"its state has entries that are not plain arrays: {', '.join(wrong)}.",
            "use np.asarray(…) without objects.",
        )


def options_stored(subject: CheckedObject) -> None:
    """Require that the constructor stores each option under its name."""
    options = subject.options(subject.toy())
    run_or_skip(lambda: subject.value(**options))
    missing = [name for name in subject.value(**options).options() if not hasattr(subject.value(**options), name)]
    if missing:
        subject.fail(f"it does not store {', '.join(missing)}.", "write self.name = name for every option in __init__.")


PROBE_RULES = {
    "result": result,
    "input-unchanged": input_unchanged,
    "deterministic": deterministic,
    "order-of-tokens": order_of_tokens,
    "order-of-units": order_of_units,
    "unit-subset": unit_subset,
    "one-sample": one_sample,
    "empty-symbols": empty_symbols,
    "declared-labels": declared_labels,
    "round-trip": round_trip,
    "lstm-and-gru": lstm_and_gru,
}
REDUCER_RULES = {"options-stored": options_stored, "state-of-arrays": state_of_arrays, "merge-law": merge_law}


def is_reducer(value: Any) -> bool:
    """Return whether a probe is a reducer."""
    return isclass(value) and issubclass(value, Reducer)
