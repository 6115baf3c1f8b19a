"""The viewer ``attribution-strip``: the activation of a unit at each letter, and each letter's attribution."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from interp import OptionError, SchemaError, select, viewer
from interp.plotting import SIGMOID_GATES, format_caption, format_offset, format_pair, select_unit, truncate_middle
from interp_cell_strips.cell_strips import CellStrips
from interp_cell_strips.data import MAX_CHARACTERS, scale_limits, select_units
from interp_cell_strips.line_wrapping import interleave_sources

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

DIMS = ("token", "source_step")


@dataclass(frozen=True, kw_only=True)
class AttributionStrip(CellStrips):
    """One line per target: its text, the unit as background, the attribution as underline."""

    marks: ClassVar[tuple[str, ...]] = ("target", "framed", "clipped")

    def holoviews(self) -> Any:
        """Return activation and attribution over the position, as a layout of two HoloViews ``Spikes``."""
        import holoviews as hv

        position = np.arange(self._strips.sizes["character"])
        columns = {"activation": self._strips["activation"].values[:, 0], "attribution": self._strips["attribution"]}
        spikes = [hv.Spikes((position, np.asarray(values)), "character", name) for name, values in columns.items()]
        return spikes[0] + spikes[1]

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return one row per character: its labels, the activation and the attribution."""
        frame = dict(super().tables())["characters"]
        for name in ("attribution", "target"):
            frame[name] = self._strips[name].values
        return {"characters": frame}


