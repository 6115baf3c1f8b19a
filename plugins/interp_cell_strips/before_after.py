"""The viewer ``before-after``: the outputs of a model before and after an edit, character by character."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from interp import OptionError, select, viewer
from interp.plotting import colors, format_caption, format_counts, truncate_middle
from interp_cell_strips.cell_strips import LABELS, LINE_WIDTH, Strips, format_signed
from interp_cell_strips.data import MAX_CHARACTERS, lay_out_lines, scale_limits, select_characters
from interp_cell_strips.rows import Cell, Row, Scale, colored_row, output_row, position_notes

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

CANDIDATES = ("input", "all")
RUNS = ("before", "after")
LOG_ODDS = ("log_odds_before", "log_odds_after", "change")


@dataclass(frozen=True, kw_only=True)
class BeforeAfter(Strips):
    """Input, right output, output before and after an edit, and the change in log-odds, below each other."""

    marks: ClassVar[tuple[str, ...]] = ("changed", "framed", "missing", "clipped")

    @property
    def _text(self) -> xr.Dataset:
        text: Any = self.data["characters"]
        return text  # type: ignore[no-any-return]

    def rows(self) -> list[list[Row]]:
        """Return the rows of each line."""
        line = self._text["line"].values
        return [list(_rows(self._text.isel(character=np.flatnonzero(line == at)))) for at in np.unique(line)]

    def scales(self) -> list[Scale]:
        """Return the scale of the change in log-odds."""
        if "change" not in self._text:
            return []
        return [Scale("log-odds, after − before", "d", float(self._text["scale_max"]))]

    def holoviews(self) -> Any:
        """Return the log-odds before and after over the position, as an overlay of HoloViews ``Curve``."""
        import holoviews as hv

        position = np.arange(self._text.sizes["character"])
        odds = {run: self._text.get(f"log_odds_{run}", np.full(position.size, np.nan)) for run in RUNS}
        return hv.Overlay(
            [hv.Curve((position, np.asarray(y)), "character", "log-odds", label=run) for run, y in odds.items()]
        )

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return one row per character: its labels, both outputs, and the log-odds of the right output (nats)."""
        names = [name for name in (*LABELS[:-1], *RUNS, "changed", *LOG_ODDS) if name in self._text.variables]
        return {"characters": self._text[names].to_dataframe()[names].reset_index(drop=True)}


def _rows(part: xr.Dataset) -> Iterator[Row]:
    columns = part["column"].values.tolist()
    letters, right, before, after = (part[name].values.astype(str).tolist() for name in ("input", "output", *RUNS))
    inputs = zip(columns, letters, position_notes(part), strict=True)
    yield Row("input", "input", "", tuple(Cell(column, letter, note=note) for column, letter, note in inputs))
    none, changed = [""] * len(columns), ["changed" * bool(value) for value in part["changed"].values]
    yield output_row("right", columns, right, right, none)
    odds = [part[name].values.tolist() if name in part else () for name in LOG_ODDS[:2]]
    yield output_row("before", columns, before, right, none, values=odds[0])
    yield output_row("after", columns, after, right, changed, values=odds[1])
    if "change" in part:
        change, limit = part["change"].values, float(part["scale_max"])
        yield colored_row("unit", "change", columns, right, change, limit, colors.diverging)


@viewer(requires=("input", "output"))
def before_after(
    acts: xr.Dataset,
    edited: xr.Dataset,
    *,
    samples: Sequence[int] | None = None,
    draw: int = 0,
    candidates: str = "input",
    max_characters: int = 160,
    line_width: int = LINE_WIDTH,
) -> BeforeAfter:
    """Draw the outputs of a model before and after an edit, the characters below each other.

    Wrong outputs are framed in red, outputs changed by the edit in a dark colour. The row below shows the change in the
    log-odds of the right output, after minus before, on a scale up to the 99.5th percentile of |x| over the dataset.

    Parameters
    ----------
    acts : Dataset
        Activations without edits, dims ``(token, unit)``, from `interp.capture`, with labels ``input`` and ``output``.
    edited : Dataset
        Result of ``interp.capture(model, batches, edits=…)`` for the same batches.
    samples : sequence of int, optional
        Samples to show; by default the first one with a changed character.
    draw : int
        Number of the draw to show, if an `interp.Ablate` has several.
    candidates : str
        Outputs that the log-odds compare with: ``"input"``, those that occur with the same input in ``acts``;
        ``"all"``, all other outputs.
    max_characters : int
        Maximum number of characters to show, 400 at most.
    line_width : int
        Number of characters per line, at least 8.

    Raises
    ------
    OptionError
        If the two datasets have different tokens, there is no such sample or draw, or an option is out of range.
    """
    if line_width < 8 or max_characters < 1 or candidates not in CANDIDATES:
        options = f"line_width={line_width}, max_characters={max_characters}, candidates={candidates!r}"
        raise OptionError(
            f"Expected line_width >= 8, max_characters >= 1 and candidates 'input' or 'all'; got {options}."
        )
    comparison = compare_runs(acts, select_draw(edited, draw), candidates)
    numbers = first_changed_sample(comparison) if samples is None else list(samples)
    selected = select(comparison, sample=numbers)
    lines, _ = select_characters(selected, "", 0, line_width, min(max_characters, MAX_CHARACTERS))
    text = lay_out_lines(selected, lines)
    names = truncate_middle(", ".join(map(str, numbers)))
    window = f"{text.sizes['character']} characters of sample{'s' * (len(numbers) > 1)} {names} shown, "
    edits = truncate_middle("; ".join(json.loads(edited.attrs.get("edits", "[]"))) or "not named", 300)
    caption_options: dict[str, Any] = {"candidates": candidates} | ({"draw": draw} if "draw" in edited.coords else {})
    return BeforeAfter(
        title="Before and after",
        caption=format_caption(acts, window + _changed_counts(comparison), f"edits {edits}", **caption_options),
        summary=_summary(text),
        data={"characters": text},
        line_width=line_width,
    )


