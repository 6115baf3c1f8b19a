"""The viewer ``before-after``: what a model says of a text before and after an edit, character by character."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from interp import OptionError, captions, lettering, palette, pick, viewer
from interp_cell_strips.cells import Cell, Row, Scale, colored, notes, output_row
from interp_cell_strips.tables import MAX_CHARACTERS, characters, laid_out, ranges
from interp_cell_strips.viewer import COLUMNS, LABELS, Strips, signed

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

AMONG = ("input", "all")
ENDS = ("before", "after")
ODDS = ("log_odds_before", "log_odds_after", "change")


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
        return [Scale("log-odds, after − before", "d", float(self._text["full"]))] if "change" in self._text else []

    def holoviews(self) -> Any:
        """Return the log-odds before and after over the position, as an overlay of HoloViews ``Curve``."""
        import holoviews as hv

        at = np.arange(self._text.sizes["character"])
        held = {end: self._text.get(f"log_odds_{end}", np.full(at.size, np.nan)) for end in ENDS}
        return hv.Overlay(
            [hv.Curve((at, np.asarray(y)), "character", "log-odds", label=end) for end, y in held.items()]
        )

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return one row per character: its labels, both outputs, and the log-odds of the right output (nats)."""
        names = [name for name in (*LABELS[:-1], *ENDS, "changed", *ODDS) if name in self._text.variables]
        return {"characters": self._text[names].to_dataframe()[names].reset_index(drop=True)}


def _rows(part: xr.Dataset) -> Iterator[Row]:
    columns = part["column"].values.tolist()
    letters, right, before, after = (part[name].values.astype(str).tolist() for name in ("input", "output", *ENDS))
    heads = zip(columns, letters, notes(part), strict=True)
    yield Row("input", "input", "", tuple(Cell(column, letter, note=note) for column, letter, note in heads))
    none, changed = [""] * len(columns), ["changed" * bool(held) for held in part["changed"].values]
    yield output_row("right", columns, right, right, none)
    odds = [part[name].values.tolist() if name in part else () for name in ODDS[:2]]
    yield output_row("before", columns, before, right, none, values=odds[0])
    yield output_row("after", columns, after, right, changed, values=odds[1])
    if "change" in part:
        yield colored("unit", "change", columns, right, part["change"].values, float(part["full"]), palette.diverging)


@viewer(requires=("input", "output"))
def before_after(
    acts: xr.Dataset,
    edited: xr.Dataset,
    *,
    samples: Sequence[int] | None = None,
    draw: int = 0,
    among: str = "input",
    limit: int = 160,
    columns: int = COLUMNS,
) -> BeforeAfter:
    """Draw what a model says before and after an edit, the characters below each other.

    What is not right is framed red, what the edit changed dark. The row below has the change in the log-odds of the
    right output, after minus before, on a scale that reaches 99.5 % of |x| over the dataset.

    Parameters
    ----------
    acts : Dataset
        Dims ``(token, unit)``: what `interp.run` returned without edits, with labels ``input`` and ``output``.
    edited : Dataset
        What ``interp.run(model, batches, edits=…)`` returned for the same batches.
    samples : sequence of int, optional
        Show these; by default the first that has a changed character.
    draw : int
        Which of several draws of an `interp.Ablate` is shown.
    among : str
        ``"input"``: log-odds against what the input can become in ``acts``; ``"all"``: against all other outputs.
    limit : int
        The most characters to show, 400 at most.
    columns : int
        Characters in a line, 8 at least.

    Raises
    ------
    OptionError
        Datasets of other tokens, no such sample or draw, or an option out of range.
    """
    if columns < 8 or limit < 1 or among not in AMONG:
        given = f"columns={columns}, limit={limit}, among={among!r}"
        raise OptionError(f"Expected columns >= 8, limit >= 1 and among 'input' or 'all'; got {given}.")
    every = compared(acts, of_draw(edited, draw), among)
    shown = first_changed(every) if samples is None else list(samples)
    picked = pick(every, sample=shown)
    lines, _ = characters(picked, "", 0, columns, min(limit, MAX_CHARACTERS))
    text = laid_out(picked, lines)
    some = lettering.short(", ".join(map(str, shown)))
    window = f"{text.sizes['character']} characters of sample{'s' * (len(shown) > 1)} {some} shown, {_n(every)}"
    edits = lettering.short("; ".join(json.loads(edited.attrs.get("edits", "[]"))) or "not named", 300)
    options: dict[str, Any] = {"among": among} | ({"draw": draw} if "draw" in edited.coords else {})
    return BeforeAfter(
        title="Before and after",
        caption=captions.caption(acts, window, f"edits {edits}", **options),
        summary=_summary(text),
        data={"characters": text},
        columns=columns,
    )


def of_draw(edited: xr.Dataset, draw: int) -> xr.Dataset:
    """Return one of several draws; `OptionError` where there is no such draw."""
    if "draw" not in edited.coords:
        return edited
    found = pick(edited, draw=draw)
    if not found.sizes["token"]:
        there = np.unique(edited["draw"].values)
        raise OptionError(f"There is no draw {draw}; the edit has draws {there.min()} to {there.max()}.")
    return found.drop_vars("draw")


