"""Language packs: the units of a script, their Latin spellings, and the alphabets of a network."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isclose
from pathlib import Path
from typing import Any

from interp import CorpusError, UnknownNameError

PLACEHOLDER = "_"
UNKNOWN = "#"
NAME_PATTERN = re.compile(r"[A-Za-z0-9-]{1,40}")
MAX_PACK_BYTES, MAX_DOTS_PER_LINE = 200_000, 100
MAX_LISTED_FAULTS, MAX_FAULT_LENGTH = 50, 300
SHARE_KEYS = ("lower_case", "left_out", "typos")
DATA_FOLDER = Path(__file__).parents[1] / "data"

Spellings = Mapping[str, float]


@dataclass(frozen=True)
class Rules:
    """A rule set: the Latin spellings that a writer uses for each unit.

    Parameters
    ----------
    name : str
    anywhere : mapping of str to mapping of str to float
        Spellings of each unit with their probabilities; a unit without an entry is typed as it is.
    initial : mapping
        Spellings at the start of a word, for the units where they differ.
    lower_case : float
        Share of samples typed without capitals, 0..1.
    left_out : float
        Share of the omissible units (`Pack.fused`) that are omitted, 0..1.
    typos : float
        Share of letters with a typing error, 0..1.
    """

    name: str
    anywhere: Mapping[str, Spellings]
    initial: Mapping[str, Spellings]
    lower_case: float = 0.0
    left_out: float = 0.0
    typos: float = 0.0

    def spellings(self, unit: str, *, starts_word: bool) -> Spellings:
        """Return the spellings of a unit with their probabilities; the unit itself if there is no rule."""
        initial = self.initial.get(unit) if starts_word else None
        return initial or self.anywhere.get(unit) or {unit: 1.0}


@dataclass(frozen=True)
class Pack:
    """A language as data; ``data/hy.toml`` explains each key.

    Attributes
    ----------
    units : tuple of str
        Symbols of the script; the capitals of a unit follow it.
    kept : str
        Characters that can be typed, each of which may also stay as it is.
    endings : tuple of str
        Endings attached to foreign words, with their hyphen or apostrophe.
    fused : tuple of (str, str)
        A unit and the omissible unit after it; one symbol stands for both.
    capitals : mapping of str to tuple of str
        Capital forms of each lower-case unit; the last one is used in words all in capitals.
    in_capitals : mapping of str to str
        Replacement, in words all in capitals, of a unit without a capital form.
    folder : Path
        Folder of the pack's file and of its demo sentences, ``demo-NAME.txt``.
    inputs, outputs : tuple of str
        Closed alphabets of a network. Inputs: the kept characters and ``#``. Outputs: ``_``, the units, the inputs, and
        the fused symbols.
    """

    name: str
    title: str
    units: tuple[str, ...]
    kept: str
    inside_word: str
    confusable: tuple[str, ...]
    rules: Mapping[str, Rules]
    fused: tuple[tuple[str, str], ...] = ()
    endings: tuple[str, ...] = ()
    capitals: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    in_capitals: Mapping[str, str] = field(default_factory=dict)
    folder: Path = DATA_FOLDER

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Input symbols of a network; the last one is ``#``."""
        return (*self.kept, UNKNOWN)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Output symbols of a network; the first one is ``_``."""
        return (*self.plain, *map("".join, self.fused))

    @cached_property
    def plain(self) -> tuple[str, ...]:
        """Output symbols that stand for at most one unit."""
        return (PLACEHOLDER, *self.units, *self.inputs)

    @cached_property
    def letters(self) -> frozenset[str]:
        """Single characters of the script."""
        return frozenset("".join(self.units))

    @cached_property
    def _splitter(self) -> re.Pattern[str]:
        longest_first = sorted((unit for unit in self.units if len(unit) > 1), key=len, reverse=True)
        return re.compile("|".join([*map(re.escape, longest_first), "."]), re.DOTALL)

    def split(self, text: str) -> list[str]:
        """Split a text into units and single characters, longest unit first; joined they give the text."""
        return self._splitter.findall(text)

    @cached_property
    def _upper_forms(self) -> Mapping[str, str]:
        latin = {letter: letter.upper() for letter in self.kept if letter.isascii() and letter.upper() in self.kept}
        return {**latin, **{unit: forms[-1] for unit, forms in self.capitals.items() if forms}, **self.in_capitals}

    @cached_property
    def _lower_forms(self) -> Mapping[str, str]:
        latin = {letter: letter.lower() for letter in self.kept if letter.isascii() and letter.lower() in self.kept}
        return {**latin, **{forms[-1]: unit for unit, forms in self.capitals.items() if forms}}

    def lower_symbol(self, symbol: str) -> str:
        """Return the lower-case form of a unit or Latin letter as written in all capitals; other symbols unchanged."""
        return self._lower_forms.get(symbol, symbol)

    def upper(self, text: str) -> str:
        """Return a text in capitals, as far as the script has them."""
        return "".join(self._upper_forms.get(unit, unit) for unit in self.split(text))

    def script_share(self, text: str) -> float:
        """Return the share of a text's characters that are letters of the script, 0..1."""
        return sum(char in self.letters for char in text) / max(1, len(text))

    def rule_set(self, name: str) -> Rules:
        """Return a rule set by name.

        Raises
        ------
        UnknownNameError
            If the pack has no such rule set.
        """
        if name not in self.rules:
            raise UnknownNameError(
                f"Language pack {self.name!r} has no rules {name!r}; it has {', '.join(self.rules)}."
            )
        return self.rules[name]


