"""Checks of probes, functions and reducers alike: what they may not do to their input, and what may not matter."""

from __future__ import annotations

from inspect import isclass, signature
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.conformance.checking import NotApplicable, Subject, answered
from interp.conformance.comparing import difference, same_rows
from interp.conformance.toys import Toy, without
from interp.contracts import Reducer
from interp.errors import InterpError
from interp.measure import measure
from interp.reducers import unit_coords

if TYPE_CHECKING:
    import xarray as xr

SHARED = ("token", "unit")


def measured(subject: Subject, world: Toy, **changed: Any) -> xr.Dataset:
    """Return the result of the probe on a world."""
    return measure(subject.value, world.acts, **subject.options(world) | changed)


def first(subject: Subject) -> xr.Dataset:
    """Return the result on the toy, measured once for all rules."""
    if "first" not in subject.kept:
        subject.kept["first"] = answered(lambda: measured(subject, subject.toy()))
    result: xr.Dataset = subject.kept["first"]
    return result


def hold(subject: Subject, told: str, what: str, remedy: str) -> None:
    """Fail where two results differ, in words; nothing told is a rule kept."""
    if told:
        subject.fail(f"{what}: {told}.", remedy)


def input_kept(subject: Subject) -> None:
    """Measure on a copy and look whether it is still one."""
    world, before = subject.toy(), subject.toy().acts
    answered(lambda: measured(subject, world))
    remedy = "work on a copy: acts = acts.copy(deep=True), or use x + 1 instead of x += 1."
    hold(subject, difference(world.acts, before), "it changed its input", remedy)


def deterministic(subject: Subject) -> None:
    """Measure twice: the same bytes."""
    remedy = "draw from np.random.default_rng(seed) with an option seed: int = 0, never from global state or the clock."
    told = difference(first(subject), measured(subject, subject.toy()))
    hold(subject, told, "two runs on the same input differ", remedy)


def order_of_tokens(subject: Subject) -> None:
    """Shuffle the tokens: the same result, or `sequential=True`, and then only the order of samples may change."""
    world, wanted = subject.toy(), first(subject)
    acts = world.acts
    draw = np.random.default_rng(0)
    order = draw.permutation(acts.sizes["token"])
    if is_sequential(subject.value):
        rank = draw.permutation(int(acts["sample"].values.max()) + 1)
        order = np.argsort(rank[acts["sample"].values], kind="stable")
    found = measured(subject, world.having(acts.isel(token=order)))
    if "token" in wanted.dims:
        if wanted.sizes["token"] != order.size:
            raise NotApplicable("the result has some tokens only, in an order of its own")
        wanted = wanted.isel(token=order)
    remedy = "use the coords sample and step instead of the position, or tag it: sequential=True."
    told = same_rows(found, wanted, exact=precision(subject))
    hold(subject, told, "its result hangs on the order of the tokens", remedy)


def is_sequential(value: Any) -> bool:
    """Return whether a probe is tagged as one to which the order of tokens matters."""
    return bool(getattr(getattr(value, "interp", value), "sequential", False))


def order_of_units(subject: Subject) -> None:
    """Permute the units: the rows of the result move along and keep their values."""
    world, wanted = subject.toy(), first(subject)
    if "unit" not in wanted.dims:
        raise NotApplicable("the result has no dim unit")
    order = np.random.default_rng(1).permutation(world.acts.sizes["unit"])
    found = measured(subject, world.having(world.acts.isel(unit=order)))
    remedy = "treat every column alike, and seed what is drawn for a unit by its name, not by its place."
    told = same_rows(found, wanted, exact=precision(subject))
    hold(subject, told, "its result hangs on the order of the units", remedy)


