"""Language packs: the units of a script, how people spell them in Latin letters, and the alphabets that follow."""

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
NAME = re.compile(r"[A-Za-z0-9-]{1,40}")
LARGEST, DOTS = 200_000, 100  # bytes of a pack, and dots of a line
SHOWN, LENGTH = 50, 300  # faults in an error, and characters of one
SHARES = ("lower_case", "left_out", "typos")
FOLDER = Path(__file__).parent / "data"

Spellings = Mapping[str, float]


@dataclass(frozen=True)
class Rules:
    """How a writer spells units in Latin letters.

    Parameters
    ----------
    name : str
    anywhere : mapping of str to mapping of str to float
        For each unit, its spellings and their probabilities; units without an entry stay as they are.
    initial : mapping
        The same at the start of a word, where it differs.
    lower_case : float
        Share of samples typed without capitals, 0..1.
    left_out : float
        Share of the units that can be left out (`Pack.fused`) that are, 0..1.
    typos : float
        Share of letters that are mistyped, 0..1.
    """

    name: str
    anywhere: Mapping[str, Spellings]
    initial: Mapping[str, Spellings]
    lower_case: float = 0.0
    left_out: float = 0.0
    typos: float = 0.0

    def spellings(self, unit: str, *, starts_word: bool) -> Spellings:
        """Return the spellings of a unit with their probabilities; itself where there is no rule."""
        chosen = self.initial.get(unit) if starts_word else None
        return chosen or self.anywhere.get(unit) or {unit: 1.0}


@dataclass(frozen=True)
class Pack:
    """A language as data: see ``data/hy.toml`` for each key.

    Attributes
    ----------
    units : tuple of str
        Symbols of the script, capitals after their lower-case unit.
    kept : str
        Characters that stay as they are.
    endings : tuple of str
        What is put behind a foreign word, with the sign between.
    fused : tuple of (str, str)
        A unit and one that is left out behind it: a symbol of its own stands for both.
    capitals : mapping of str to tuple of str
        The capital forms of each lower-case unit; the last is that of a word all in capitals.
    in_capitals : mapping of str to str
        What stands in such a word for a unit without capital form.
    folder : Path
        Where the pack's file stands, and its demo sentences, ``demo-NAME.txt``.
    inputs, outputs : tuple of str
        The closed alphabets of a network: the kept characters and ``#``; and ``_``, the units, the inputs, the fused.
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
    folder: Path = FOLDER

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The input symbols of a network; the last is ``#``."""
        return (*self.kept, UNKNOWN)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """The output symbols of a network; the first is ``_``."""
        return (*self.plain, *map("".join, self.fused))

    @cached_property
    def plain(self) -> tuple[str, ...]:
        """The output symbols that stand for one unit or none."""
        return (PLACEHOLDER, *self.units, *self.inputs)

    @cached_property
    def letters(self) -> frozenset[str]:
        """The single characters of the script."""
        return frozenset("".join(self.units))

    @cached_property
    def _splitter(self) -> re.Pattern[str]:
        long_first = sorted((unit for unit in self.units if len(unit) > 1), key=len, reverse=True)
        return re.compile("|".join([*map(re.escape, long_first), "."]), re.DOTALL)

    def split(self, text: str) -> list[str]:
        """Cut a text into units and single characters, the longest unit first; joined they give the text."""
        return self._splitter.findall(text)

    @cached_property
    def _upper(self) -> Mapping[str, str]:
        latin = {letter: letter.upper() for letter in self.kept if letter.isascii() and letter.upper() in self.kept}
        return {**latin, **{unit: forms[-1] for unit, forms in self.capitals.items() if forms}, **self.in_capitals}

    @cached_property
    def _lower(self) -> Mapping[str, str]:
        latin = {letter: letter.lower() for letter in self.kept if letter.isascii() and letter.lower() in self.kept}
        return {**latin, **{forms[-1]: unit for unit, forms in self.capitals.items() if forms}}

    def small(self, symbol: str) -> str:
        """Return the small form of a unit or Latin letter as it stands in words in capitals; others as they are."""
        return self._lower.get(symbol, symbol)

    def upper(self, text: str) -> str:
        """Return a text all in capitals, as far as the script has them."""
        return "".join(self._upper.get(unit, unit) for unit in self.split(text))

    def share(self, text: str) -> float:
        """Return the share of a text's characters that are letters of the script, 0..1."""
        return sum(char in self.letters for char in text) / max(1, len(text))

    def choose(self, name: str) -> Rules:
        """Return a rule set by name, or raise `UnknownNameError`."""
        if name not in self.rules:
            raise UnknownNameError(
                f"Language pack {self.name!r} has no rules {name!r}; it has {', '.join(self.rules)}."
            )
        return self.rules[name]