@viewer(requires=("input", "output"))
def attribution_strip(
    acts: xr.Dataset,
    attribution: xr.Dataset,
    *,
    unit: str,
    pair: str | Sequence[str] = "",
    samples: Sequence[int] | None = None,
    steps: Sequence[int] | None = None,
    context: int = 14,
    max_targets: int = 6,
) -> AttributionStrip:
    """Draw the activation of a unit as background and the attribution to a target as underline, letter by letter.

    A target is a token whose output was explained. Each line is one target with the text around it; the targets are
    aligned, with one of each source before a second of any.

    Parameters
    ----------
    acts : Dataset
        Activations of the explained samples, dims ``(token, unit)``, with labels ``input`` and ``output``.
    attribution : Dataset
        Result of ``interp.measure('attribution', acts, model=…, batches=…)`` or of ``unit-attribution``, with a row and
        labels per target. Either ``attribution (token, source_step)`` of the inputs, NaN where the sample has no such
        step; or ``conductance (token, unit)`` with a dim or coord ``offset``: the conductance of the unit at its step,
        relative to that of the target. The scale ends at the 99.5th percentile of |x| over the whole result.
    unit : str
        Unit name, such as ``lstm.0.backward.h.11``.
    pair : str or (str, str)
        Pair whose targets are shown, such as ``"t=>ծ"``; by default all.
    samples, steps : sequence of int, optional
        Samples and steps whose targets are shown; by default all.
    context : int
        Number of characters on each side of the target, 1 to 100.
    max_targets : int
        Maximum number of targets, at least 1; at most 400 characters are shown.

    Raises
    ------
    UnknownNameError
        If the unit was not captured.
    OptionError
        If there is no such target, its text was not captured, or ``context`` or ``max_targets`` is out of range.
    SchemaError
        If ``attribution`` is a result of another kind.
    """
    if not 1 <= context <= 100 or max_targets < 1:
        raise OptionError(f"Expected context from 1 to 100 and max_targets >= 1; got {context} and {max_targets}.")
    name = pair if isinstance(pair, str) else "=>".join(pair)
    attribution = to_source_steps(attribution, unit)
    candidates = select_targets(attribution, name, samples, steps)
    rows = [np.array([row]) for row in range(candidates.sizes["token"])]
    n = max(min(max_targets, MAX_CHARACTERS // (2 * context + 1)), 1)
    targets = candidates.isel(token=np.concatenate(interleave_sources(rows, candidates["source"].values)[:n])).load()
    strips = target_strips(select_units(acts, unit), targets, context)
    strips["attribution_scale_max"] = scale_limits(attribution_column(attribution), [""], np.array([False]))[0]
    window = f"{targets.sizes['token']} of {candidates.sizes['token']:,} targets shown, "
    window += f"{context} characters on each side"
    filters = {"pair": name, "samples": samples, "steps": steps}
    options: dict[str, Any] = {"unit": unit} | {option: value for option, value in filters.items() if value}
    options |= {"context": context, "max_targets": max_targets}
    return AttributionStrip(
        title=f"{format_pair(name) or 'Targets'} · {truncate_middle(unit)}",
        caption=format_caption(acts, window, describe_attribution(attribution), **options),
        summary=_summary(strips, unit),
        data={"strips": strips},
        line_width=2 * context + 1,
    )


def to_source_steps(attribution: xr.Dataset, unit: str) -> xr.Dataset:
    """Return attributions of inputs unchanged, and the conductance of a unit in the same layout."""
    if "conductance" not in attribution:
        return attribution
    conductance = select_unit(attribution, unit)["conductance"]
    values = conductance.values.reshape(attribution.sizes["token"], -1)
    step = attribution["step"].values[:, None] + np.atleast_1d(conductance["offset"].values)
    row, column = np.nonzero(step >= 0)
    table = np.full((len(values), max(step.max(), 0) + 1), np.nan)
    table[row, step[row, column]] = values[row, column]
    rest = attribution.drop_dims(["unit", *{"offset"} & set(attribution.dims)])
    return rest.assign(attribution=(DIMS, table), source_step=np.arange(table.shape[1]))


def attribution_column(attribution: xr.Dataset) -> np.ndarray:
    """Return all attributions as one column: array (value, 1)."""
    return np.asarray(attribution["attribution"].values).reshape(-1, 1)


def select_targets(
    attribution: xr.Dataset, pair: str, samples: Sequence[int] | None, steps: Sequence[int] | None
) -> xr.Dataset:
    """Return the targets with the given pair, samples and steps.

    Raises
    ------
    SchemaError
        If the result has no attribution of source steps.
    OptionError
        If there is no such target.
    """
    if "attribution" not in attribution or attribution["attribution"].dims != DIMS:
        dims = {str(name): data.dims for name, data in attribution.data_vars.items()}
        raise SchemaError(
            "Expected attribution (token, source_step): interp.measure('attribution', acts, model=…, batches=…); "
            f"got {dims}."
        )
    labels: dict[str, Any] = {
        name: list(values) for name, values in (("sample", samples), ("step", steps)) if values is not None
    }
    targets = select(attribution, **labels)
    if pair:
        ends = (targets[name].values.astype(str).tolist() for name in ("input", "output"))
        labels["pair"] = pair
        targets = targets.isel(token=[f"{letter}=>{output}" == pair for letter, output in zip(*ends, strict=True)])
    if not targets.sizes["token"]:
        n = attribution.sizes["token"]
        raise OptionError(f"None of the {n:,} targets has {labels}. Type another pair=, samples= or steps=.")
    return targets


def target_strips(acts: xr.Dataset, targets: xr.Dataset, context: int) -> xr.Dataset:
    """Return the text around each target, with the activation and the attribution of every character.

    Parameters
    ----------
    acts : Dataset
        Activations of one unit.
    targets : Dataset
        ``attribution (token, source_step)``, one line per token.
    context : int
        Number of characters on each side.

    Returns
    -------
    Dataset
        As `data.strips_dataset`, with ``attribution (character)`` and a bool coord ``target``.

    Raises
    ------
    OptionError
        If the text of a target was not captured, or differs.
    """
    samples, steps = acts["sample"].values, acts["step"].values
    positions = [targets[name].values for name in ("sample", "step")]
    nearby = [
        np.flatnonzero((samples == sample) & (np.abs(steps - step) <= context))
        for sample, step in zip(*positions, strict=True)
    ]
    token, line = np.concatenate(nearby), np.repeat(np.arange(len(nearby)), [rows.size for rows in nearby])
    offset = steps[token] - positions[1][line]
    require_same_tokens(acts, token[offset == 0], targets)
    scores = targets["attribution"].reindex(source_step=np.arange(steps.max() + 1)).values
    strips = acts.isel(token=token).load().rename({"token": "character"})
    coords = {"line": line, "column": offset + context, "target": offset == 0}
    strips = strips.assign_coords({name: ("character", values) for name, values in coords.items()})
    gate = np.isin(acts["quantity"].values.astype(str), SIGMOID_GATES)
    limits = scale_limits(acts["activation"].values, [""], gate)
    return strips.assign(scale_max=("unit", limits), attribution=("character", scores[line, steps[token]]))


def require_same_tokens(acts: xr.Dataset, rows: np.ndarray, targets: xr.Dataset) -> None:
    """Raise `OptionError` unless these rows are all the targets, with the same labels."""
    positions = [
        np.stack([data[name].values for name in ("sample", "step")]) for data in (acts.isel(token=rows), targets)
    ]
    same = rows.size == targets.sizes["token"] and bool((positions[0] == positions[1]).all())
    labels = [name for name in ("input", "output") if name in targets.coords]
    if not same or any((acts[name].values[rows] != targets[name].values).any() for name in labels):
        raise OptionError(
            "Some targets are not in these activations, or have different text there. Capture the batches that were "
            "explained, with whole samples."
        )


def describe_attribution(attribution: xr.Dataset) -> str:
    """Return the method of the attribution and its convergence error, as far as the result records them."""
    options = json.loads(str(attribution.attrs.get("options") or "{}"))
    method = options.get("method") or attribution.attrs.get("probe", "method not named")
    names = ("target", "contrast_with", "baseline")
    settings = [f"{name} {options[name]!r}" for name in names if options.get(name) is not None]
    text = f"attribution: {', '.join([str(method), *settings])}"
    if "convergence_delta" in attribution:
        delta = float(np.abs(attribution["convergence_delta"]).max())
        text += f"; the sums differ from the change in the target by at most {delta:.2g}"
    return text


def _summary(strips: xr.Dataset, unit: str) -> str:
    """Return the offsets with the largest mean attribution, in one sentence."""
    import pandas as pd

    middle = int(strips["column"].values[strips["target"].values][0])
    sizes = pd.Series(np.abs(strips["attribution"].values.astype(float)))
    mean = sizes.groupby(strips["column"].values - middle).mean().sort_values(ascending=False, kind="stable")
    largest = zip(mean.index.tolist()[:3], mean.tolist()[:3], strict=True)
    offsets = ", ".join(f"{format_offset(offset)} ({value:.2f})" for offset, value in largest)
    return (
        f"The activation of {truncate_middle(unit)} behind each letter, and the letter's attribution to the framed "
        f"output as an underline. Largest mean over these lines: {offsets}."
    )
