"""The probe ``classifier``: one logistic regression for each input, or for each pair asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from interp import OptionError, SchemaError, one_unit, pick, probe, source_hash
from interp_classifier.problems import problems
from interp_classifier.scores import scored
from interp_classifier.tables import labelled, method
from interp_classifier.tokens import halved, text

if TYPE_CHECKING:
    import xarray as xr

MOST = 64  # units with products: two thousand columns


@probe(requires=("source",))
def classifier(
    acts: xr.Dataset,
    *,
    labels: Sequence[str] = ("input", "output"),
    given: Sequence[str] = (),
    pairs: Sequence[str] | None = None,
    units: Sequence[str] | None = None,
    products: bool = False,
    types: Sequence[str] | None = None,
    controls: int = 3,
    strength: float = 1.0,
    minimum: int = 300,
    minimum_sources: int = 50,
    seed: int = 0,
) -> xr.Dataset:
    """Accuracy of a logistic regression that reads off the units what an input becomes, beside what needs no units.

    Scaling and weights are fitted on one half of the sources (`interp.halves`, the first) and counted on the other.
    Beside it: the most frequent label, a classifier of the input and one of the letters from two before to two after;
    a control task, where each type of token has a label of its own, drawn once; and an online code. An accuracy hangs
    on where the classifier cuts: units that tell a label by their variance, or two of them together as an exclusive or,
    may be right more often than the majority. The code length asks for probabilities: for them it is no shorter than
    ``codelength_input``.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``. The baseline ``window`` and types by words need all tokens of each sample.
    labels : sequence of two str
        Coords of ``token``: what is given, and what is to be told.
    given : sequence of str
        More coords that are given, such as ``position``: one problem for each combination.
    pairs : sequence of str, optional
        Such as ``["t=>ծ"]``: a problem each, against all other tokens of the input. By default one problem for each
        input, with all its labels.
    units : sequence of str, optional
        Names; all by default.
    products : bool
        Add the products of any two units; for 64 units at most.
    types : sequence of str, optional
        Coords of ``token`` that name its type in the control task; by default the word and the place in it.
    controls : int
        Draws of the control task.
    strength : float
        ``C`` of scikit-learn's LogisticRegression.
    minimum, minimum_sources : int
        Of a problem; those with fewer, or one label, are named in ``attrs["skipped"]`` (JSON).
    seed : int
        Of the control task and of the online code.

    Returns
    -------
    Dataset
        Dims ``group`` (the problems), ``baseline``, ``unit``, ``pair``, and ``product``. ``accuracy``, ``gain`` over
        the majority with ``gain_low`` and ``gain_high`` (95 %, by sources), ``control_accuracy``,
        ``control_gain`` over the most frequent label of the control, and ``selectivity``, all over ``control_tokens``;
        ``codelength`` and ``codelength_input`` (the same without units) in bits of the half that is fitted on;
        ``n_tokens``, ``n_sources``, ``n_test_tokens``, ``n_test_sources`` (group); ``baseline_accuracy``
        (group, baseline); ``weight`` (unit, pair) on scaled units, ``intercept`` (pair), and ``product_weight``
        (product, pair). Of two labels the weights are those of the log-odds, and their negative.

    Raises
    ------
    OptionError
        For values that make no sense, and where there is nothing to classify.
    SchemaError
        For labels that are missing, and activations that are not finite.
    UnknownNameError
        For units and pairs that do not exist.
    """
    for option, value in (("given", given), ("pairs", pairs), ("units", units), ("types", types)):
        if isinstance(value, str):
            raise OptionError(f"{option}= takes a list of names; got {value!r}: pass [{value!r}].")
    _check(acts, (*labels, *given, *(types or ())), labels, strength, controls)
    columns = _columns(acts, units, products)
    found, skipped = problems(acts, (labels[0], *given), labels[1], pairs, (minimum, minimum_sources))
    known, missing = text(acts, labels[0], types)
    rows = []
    for problem in found:
        own = int(source_hash(np.array([f"{seed} {problem.name}"]))[0])
        halves = halved(columns, problem, known, products)
        rows.append(scored(*halves, strength=strength, controls=controls, seed=own))
    result = labelled(columns, found, rows, (labels[0], *given), products)
    said = method(labels, given, pairs, strength, controls, products)
    return result.assign_attrs(method=said, skipped=json.dumps(skipped | missing, ensure_ascii=False))


def _check(acts: xr.Dataset, read: Sequence[str], labels: Sequence[str], strength: float, controls: int) -> None:
    if isinstance(labels, str) or len(labels) != 2:
        raise OptionError(f"labels= takes two names of labels, such as ('input', 'output'); got {labels!r}.")
    for name in read:
        if name not in acts.coords:
            there = ", ".join(str(known) for known, held in acts.coords.items() if held.dims == ("token",))
            raise SchemaError(f"Probe 'classifier' reads the label {name!r}; these activations have {there}.")
    if strength <= 0 or controls < 0:
        raise OptionError(f"strength= is above 0 and controls= 0 at least; got {strength} and {controls}.")


def _columns(acts: xr.Dataset, units: Sequence[str] | None, products: bool) -> xr.Dataset:
    for name in units or ():
        one_unit(acts, name)  # or an error with the nearest names
    columns = acts if units is None else pick(acts, unit=list(units))
    if products and columns.sizes["unit"] > MOST:
        raise OptionError(f"products= takes {MOST} units at most, got {columns.sizes['unit']}: name them, units=[…].")
    return columns