def languages() -> list[str]:
    """Return the names of the packs that are shipped."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_pack(language: str) -> Pack:
    """Load a shipped pack by name, or a pack from a ``.toml`` file.

    Raises
    ------
    UnknownNameError
        No such language.
    CorpusError
        A pack that is malformed; the text lists every fault.
    """
    path = Path(language) if language.endswith(".toml") else FOLDER / f"{language}.toml"
    if not path.is_file():
        raise UnknownNameError(
            f"No language {language!r}; shipped: {', '.join(languages())}. Or give the path of a .toml pack."
        )
    try:
        pack = replace(_parse(tomllib.loads(_text(path))), folder=path.parent)
        faults = _faults(pack)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        # ValueError: not UTF-8, not TOML, not a number; RecursionError: brackets without end
        raise CorpusError(f"Language pack {path.name} is malformed: {_short(repr(error))}.") from error
    if faults:
        more = [f"and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else []
        told = "".join(f"\n  - {_short(fault)}" for fault in [*faults[:SHOWN], *more])
        raise CorpusError(f"Language pack {path.name}:{told}")
    return pack


def _short(fault: str) -> str:
    return fault if len(fault) <= LENGTH else f"{fault[:LENGTH]}…"


def _text(path: Path) -> str:
    """Return the text of a pack, unless it would take the parser more memory than any pack is worth."""
    with path.open("rb") as stream:
        text = stream.read(LARGEST + 1).decode("utf-8")
    if len(text.encode()) > LARGEST:
        raise ValueError(f"it has over {LARGEST:,} bytes")
    if any(line.count(".") > DOTS for line in text.splitlines()):
        raise ValueError(f"a line has over {DOTS} dots")  # the parser's memory grows with the square of a key's parts
    return text


def _parse(data: Mapping[str, Any]) -> Pack:
    special = data.get("capitals", {})
    # Georgian letters have an upper case that no sentence begins with: a script has capitals where its titles have them
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
        rules={name: _rules(name, tables, capitals) for name in tables},
        endings=tuple(data.get("endings", ())),
        capitals={unit: tuple(forms) for unit, forms in capitals.items()},
        in_capitals=dict(data.get("in_capitals", {})),
        fused=tuple((kept, unit) for unit, before in data.get("left_out", {}).items() for kept in before),
    )


def _rules(name: str, tables: Mapping[str, Any], capitals: Mapping[str, list[str]]) -> Rules:
    table = tables[name]
    merged = {place: _mirrored(_inherited(name, tables, place), capitals) for place in ("anywhere", "initial")}
    shares = {share: float(table.get(share, 0.0)) for share in SHARES}
    return Rules(name, merged["anywhere"], merged["initial"], **shares)


def _inherited(name: str, tables: Mapping[str, Any], place: str, below: tuple[str, ...] = ()) -> dict[str, Spellings]:
    if name in below:
        raise ValueError(f"the rules {name!r} extend themselves")
    table = tables[name]
    parent = _inherited(table["extends"], tables, place, (*below, name)) if "extends" in table else {}
    return {**parent, **table.get(place, {})}


def _mirrored(table: Mapping[str, Spellings], capitals: Mapping[str, list[str]]) -> dict[str, Spellings]:
    full: dict[str, Spellings] = dict(table)
    for unit, spellings in table.items():
        for capital in capitals.get(unit, []):
            full.setdefault(capital, _capitalised(spellings))
    return full


def _capitalised(spellings: Spellings) -> Spellings:
    capital: dict[str, float] = {}
    for latin, probability in spellings.items():
        forms = {latin.capitalize(), latin.upper()}
        for form in sorted(forms):
            capital[form] = capital.get(form, 0.0) + probability / len(forms)
    return capital


def _faults(pack: Pack) -> list[str]:
    faults = []
    if not NAME.fullmatch(pack.name):
        faults.append(f"name must be letters, digits and hyphens, got {pack.name!r}")
    if len(set(pack.kept)) != len(pack.kept):
        faults.append("'kept' names a character twice")
    if PLACEHOLDER in pack.kept or UNKNOWN in pack.kept:
        faults.append(f"'kept' must not hold {PLACEHOLDER!r} or {UNKNOWN!r}")
    if set(pack.kept) & set(pack.units):
        faults.append("a unit stands in 'kept' too")
    if any(not unit or set(unit) & {PLACEHOLDER, UNKNOWN} for unit in pack.units):
        faults.append(f"a unit is empty or holds {PLACEHOLDER!r} or {UNKNOWN!r}")
    odd = [unit for pair in pack.fused for unit in pair if unit not in pack.units]
    faults += [f"'left_out' names {unit!r}, which is no unit" for unit in odd]
    if set(map("".join, pack.fused)) & set(pack.plain) or len(set(pack.fused)) < len(pack.fused):
        faults.append("'left_out' gives a symbol that is there already")
    odd = [unit for unit, form in pack.in_capitals.items() if unit not in pack.units or not set(form) <= pack.letters]
    faults += [f"'in_capitals' of {unit!r}: expected a unit, and letters of the script for it" for unit in odd]
    for rules in pack.rules.values():
        shares = ((name, getattr(rules, name)) for name in SHARES)
        faults += [f"rules {rules.name!r}: {name} must be 0..1, got {share:g}" for name, share in shares
                   if not 0 <= share <= 1]  # fmt: skip
        for unit, spellings in [*rules.anywhere.items(), *rules.initial.items()]:
            faults += _spelling_faults(pack, f"rules {rules.name!r}, unit {unit!r}", unit, spellings)
        bare = [unit for unit in pack.units if unit not in rules.anywhere]
        faults += [f"rules {rules.name!r} have no spelling for the unit {unit!r}" for unit in bare]
    return faults


def _spelling_faults(pack: Pack, where: str, unit: str, spellings: Spellings) -> list[str]:
    faults = []
    if unit not in pack.units and unit not in pack.kept:
        faults.append(f"{where}: neither a unit nor a kept character")
    if not isclose(sum(spellings.values()), 1.0, abs_tol=1e-9) or min(spellings.values(), default=0) <= 0:
        faults.append(f"{where}: probabilities must be positive and sum to 1, got {dict(spellings)}")
    odd = [latin for latin in spellings if not latin or set(latin) - set(pack.kept)]
    return faults + [f"{where}: {latin!r} is empty or has characters outside 'kept'" for latin in odd]