def languages() -> list[str]:
    """Return the names of the shipped packs."""
    return sorted(path.stem for path in DATA_FOLDER.glob("*.toml"))


def load_pack(language: str) -> Pack:
    """Load a shipped pack by name, or a pack from a ``.toml`` file.

    Raises
    ------
    UnknownNameError
        If there is no such language.
    CorpusError
        If the pack is malformed; the message lists every fault.
    """
    path = Path(language) if language.endswith(".toml") else DATA_FOLDER / f"{language}.toml"
    if not path.is_file():
        raise UnknownNameError(
            f"No language {language!r}; shipped: {', '.join(languages())}. Or give the path of a .toml pack."
        )
    try:
        pack = replace(_parse(tomllib.loads(_read_text(path))), folder=path.parent)
        faults = _faults(pack)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        # ValueError: not UTF-8, not TOML, not a number; RecursionError: endless brackets
        raise CorpusError(f"Language pack {path.name} is malformed: {_shorten(repr(error))}.") from error
    if faults:
        rest = [f"and {len(faults) - MAX_LISTED_FAULTS} more"] if len(faults) > MAX_LISTED_FAULTS else []
        lines = "".join(f"\n  - {_shorten(fault)}" for fault in [*faults[:MAX_LISTED_FAULTS], *rest])
        raise CorpusError(f"Language pack {path.name}:{lines}")
    return pack


def _shorten(fault: str) -> str:
    return fault if len(fault) <= MAX_FAULT_LENGTH else f"{fault[:MAX_FAULT_LENGTH]}…"


def _read_text(path: Path) -> str:
    """Return the text of a pack; reject files that would make the parser use too much memory."""
    with path.open("rb") as stream:
        text = stream.read(MAX_PACK_BYTES + 1).decode("utf-8")
    if len(text.encode()) > MAX_PACK_BYTES:
        raise ValueError(f"it has over {MAX_PACK_BYTES:,} bytes")
    if any(line.count(".") > MAX_DOTS_PER_LINE for line in text.splitlines()):
        # the parser's memory is quadratic in the number of parts of a key
        raise ValueError(f"a line has over {MAX_DOTS_PER_LINE} dots")
    return text


def _parse(data: Mapping[str, Any]) -> Pack:
    special = data.get("capitals", {})
    # Georgian letters have upper-case forms that no sentence starts with: the title case shows if a script has capitals
    capitals = {unit: special.get(unit, [unit.upper()] if unit.title() != unit else []) for unit in data["units"]}
    units = [form for unit in data["units"] for form in (unit, *capitals[unit])]
    tables = data["rules"]
    return Pack(
        name=data["name"],
        title=data["title"],
        units=tuple(dict.fromkeys(units)),
        kept=data["kept"],
        inside_word=data.get("inside_word", ""),
        confusable=tuple(data.get("confusable", ())),
        rules={name: _parse_rules(name, tables, capitals) for name in tables},
        endings=tuple(data.get("endings", ())),
        capitals={unit: tuple(forms) for unit, forms in capitals.items()},
        in_capitals=dict(data.get("in_capitals", {})),
        fused=tuple((first, unit) for unit, before in data.get("left_out", {}).items() for first in before),
    )


