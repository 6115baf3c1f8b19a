"""Claims C2 and C3: the outputs that hidden units push up or down, and the gate with the largest distances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from interp_reproduction.claims.ablation_findings import (
    NOT_MEASURED,
    AblationFinding,
    describe_effect,
    exceeds_random_groups,
    find_row,
    format_effect,
    group_finding,
)
from interp_reproduction.claims.ablations import AblationGroup, top_group
from interp_reproduction.claims.claim import Claim
from interp_reproduction.claims.evidence import distances, format_sides, jackknife_distances, top_units, unit_mask
from interp_reproduction.claims.finding import Finding, format_signed, from_estimates, missing_pairs
from interp_reproduction.estimators import (
    Estimate,
    has_expected_signs,
    margin_over_largest,
    sign_test,
    top_indices,
)
from interp_reproduction.settings import ALPHA, GRAPH_PAIRS, N_CONTROLS, N_TOP, N_TOP_HIDDEN, pair_name

if TYPE_CHECKING:
    from interp_reproduction.claims.ablations import AblationTables
    from interp_reproduction.claims.evidence import Evidence

EXPECTED_SIGNS = {"ծ": 1, "ց": 1, "տ": -1, "թ": -1}
"""Direction in which, by the claim, t=>ծ pushes each output: +1 up, -1 down."""

PAIR = GRAPH_PAIRS[0]
GATES = "gifo"
MIN_FRACTION = 0.5  # C2 holds if more than this fraction of the units have all expected signs


# Statistics


def hidden_contributions(evidence: Evidence) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the hidden units, the top ones among them for t=>ծ, and their contributions to four logits.

    Returns
    -------
    units : list of str
        Names of the hidden units.
    top : array of int
        Positions of the units with the largest distance on the first half of the sources, largest first.
    contributions : array (unit, output)
        Contrast contributions on the second half, with the outputs in the order of `EXPECTED_SIGNS`.
    """
    units = [str(name) for name in evidence.selection["unit"].values[unit_mask(evidence.selection, quantity="out")]]
    result = evidence.contributions.sel(pair=pair_name(PAIR), lower_unit=units)
    symbols = result["upper_symbol"].values.tolist()
    values = result["contribution"].transpose("lower_unit", "upper_unit").values
    return (
        units,
        top_indices(distances(evidence.selection, PAIR, quantity="out"), N_TOP_HIDDEN),
        values[:, [symbols.index(symbol) for symbol in EXPECTED_SIGNS]],
    )


def measure_pushed_outputs(evidence: Evidence) -> Finding:
    """Measure the fraction of the top hidden units for t=>ծ that push ծ and ց up and տ and թ down."""
    missing = missing_pairs(evidence, PAIR)
    if missing:
        return missing
    signs = np.array(list(EXPECTED_SIGNS.values()))
    units, top, added = hidden_contributions(evidence)
    matches = has_expected_signs(added[top], signs)
    fraction, (p, expected) = float(matches.mean()), sign_test(added, top, signs, N_CONTROLS, evidence.seed)
    fractions = dict(zip(EXPECTED_SIGNS, (added[top] * signs > 0).mean(axis=0).tolist(), strict=True))
    parts = [
        f"{symbol} {'up' if EXPECTED_SIGNS[symbol] > 0 else 'down'} {one:.0%}" for symbol, one in fractions.items()
    ]
    names = ", ".join(units[k] for k, match in zip(top, matches, strict=True) if match) or "none"
    is_significant, is_majority = p < ALPHA, fraction > MIN_FRACTION
    return Finding(
        text=f"{matches.sum()} of {matches.size} ({fraction:.0%}), p = {p:.3f}",
        holds=(True if is_significant else None) if is_majority else False,
        reason=f"more than half of them do, but p = {p:.3f} against permuted columns",
        n=format_sides(evidence.measured, PAIR),
        details=(
            f"One output at a time: {', '.join(parts)} of them. All four: {names}. With each column of contributions "
            f"permuted over the {len(units)} hidden units, {expected:.1f} of {matches.size} would do so.",
        ),
        numbers={"fraction": fraction, "p": p, "by chance": expected / matches.size}
        | {f"fraction {symbol}": one for symbol, one in fractions.items()},
    )