def select_draw(edited: xr.Dataset, draw: int) -> xr.Dataset:
    """Return one of several draws; raise `OptionError` if there is no such draw."""
    if "draw" not in edited.coords:
        return edited
    selected = select(edited, draw=draw)
    if not selected.sizes["token"]:
        draws = np.unique(edited["draw"].values)
        raise OptionError(f"There is no draw {draw}; the edit has draws {draws.min()} to {draws.max()}.")
    return selected.drop_vars("draw")


def compare_runs(acts: xr.Dataset, edited: xr.Dataset, candidates: str) -> xr.Dataset:
    """Return the outputs before and after, and their log-odds if logits were captured: dims ``token``.

    Raises
    ------
    OptionError
        If the tokens of the two runs differ, or there are neither outputs nor logits.
    """
    import xarray as xr

    runs = (acts, edited)
    positions = [np.stack([run[name].values for name in ("sample", "step")]) for run in runs]
    if not np.array_equal(positions[0], positions[1]):
        sizes = [run.sizes["token"] for run in runs]
        raise OptionError(
            f"Expected the same tokens before and after; got {sizes[0]:,} and {sizes[1]:,}, or other samples. "
            "Type interp.capture(model, batches) and interp.capture(model, batches, edits=…) with the same batches."
        )
    if not acts.sizes["token"]:
        raise OptionError("There are no tokens: pass more batches to interp.capture, or select more of its tokens.")
    data = {name: ("token", outputs_of(run)) for name, run in zip(RUNS, runs, strict=True)}
    labels = {str(name): coord for name, coord in acts.coords.items() if coord.dims == ("token",)}
    changed = data["before"][1] != data["after"][1]
    comparison = xr.Dataset(data, labels).assign(changed=("token", changed))
    odds = [right_log_odds(run, acts, candidates) for run in runs]
    if odds[0] is None or odds[1] is None:
        return comparison
    change = odds[1] - odds[0]
    limit = scale_limits(change[:, None], [""], np.array([False]))[0]
    columns = dict(zip(LOG_ODDS, (("token", values) for values in (*odds, change)), strict=True))
    return comparison.assign({**columns, "scale_max": limit})


def _logits(acts: xr.Dataset) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the logits (token, output) and their symbols; None if no unit has a symbol."""
    units = np.flatnonzero(acts["symbol"].values != "")
    if not units.size:
        return None
    return np.asarray(acts["activation"].isel(unit=units).values, np.float64), acts["symbol"].values[units].astype(str)


def outputs_of(acts: xr.Dataset) -> np.ndarray:
    """Return the output at each token: the label ``predicted``, else the symbol with the largest logit."""
    if "predicted" in acts.coords:
        return np.asarray(acts["predicted"].values.astype(str))
    logits = _logits(acts)
    if logits is None:
        raise OptionError(
            "There is no output to show: capture the logits, or use batches with decode=, which set 'predicted'."
        )
    return np.asarray(logits[1][logits[0].argmax(1)])


def right_log_odds(acts: xr.Dataset, text: xr.Dataset, candidates: str) -> np.ndarray | None:
    """Return the log-odds of the right output against the other candidates: ``z_y - logsumexp`` of the others.

    Parameters
    ----------
    acts : Dataset
        Activations with logits, i.e. units with symbols.
    text : Dataset
        Labels ``input`` and ``output`` of the same tokens.
    candidates : str
        ``"input"``: the outputs that occur with the same input in ``text``; ``"all"``: every symbol.

    Returns
    -------
    array (token,), optional
        Nats; NaN if there is no other candidate or the right output has no logit. None without logits.
    """
    from scipy.special import logsumexp

    logits = _logits(acts)
    if logits is None:
        return None
    z, symbols = logits
    right = text["output"].values.astype(str)[:, None] == symbols
    letters, codes = np.unique(text["input"].values.astype(str), return_inverse=True)
    possible = np.ones((letters.size, symbols.size), bool)
    if candidates == "input":
        possible = np.stack([right[codes == code].any(0) for code in range(letters.size)])
    others = np.where(possible[codes] & ~right, z, -np.inf)
    defined = right.any(1) & np.isfinite(others).any(1)
    odds = np.full(len(z), np.nan)
    target = np.where(right, z, -np.inf)  # a symbol may have several units
    odds[defined] = logsumexp(target[defined], axis=1) - logsumexp(others[defined], axis=1)
    return odds


def first_changed_sample(comparison: xr.Dataset) -> list[int]:
    """Return the first sample with a changed character, or the first of all."""
    changed = comparison["sample"].values[comparison["changed"].values]
    return [int((changed if changed.size else comparison["sample"].values)[0])]


def _changed_counts(comparison: xr.Dataset) -> str:
    changed = comparison["changed"].values
    n = format_counts(int(changed.sum()), np.unique(comparison["source"].values[changed]).size)
    return f"{n} tokens / sources changed in total"


def _summary(text: xr.Dataset) -> str:
    changed = text["changed"].values
    right = [text[run].values == text["output"].values for run in RUNS]
    broken, corrected = int((right[0] & ~right[1]).sum()), int((~right[0] & right[1]).sum())
    sentence = f"The edit changes {int(changed.sum())} of {changed.size} characters shown: {broken} "
    sentence += f"from right to wrong, {corrected} from wrong to right"
    if "change" not in text or not np.isfinite(text["change"].values).any():
        return f"{sentence}."
    change = format_signed(float(text["change"].mean()))
    return f"{sentence}; mean change in the log-odds of the right output {change} nats."