def fewer_units(subject: Subject) -> None:
    """Measure half of the units: their rows are as they were."""
    world, wanted = subject.toy(), first(subject)
    if "unit" not in wanted.dims:
        raise NotApplicable("the result has no dim unit")
    half = world.acts.isel(unit=slice(None, None, 2))
    found = measured(subject, world.having(half))
    there = np.isin(found["unit"].values, wanted["unit"].values)
    found = found.isel(unit=there)
    mine = wanted.drop_vars(across(wanted)).sel(unit=found["unit"].values)
    told = same_rows(found.drop_vars(across(found)), mine, exact=precision(subject))
    remedy = (
        "let each unit's numbers depend on that unit alone; mark a variable that is said over all units at once, "
        'such as a corrected p: result["q"].attrs["across"] = "unit".'
    )
    hold(subject, told, "the rows of half of the units are others than among all", remedy)


def across(result: xr.Dataset) -> list[Any]:
    """Return the variables that hang on all units that were measured: without a dim unit, or said to in their attrs."""
    told = result.data_vars.items()
    return [name for name, held in told if "unit" not in held.dims or held.attrs.get("across") == "unit"]


def precision(subject: Subject) -> float:
    """Return how far floats may differ: what a network ran for is float32, summed in the order of its batches."""
    return 1e-3 if "model" in signature(subject.value).parameters else 1e-5


def one_sample(subject: Subject) -> None:
    """Measure one sample, one token, and none: a result, or one of our errors."""
    world = subject.toy()
    acts = world.acts
    for told, tokens in (("one sample", acts["sample"].values == 0), ("one token", [0]), ("no token", [])):
        tried(subject, world.having(acts.isel(token=tokens)), told)


def empty_symbols(subject: Subject) -> None:
    """Measure with empty strings among the labels, and labels of several letters."""
    world = subject.toy()
    named = {
        name: np.where(world.acts[name].values == "t", "", world.acts[name].values) for name in ("input", "output")
    }
    named["output"] = np.where(named["output"] == "_", "ու", named["output"])
    tried(subject, world.having(world.acts.assign_coords({name: ("token", held) for name, held in named.items()})),
          "empty symbols")  # fmt: skip


def tried(subject: Subject, world: Toy, told: str) -> None:
    """Measure; an `InterpError` is an answer, anything else is not. What has no answer on the toy is left out."""
    first(subject)
    try:
        measured(subject, world)
    except InterpError:
        return
    except NotApplicable:
        raise
    except Exception as error:
        subject.fail(
            f"{told} made it raise {type(error).__name__}: {error}.",
            "return what can be said (NaN where nothing can), or raise interp.OptionError with what to type.",
        )


def honest_requires(subject: Subject) -> None:
    """Measure with no other labels than it requires: a result, or an error of the schema that names the label."""
    world, _ = subject.toy(), first(subject)
    needed = getattr(subject.value, "interp", subject.value).requires
    try:
        measured(subject, world.having(without(world.acts, needed)))
    except InterpError:
        return
    except NotApplicable:
        raise
    except Exception as error:
        subject.fail(
            f"it says to need the labels {tuple(needed)} and reads others: {type(error).__name__}: {error}.",
            "list every label that it reads: requires=('input', 'output').",
        )


def result(subject: Subject) -> None:
    """Look at the result: coords are the capture's, attrs plain, variables numbers or strings."""
    from interp.schema import faults

    found, acts = first(subject), subject.toy().acts
    for dim in SHARED:
        if dim in found.dims and dim in acts.indexes and dim not in found.indexes:
            subject.fail(
                f"its result has a dim {dim!r} without its coords.", "keep them: acts.activation.mean('token')."
            )
        if dim in found.indexes and not set(found[dim].values.tolist()) <= set(acts[dim].values.tolist()):
            subject.fail(f"its result has names along {dim!r} that the capture lacks.", f"keep the coords of {dim!r}.")
    for fault in faults(found):
        subject.fail(
            f"{fault}.",
            "name units as the capture does, pairs with pair_input and pair_output; attrs hold str, int, float.",
        )
    for name, held in found.variables.items():
        if held.dtype.kind not in "biufUT":
            subject.fail(f"variable {name!r} is of dtype {held.dtype}.", "numbers, or strings: .astype(str).")