def cell_input_margins(evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """Return H(g) - max(H(i), H(f), H(o)) of the neurons shown, from all sources and without each group of them.

    Returns
    -------
    array (neuron,), array (group, neuron)
        Margins of the top ten forward and the top ten backward h for t=>ծ.
    """
    margins, leave_out_margins = [], []
    for direction in ("forward", "backward"):
        top = top_indices(distances(evidence.selection, PAIR, direction), N_TOP)
        gates = [jackknife_distances(evidence.gates, PAIR, direction, gate) for gate in GATES]
        margins.append(margin_over_largest(*(values[top] for values, _ in gates)))
        leave_out_margins.append(margin_over_largest(*(leave_out[:, top] for _, leave_out in gates)))
    return np.concatenate(margins), np.concatenate(leave_out_margins, axis=1)


def measure_cell_input_margin(evidence: Evidence) -> Finding:
    """Measure the mean margin of H of the cell input g over the largest H of the gates, over the neurons shown."""
    missing = missing_pairs(evidence, PAIR)
    if missing:
        return missing
    margins, leave_out = cell_input_margins(evidence)
    detail = (
        f"From {format_range(margins)}, above 0 in {(margins > 0).sum()} of {margins.size} neurons; their standard "
        f"deviation is {margins.std(ddof=1):.2f}."
    )
    mean = Estimate(float(margins.mean()), leave_out.mean(axis=1))
    return from_estimates({pair_name(PAIR): mean}, 1, format_sides(evidence.gates, PAIR), [detail])


def format_range(values: np.ndarray) -> str:
    """Return the smallest and the largest of some numbers: ``−0.20 to +0.11``."""
    return f"{format_signed(values.min())} to {format_signed(values.max())}"


# Groups to ablate


def hidden_group(evidence: Evidence) -> list[AblationGroup]:
    """Return the top ten hidden units for t=>ծ."""
    return [top_group(evidence, "hidden", PAIR)] if evidence.has(PAIR) else []


def gate_name(gate: str) -> str:
    """Return the name of the group of one gate of the neurons shown."""
    return f"{gate} of the {2 * N_TOP} neurons shown"


def gate_groups(evidence: Evidence) -> list[AblationGroup]:
    """Return one group per gate: that gate of the neurons that the first graph shows."""
    if not evidence.has(PAIR):
        return []
    names = [name for layer in ("backward h", "forward h") for name in top_units(evidence, PAIR, layer)]
    return [
        AblationGroup(gate_name(gate), tuple(name.replace(".h.", f".{gate}.") for name in names), (PAIR,), "gate_acts")
        for gate in GATES
    ]


# Rules for ablations


def judge_hidden_units(tables: AblationTables) -> AblationFinding:
    """Judge whether the top hidden units for t=>ծ are used."""
    return group_finding(tables.effects, [(f"top {N_TOP} hidden", PAIR)])


def judge_cell_inputs(tables: AblationTables) -> AblationFinding:
    """Judge whether the cell inputs of the neurons shown are used, and more than each of their gates."""
    rows = {gate: find_row(tables.effects, gate_name(gate), PAIR) for gate in GATES}
    if any(row is None for row in rows.values()):
        return NOT_MEASURED
    is_larger = all(rows["g"]["ci_low"] > rows[gate]["ci_high"] for gate in "ifo")
    texts = [f"{gate} {format_signed(row['effect'])}" for gate, row in rows.items()]
    details = tuple(f"{format_effect(row)}. {describe_effect(row)}" for row in rows.values())
    return AblationFinding(", ".join(texts), exceeds_random_groups(rows["g"]) and is_larger, details)


CLAIMS = {
    "C2": Claim(
        "C2",
        "For t=>ծ the top hidden units push ծ and ց up, and տ, թ and the rest down.",
        f"The fraction of the top {N_TOP_HIDDEN} hidden units whose contrast contribution is above 0 for ծ and ց and "
        "below 0 for տ and թ: (weight − mean weight to all outputs of t) x activation, its mean over t=>ծ minus its "
        f"mean over the other t. p: the fraction of {N_CONTROLS} permutations of each output's column over all hidden "
        "units in which at least as many units do so.",
        f"more than half of them do, and p < {ALPHA}",
        measure_pushed_outputs,
        "the effect of the hidden units exceeds that of random groups",
        judge_hidden_units,
        hidden_group,
    ),
    "C3": Claim(
        "C3",
        "Among the gates, the cell inputs g are the most confident.",
        f"H(g) − max(H(i), H(f), H(o)) of t=>ծ, its mean over the {2 * N_TOP} neurons shown.",
        "the interval of the mean lies above 0",
        measure_cell_input_margin,
        "the effect of g exceeds that of random groups and that of each gate",
        judge_cell_inputs,
        gate_groups,
    ),
}
