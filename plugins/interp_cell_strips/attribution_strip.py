"""The viewer ``attribution-strip``: what a unit did at each letter, over what each letter did for one output."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from interp import OptionError, SchemaError, captions, lettering, one_unit, pick, viewer
from interp_cell_strips.tables import GATES, MAX_CHARACTERS, chosen_units, ranges
from interp_cell_strips.viewer import CellStrips
from interp_cell_strips.windows import by_source

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

DIMS = ("token", "source_step")


@dataclass(frozen=True, kw_only=True)
class AttributionStrip(CellStrips):
    """One line for each target: its text, the unit as background, the attribution as underline."""

    marks: ClassVar[tuple[str, ...]] = ("target", "framed", "clipped")

    def holoviews(self) -> Any:
        """Return activation and attribution over the position, as a layout of two HoloViews ``Spikes``."""
        import holoviews as hv

        at = np.arange(self._strips.sizes["character"])
        columns = {"activation": self._strips["activation"].values[:, 0], "attribution": self._strips["attribution"]}
        drawn = [hv.Spikes((at, np.asarray(held)), "character", name) for name, held in columns.items()]
        return drawn[0] + drawn[1]

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
    limit: int = 6,
) -> AttributionStrip:
    """Draw the activation of a unit as background and the attribution to a target as underline, letter by letter.

    A target is a token whose output was explained. Every line is one target with the text around it, all targets below
    each other; one of each source before a second of any.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)`` with labels ``input`` and ``output``: the samples that were explained.
    attribution : Dataset
        Of ``interp.measure('attribution', acts, model=…, batches=…)``, or of ``unit-attribution``: a row for each
        target, with its labels. ``attribution (token, source_step)`` of the inputs, NaN where the sample
        has no such step; or ``conductance (token, unit)``, with a dim or coord ``offset``: what the unit itself
        carried, at its step less the target's. The scale reaches 99.5 % of |x| over all of it.
    unit : str
        ``lstm.0.backward.h.11``.
    pair : str or (str, str)
        Show targets of this pair only: ``"t=>ծ"``.
    samples, steps : sequence of int, optional
        Show targets in these samples, at these steps only.
    context : int
        Characters on each side of the target, 1 to 100.
    limit : int
        The most targets, 1 at least; at most 400 characters are shown.

    Raises
    ------
    UnknownNameError
        A unit that was not captured.
    OptionError
        No such target, one whose text was not captured, or a context or limit out of range.
    SchemaError
        Another kind of result.
    """
    if not 1 <= context <= 100 or limit < 1:
        raise OptionError(f"Expected context= 1 to 100 and limit= at least 1; got {context} and {limit}.")
    name = pair if isinstance(pair, str) else "=>".join(pair)
    attribution = by_source_step(attribution, unit)
    targets = chosen(attribution, name, samples, steps)
    held = by_source([np.array([at]) for at in range(targets.sizes["token"])], targets["source"].values)
    most = max(min(limit, MAX_CHARACTERS // (2 * context + 1)), 1)
    shown = targets.isel(token=np.concatenate(held[:most])).load()
    strips = around(chosen_units(acts, unit), shown, context)
    strips["full_attribution"] = ranges(targets_values(attribution), [""], np.array([False]))[0]
    window = f"{shown.sizes['token']} of {targets.sizes['token']:,} targets shown, {context} characters on each side"
    picked = {"pair": name, "samples": samples, "steps": steps}
    options = {option: value for option, value in picked.items() if value}
    title = lettering.pair(name) or "Targets"
    return AttributionStrip(
        title=f"{title} · {lettering.short(unit)}",
        caption=captions.caption(acts, window, told(attribution), unit=unit, **options, context=context, limit=limit),
        summary=summary(strips, unit),
        data={"strips": strips},
        columns=2 * context + 1,
    )


def by_source_step(attribution: xr.Dataset, unit: str) -> xr.Dataset:
    """Return attributions of the inputs as they are, and the conductance of a unit laid out like those."""
    if "conductance" not in attribution:
        return attribution
    one = one_unit(attribution, unit)["conductance"]
    values = one.values.reshape(attribution.sizes["token"], -1)
    step = attribution["step"].values[:, None] + np.atleast_1d(one["offset"].values)
    row, column = np.nonzero(step >= 0)
    table = np.full((len(values), max(step.max(), 0) + 1), np.nan)
    table[row, step[row, column]] = values[row, column]
    kept = attribution.drop_dims(["unit", *{"offset"} & set(attribution.dims)])
    return kept.assign(attribution=(DIMS, table), source_step=np.arange(table.shape[1]))


def targets_values(attribution: xr.Dataset) -> np.ndarray:
    """Return all attributions as one column: array (value, 1)."""
    return np.asarray(attribution["attribution"].values).reshape(-1, 1)


def chosen(
    attribution: xr.Dataset, pair: str, samples: Sequence[int] | None, steps: Sequence[int] | None
) -> xr.Dataset:
    """Return the targets that are asked for.

    Raises
    ------
    SchemaError, OptionError
        No attribution of source steps; no such target.
    """
    if "attribution" not in attribution or attribution["attribution"].dims != DIMS:
        kept = {str(name): data.dims for name, data in attribution.data_vars.items()}
        raise SchemaError(
            "Expected attribution (token, source_step): interp.measure('attribution', acts, model=…, batches=…); "
            f"got {kept}."
        )
    wanted: dict[str, Any] = {
        name: list(held) for name, held in (("sample", samples), ("step", steps)) if held is not None
    }
    found = pick(attribution, **wanted)
    if pair:
        ends = (found[name].values.astype(str).tolist() for name in ("input", "output"))
        wanted["pair"] = pair
        found = found.isel(token=[f"{given}=>{becomes}" == pair for given, becomes in zip(*ends, strict=True)])
    if not found.sizes["token"]:
        n = attribution.sizes["token"]
        raise OptionError(f"None of the {n:,} targets is {wanted}. Type another pair=, samples= or steps=.")
    return found


def around(acts: xr.Dataset, targets: xr.Dataset, context: int) -> xr.Dataset:
    """Return the text around each target, with the activation and the attribution of every character.

    Parameters
    ----------
    acts : Dataset
        Of one unit.
    targets : Dataset
        ``attribution (token, source_step)``, a line each.
    context : int
        How many characters on each side.

    Returns
    -------
    Dataset
        As of `tables.strips`, with ``attribution (character)`` and a coord ``target``.

    Raises
    ------
    OptionError
        Where the text of a target was not captured, or is another.
    """
    samples, steps = acts["sample"].values, acts["step"].values
    places = [targets[name].values for name in ("sample", "step")]
    near = [
        np.flatnonzero((samples == sample) & (np.abs(steps - step) <= context))
        for sample, step in zip(*places, strict=True)
    ]
    token, line = np.concatenate(near), np.repeat(np.arange(len(near)), [held.size for held in near])
    offset = steps[token] - places[1][line]
    same(acts, token[offset == 0], targets)
    scores = targets["attribution"].reindex(source_step=np.arange(steps.max() + 1)).values
    cut = acts.isel(token=token).load().rename({"token": "character"})
    extra = {"line": line, "column": offset + context, "target": offset == 0}
    cut = cut.assign_coords({name: ("character", held) for name, held in extra.items()})
    gate = np.isin(acts["quantity"].values.astype(str), GATES)
    full = ranges(acts["activation"].values, [""], gate)
    return cut.assign(full=("unit", full), attribution=("character", scores[line, steps[token]]))


def same(acts: xr.Dataset, rows: np.ndarray, targets: xr.Dataset) -> None:
    """Raise `OptionError` unless these rows are all the targets, with the same labels."""
    place = [np.stack([held[name].values for name in ("sample", "step")]) for held in (acts.isel(token=rows), targets)]
    alike = rows.size == targets.sizes["token"] and bool((place[0] == place[1]).all())
    labels = [name for name in ("input", "output") if name in targets.coords]
    if not alike or any((acts[name].values[rows] != targets[name].values).any() for name in labels):
        raise OptionError(
            "Some targets are not in these activations, or have another text there. Capture the batches that were "
            "explained, whole samples."
        )


def told(attribution: xr.Dataset) -> str:
    """Return how the attribution was made and how complete it is, as far as the result says."""
    options = json.loads(str(attribution.attrs.get("options") or "{}"))
    made = options.get("method") or attribution.attrs.get("probe", "method not named")
    asked = [f"{name} {options[name]!r}" for name in ("target", "against", "baseline") if options.get(name) is not None]
    said = f"attribution: {', '.join([str(made), *asked])}"
    if "delta" in attribution:
        said += f"; sums miss the difference to the baseline by at most {float(np.abs(attribution['delta']).max()):.2g}"
    return said


def summary(strips: xr.Dataset, unit: str) -> str:
    """Return what drives the targets most, in one sentence."""
    import pandas as pd

    half = int(strips["column"].values[strips["target"].values][0])
    values = np.abs(strips["attribution"].values.astype(float))
    mean = pd.Series(values).groupby(strips["column"].values - half).mean().sort_values(ascending=False, kind="stable")
    largest = zip(mean.index.tolist()[:3], mean.tolist()[:3], strict=True)
    best = ", ".join(f"{place(offset)} ({value:.2f})" for offset, value in largest)
    return (
        f"The activation of {lettering.short(unit)} behind each letter, the attribution to the framed output under it; "
        f"largest in the mean over these lines: {best}."
    )


def place(offset: int) -> str:
    """Return an offset in words.

    Examples
    --------
    >>> place(0), place(-2)
    ('the letter itself', '2 before')
    """
    return "the letter itself" if not offset else f"{abs(offset)} {'after' if offset > 0 else 'before'}"