def round_trip(subject: Subject) -> None:
    """Save the result, and open it again."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from interp.storage import open as open_store
    from interp.storage import save

    with TemporaryDirectory() as folder:
        found = open_store(save(first(subject), Path(folder) / "result.zarr")).load()
    told = difference(found, first(subject))
    hold(subject, told, "its result comes back from disk as another", "use dtypes that numpy and Zarr share.")


def lstm_and_gru(subject: Subject) -> None:
    """Measure a network without a cell state: a result, or one of our errors."""
    tried(subject, subject.toy("GRU"), "a GRU")


def merge_law(subject: Subject) -> None:
    """Cut the samples into chunks and merge states in another order: the result is that of one chunk."""
    world = subject.toy()
    reducer = answered(lambda: subject.value(**subject.options(world)))
    first(subject)  # it can be measured at all
    told = same_rows(merged(reducer, world.acts), measure(reducer, world.acts), exact=1e-10)
    remedy = "keep in the state what adds up (counts, sums), and align by label in merge(a, b)."
    hold(subject, told, "chunks, or another order of merges, give another result", remedy)


def merged(reducer: Reducer, acts: xr.Dataset) -> xr.Dataset:
    """Return the result from seven chunks of shuffled samples, merged two by two from the back, one state empty."""
    needs = needed(reducer, acts)
    samples = np.random.default_rng(2).permutation(np.unique(acts["sample"].values))
    states = [reducer.start(unit_coords(acts), **needs)]
    for number, part in enumerate(np.array_split(samples, 7)):
        rows = np.concatenate([np.flatnonzero(acts["sample"].values == one) for one in part])
        state = states.pop() if number % 3 == 1 else reducer.start(unit_coords(acts), **needs)
        states.append(reducer.update(state, acts.isel(token=rows)))
    while len(states) > 1:
        later, earlier = states.pop(), states.pop(0)
        states.insert(0, reducer.merge(later, earlier))
    found = reducer.finish(states[0])
    found = found.assign_coords(unit_coords(acts).coords) if "unit" in found.dims else found
    return reducer.conclude(found)


def needed(reducer: Reducer, acts: xr.Dataset) -> dict[str, xr.Dataset]:
    """Return what a reducer needs, as `Reducer.start` gets it."""
    from interp.reducers import _needed, locked

    return {need.replace("-", "_"): locked(measure(_needed(reducer, need), acts)) for need in reducer.needs}


def state_of_arrays(subject: Subject) -> None:
    """Look at a state: a dict of numpy arrays that can be saved without pickling."""
    world = subject.toy()
    reducer = answered(lambda: subject.value(**subject.options(world)))
    first(subject)
    state = reducer.update(reducer.start(unit_coords(world.acts), **needed(reducer, world.acts)), world.acts)
    wrong = [
        name for name, held in state.items() if not isinstance(held, np.ndarray | np.generic) or held.dtype == object
    ]
    if wrong:
        subject.fail(
            f"its state holds {', '.join(wrong)}, which are no plain arrays.", "np.asarray(…), never dtype=object."
        )


def options_kept(subject: Subject) -> None:
    """Read the options back: the constructor keeps them under their names."""
    given = subject.options(subject.toy())
    answered(lambda: subject.value(**given))
    missing = [name for name in subject.value(**given).options() if not hasattr(subject.value(**given), name)]
    if missing:
        subject.fail(f"it does not keep {', '.join(missing)}.", "self.name = name for every option in __init__.")


RULES = {
    "result": result,
    "input-kept": input_kept,
    "deterministic": deterministic,
    "order-of-tokens": order_of_tokens,
    "order-of-units": order_of_units,
    "fewer-units": fewer_units,
    "one-sample": one_sample,
    "empty-symbols": empty_symbols,
    "honest-requires": honest_requires,
    "round-trip": round_trip,
    "lstm-and-gru": lstm_and_gru,
}
REDUCER_RULES = {"options-kept": options_kept, "state-of-arrays": state_of_arrays, "merge-law": merge_law}


def is_reducer(value: Any) -> bool:
    """Return whether a probe is a reducer."""
    return isclass(value) and issubclass(value, Reducer)