def _parse_rules(name: str, tables: Mapping[str, Any], capitals: Mapping[str, list[str]]) -> Rules:
    table = tables[name]
    merged = {
        position: _with_capitals(_with_inherited(name, tables, position), capitals)
        for position in ("anywhere", "initial")
    }
    shares = {share: float(table.get(share, 0.0)) for share in SHARE_KEYS}
    return Rules(name, merged["anywhere"], merged["initial"], **shares)


def _with_inherited(
    name: str, tables: Mapping[str, Any], position: str, descendants: tuple[str, ...] = ()
) -> dict[str, Spellings]:
    if name in descendants:
        raise ValueError(f"the rules {name!r} extend themselves")
    table = tables[name]
    parent = _with_inherited(table["extends"], tables, position, (*descendants, name)) if "extends" in table else {}
    return {**parent, **table.get(position, {})}


def _with_capitals(table: Mapping[str, Spellings], capitals: Mapping[str, list[str]]) -> dict[str, Spellings]:
    full: dict[str, Spellings] = dict(table)
    for unit, spellings in table.items():
        for capital in capitals.get(unit, []):
            full.setdefault(capital, _capitalise(spellings))
    return full


def _capitalise(spellings: Spellings) -> Spellings:
    capital: dict[str, float] = {}
    for latin, probability in spellings.items():
        forms = {latin.capitalize(), latin.upper()}
        for form in sorted(forms):
            capital[form] = capital.get(form, 0.0) + probability / len(forms)
    return capital


def _faults(pack: Pack) -> list[str]:
    faults = []
    if not NAME_PATTERN.fullmatch(pack.name):
        faults.append(f"name must be letters, digits and hyphens, got {pack.name!r}")
    if len(set(pack.kept)) != len(pack.kept):
        faults.append("'kept' lists a character twice")
    if PLACEHOLDER in pack.kept or UNKNOWN in pack.kept:
        faults.append(f"'kept' must not contain {PLACEHOLDER!r} or {UNKNOWN!r}")
    if set(pack.kept) & set(pack.units):
        faults.append("a unit is also in 'kept'")
    if any(not unit or set(unit) & {PLACEHOLDER, UNKNOWN} for unit in pack.units):
        faults.append(f"a unit is empty or contains {PLACEHOLDER!r} or {UNKNOWN!r}")
    unknown = [unit for pair in pack.fused for unit in pair if unit not in pack.units]
    faults += [f"'left_out' lists {unit!r}, which is not a unit" for unit in unknown]
    if set(map("".join, pack.fused)) & set(pack.plain) or len(set(pack.fused)) < len(pack.fused):
        faults.append("'left_out' gives a symbol that already exists")
    wrong = [unit for unit, form in pack.in_capitals.items() if unit not in pack.units or not set(form) <= pack.letters]
    faults += [f"'in_capitals' of {unit!r}: expected a unit, and letters of the script for it" for unit in wrong]
    return faults + [fault for rules in pack.rules.values() for fault in _rules_faults(pack, rules)]


def _rules_faults(pack: Pack, rules: Rules) -> list[str]:
    shares = ((name, getattr(rules, name)) for name in SHARE_KEYS)
    faults = [f"rules {rules.name!r}: {name} must be 0..1, got {share:g}" for name, share in shares
              if not 0 <= share <= 1]  # fmt: skip
    for unit, spellings in [*rules.anywhere.items(), *rules.initial.items()]:
        faults += _spelling_faults(pack, f"rules {rules.name!r}, unit {unit!r}", unit, spellings)
    missing = [unit for unit in pack.units if unit not in rules.anywhere]
    return faults + [f"rules {rules.name!r} have no spelling for the unit {unit!r}" for unit in missing]


def _spelling_faults(pack: Pack, location: str, unit: str, spellings: Spellings) -> list[str]:
    faults = []
    if unit not in pack.units and unit not in pack.kept:
        faults.append(f"{location}: neither a unit nor a kept character")
    if not isclose(sum(spellings.values()), 1.0, abs_tol=1e-9) or min(spellings.values(), default=0) <= 0:
        faults.append(f"{location}: probabilities must be positive and sum to 1, got {dict(spellings)}")
    invalid = [latin for latin in spellings if not latin or set(latin) - set(pack.kept)]
    return faults + [f"{location}: {latin!r} is empty or has characters outside 'kept'" for latin in invalid]