def compared(acts: xr.Dataset, edited: xr.Dataset, among: str) -> xr.Dataset:
    """Return outputs, and log-odds where logits were captured, before and after: dims ``token``.

    Raises
    ------
    OptionError
        Where the tokens of the two are not the same, or neither outputs nor logits are known.
    """
    import xarray as xr

    places = [np.stack([held[name].values for name in ("sample", "step")]) for held in (acts, edited)]
    if not np.array_equal(places[0], places[1]):
        sizes = [held.sizes["token"] for held in (acts, edited)]
        raise OptionError(
            f"Expected the same tokens before and after; got {sizes[0]:,} and {sizes[1]:,}, or other samples. "
            "Type interp.run(model, batches) and interp.run(model, batches, edits=…) with the same batches."
        )
    if not acts.sizes["token"]:
        raise OptionError("There is no token before and after: interp.run more, or pick less narrowly.")
    data = {end: ("token", _said(held)) for end, held in zip(ENDS, (acts, edited), strict=True)}
    labels = {str(name): coord for name, coord in acts.coords.items() if coord.dims == ("token",)}
    every = xr.Dataset(data, labels).assign(changed=("token", data["before"][1] != data["after"][1]))
    odds = [right_odds(held, acts, among) for held in (acts, edited)]
    if odds[0] is None or odds[1] is None:
        return every
    change = odds[1] - odds[0]
    full = ranges(change[:, None], [""], np.array([False]))[0]
    told = dict(zip(ODDS, (("token", held) for held in (*odds, change)), strict=True))
    return every.assign({**told, "full": full})


def _logits(acts: xr.Dataset) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the logits (token, output) and their symbols; None where no unit stands for a symbol."""
    found = np.flatnonzero(acts["symbol"].values != "")
    if not found.size:
        return None
    return np.asarray(acts["activation"].isel(unit=found).values, np.float64), acts["symbol"].values[found].astype(str)


def _said(acts: xr.Dataset) -> np.ndarray:
    """Return the output at each token: the label ``predicted``, else the symbol with the largest logit."""
    if "predicted" in acts.coords:
        return np.asarray(acts["predicted"].values.astype(str))
    known = _logits(acts)
    if known is None:
        raise OptionError("There is no output to show: batches that decode= give 'predicted', or capture the logits.")
    return np.asarray(known[1][known[0].argmax(1)])


def right_odds(acts: xr.Dataset, text: xr.Dataset, among: str) -> np.ndarray | None:
    """Return the log-odds of the right output against the others that are possible, ``z_y - logsumexp`` of the others.

    Parameters
    ----------
    acts : Dataset
        With logits: units that stand for symbols.
    text : Dataset
        Labels ``input`` and ``output`` of the same tokens.
    among : str
        ``"input"``: possible is what the input becomes anywhere in ``text``; ``"all"``: every symbol.

    Returns
    -------
    array (token,), optional
        Nats; NaN where nothing else is possible or the right output has no logit. None without logits.
    """
    from scipy.special import logsumexp

    known = _logits(acts)
    if known is None:
        return None
    z, symbols = known
    right = text["output"].values.astype(str)[:, None] == symbols
    letters, codes = np.unique(text["input"].values.astype(str), return_inverse=True)
    possible = np.ones((letters.size, symbols.size), bool)
    if among == "input":
        possible = np.stack([right[codes == code].any(0) for code in range(letters.size)])
    others = np.where(possible[codes] & ~right, z, -np.inf)
    defined = right.any(1) & np.isfinite(others).any(1)
    odds = np.full(len(z), np.nan)
    mine = np.where(right, z, -np.inf)  # a symbol may have several units
    odds[defined] = logsumexp(mine[defined], axis=1) - logsumexp(others[defined], axis=1)
    return odds


def first_changed(every: xr.Dataset) -> list[int]:
    """Return the first sample with a changed character, or the first of all."""
    changed = every["sample"].values[every["changed"].values]
    return [int((changed if changed.size else every["sample"].values)[0])]


def _n(every: xr.Dataset) -> str:
    changed = every["changed"].values
    n = captions.counts(int(changed.sum()), np.unique(every["source"].values[changed]).size)
    return f"of all tokens {n} tokens / sources changed"


def _summary(text: xr.Dataset) -> str:
    changed = text["changed"].values
    right = [text[end].values == text["output"].values for end in ENDS]
    lost, won = int((right[0] & ~right[1]).sum()), int((~right[0] & right[1]).sum())
    said = f"The edit changes {int(changed.sum())} of {changed.size} characters shown: {lost} "
    said += f"from right to wrong, {won} from wrong to right"
    if "change" not in text or not np.isfinite(text["change"].values).any():
        return f"{said}."
    return f"{said}; mean change in the log-odds of the right output {signed(float(text['change'].mean()))} nats."
