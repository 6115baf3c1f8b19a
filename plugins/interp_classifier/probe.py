"""The probe ``classifier``: one logistic regression per input, or per requested pair."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from interp import OptionError, SchemaError, probe, select
from interp.plotting import select_unit
from interp.statistics import hash_sources
from interp_classifier.classification import score_problem
from interp_classifier.problems import find_problems, split_halves, text_features
from interp_classifier.results import make_result, method_text

if TYPE_CHECKING:
    import xarray as xr

MAX_INTERACTION_UNITS = 64  # their products are about two thousand columns


@probe(requires=("source",))
def classifier(
    acts: xr.Dataset,
    *,
    labels: Sequence[str] = ("input", "output"),
    condition_on: Sequence[str] = (),
    pairs: Sequence[str] | None = None,
    units: Sequence[str] | None = None,
    interactions: bool = False,
    control_types: Sequence[str] | None = None,
    n_controls: int = 3,
    C: float = 1.0,  # noqa: N803
    min_tokens: int = 300,
    min_sources: int = 50,
    seed: int = 0,
) -> xr.Dataset:
    """Accuracy of a logistic regression from units to the output of an input, with baselines that use no units.

    Scaling and weights are fitted on one half of the sources (`interp.split_by_source`, the first), and accuracies are
    measured on the other. The result also has: the accuracy of the most frequent label, of a classifier of the input,
    and of a classifier of the letters from two before to two after; a control task, in which each type of token has a
    random label of its own; and the length of an online code. An accuracy depends on the position of the decision
    threshold: units that encode a label in their variance, or two units together as an exclusive or, may be above the
    majority. The code length is based on probabilities: for such units it is no shorter than ``codelength_input``.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``. The baseline ``window`` and types by words need all tokens of each sample.
    labels : sequence of two str
        Coords of ``token``: the input, and the label to predict.
    condition_on : sequence of str
        Further coords that the tokens of a problem share, such as ``position``: one problem per combination.
    pairs : sequence of str, optional
        Pairs such as ``["t=>ծ"]``: one problem each, against all other tokens of the input. By default one problem per
        input, with all its labels.
    units : sequence of str, optional
        Names of units; all by default.
    interactions : bool
        Add the products of all pairs of units; for at most 64 units.
    control_types : sequence of str, optional
        Coords of ``token`` that define its type in the control task; by default the word and the position in it.
    n_controls : int
        Number of draws of the control task.
    C : float
        Inverse regularisation strength of scikit-learn's LogisticRegression, above 0.
    min_tokens, min_sources : int
        Minimum numbers of tokens and sources of a problem. Problems with fewer, or with one label, are named in
        ``attrs["skipped"]`` (JSON).
    seed : int
        Random seed for the control task and the online code.

    Returns
    -------
    Dataset
        Dims ``group`` (the problems), ``baseline``, ``unit``, ``pair``, and ``product``. ``accuracy``, ``gain`` over
        the majority with ``gain_ci_low`` and ``gain_ci_high`` (95 %, by sources), ``control_accuracy``,
        ``control_gain`` over the most frequent label of the control, and ``selectivity``, all over ``control_tokens``;
        ``codelength`` and ``codelength_input`` (the same without units) in bits for the half that is fitted on;
        ``n_tokens``, ``n_sources``, ``n_test_tokens``, ``n_test_sources`` (group); ``baseline_accuracy``
        (group, baseline); ``weight`` (unit, pair) for scaled units, ``intercept`` (pair), and ``product_weight``
        (product, pair). Of two labels, one has the weights of its log-odds and the other their negative.

    Raises
    ------
    OptionError
        For invalid values, and if there is nothing to classify.
    SchemaError
        For missing labels, and activations that are not finite.
    UnknownNameError
        For units and pairs that do not exist.
    """
    lists = {"condition_on": condition_on, "pairs": pairs, "units": units, "control_types": control_types}
    for option, value in lists.items():
        if isinstance(value, str):
            raise OptionError(f"{option}= takes a list of names; got {value!r}: pass [{value!r}].")
    _check_options(acts, (*labels, *condition_on, *(control_types or ())), labels, C, n_controls)
    columns = _select_units(acts, units, interactions)
    shared = (labels[0], *condition_on)
    problems, skipped = find_problems(acts, shared, labels[1], pairs, min_tokens, min_sources)
    features, missing = text_features(acts, labels[0], control_types)
    results = []
    for problem in problems:
        problem_seed = int(hash_sources(np.array([f"{seed} {problem.name}"]))[0])
        train, test = split_halves(columns, problem, features, interactions)
        results.append(score_problem(train, test, C=C, n_controls=n_controls, seed=problem_seed))
    result = make_result(columns, problems, results, shared, interactions)
    method = method_text(labels, condition_on, pairs, C, n_controls, interactions)
    return result.assign_attrs(method=method, skipped=json.dumps(skipped | missing, ensure_ascii=False))


def _check_options(
    acts: xr.Dataset,
    names: Sequence[str],
    labels: Sequence[str],
    C: float,  # noqa: N803
    n_controls: int,
) -> None:
    """Raise an error for labels that are missing and numbers out of range."""
    if isinstance(labels, str) or len(labels) != 2:
        raise OptionError(f"labels= takes two names of labels, such as ('input', 'output'); got {labels!r}.")
    for name in names:
        if name not in acts.coords:
            available = ", ".join(str(key) for key, coord in acts.coords.items() if coord.dims == ("token",))
            raise SchemaError(f"Probe 'classifier' reads the label {name!r}; these activations have {available}.")
    if C <= 0 or n_controls < 0:
        raise OptionError(f"Expected C= above 0 and n_controls= at least 0; got {C} and {n_controls}.")


def _select_units(acts: xr.Dataset, units: Sequence[str] | None, interactions: bool) -> xr.Dataset:
    """Return the activations of the named units; `OptionError` for too many units with interactions."""
    for name in units or ():
        select_unit(acts, name)  # raises an error with similar names
    columns = acts if units is None else select(acts, unit=list(units))
    if interactions and columns.sizes["unit"] > MAX_INTERACTION_UNITS:
        raise OptionError(
            f"interactions= takes at most {MAX_INTERACTION_UNITS} units; got {columns.sizes['unit']}: name them, "
            "units=[…]."
        )
    return columns
