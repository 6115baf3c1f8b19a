"""Selection of a reader: one object that views follow, and that notebooks read and write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import param

from interp.errors import OptionError, unknown_name_error

SCHEMA = "interp.selection"


class Selection(param.Parameterized):
    """Selected pair, unit, position in the text, own sentence and edits. All views of a dashboard follow it.

    Watch it like any object of param: ``selection.param.watch(redraw, ["pair", "unit"])``. Set several values at once
    with ``selection.param.update(pair="t=>ծ", unit="lstm.0.backward.h.11")``.

    Examples
    --------
    >>> selection = Selection(pair="t=>ծ", span=(3, 7))
    >>> selection.query()
    'pair=t%3D%3E%D5%AE&span=%5B3%2C+7%5D'
    >>> other = Selection()
    >>> other.restore(Selection.parse(selection.query()))
    >>> other.span
    (3, 7)
    """

    pair = param.String(default="", doc="Name of a pair, such as t=>ծ; empty for none.")
    unit = param.String(default="", doc="Name of a unit, such as lstm.0.backward.h.11; empty for none.")
    units = param.List(default=[], item_type=str, doc="Names of further units of the strips.")
    window = param.Integer(default=0, bounds=(0, None), doc="Number of the window of a long store, from 0.")
    sample = param.Integer(default=-1, bounds=(-1, None), doc="Sample of the window; -1 for the first one.")
    span = param.NumericTuple(
        default=None, length=2, allow_None=True, doc="First and last selected step of the text; the last is exclusive."
    )
    pattern = param.Dict(
        default={}, doc="Options of the probe hypothesis for the selected span, such as {'regex': 'tyun'}."
    )
    text = param.String(default="", doc="Sentence to run through the model instead of a sample.")
    edits = param.List(
        default=[],
        item_type=dict,
        doc="Edits of the model: {'unit': name, 'to': 'zero', 'mean' or 'value', 'value': number}.",
    )

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)  # type: ignore[no-untyped-call]

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of the values, in order."""
        return [name for name in cls.param if name != "name"]

    def state(self) -> dict[str, Any]:
        """Return the values that differ from the defaults, in types of JSON."""
        values = {name: getattr(self, name) for name in self.names()}
        changed = {name: value for name, value in values.items() if value != self.param[name].default}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in changed.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Set all values from a state. Missing ones get their default; after an error nothing has changed.

        Parameters
        ----------
        state : mapping of str to value
            Values by name, as `state` and `parse` return them.

        Raises
        ------
        UnknownNameError
            For a name that is not one of `names`.
        OptionError
            For a value of another type or out of range.
        """
        for name in state:
            if name not in self.names():
                raise unknown_name_error("part of a selection", str(name), self.names())
        values = {name: state.get(name, self.param[name].default) for name in self.names()}
        if isinstance(values["span"], list):
            values["span"] = tuple(values["span"])
        try:
            type(self)(**values)
        except (ValueError, TypeError) as error:
            raise OptionError(f"Not a valid selection: {error}") from error
        self.param.update(**values)

    def query(self) -> str:
        """Return the state as the query string of a URL."""
        return urlencode({name: _to_text(value) for name, value in self.state().items()})

    @classmethod
    def parse(cls, query: str) -> dict[str, Any]:
        """Return the state in the query string of a URL; parameters with other names are ignored.

        Raises
        ------
        OptionError
            For a number or a list that can't be parsed.
        """
        pairs = parse_qsl(query.removeprefix("?"), keep_blank_values=True)
        return {name: _from_text(name, value, cls) for name, value in pairs if name in cls.names()}

    def to_json(self) -> str:
        """Return the state as a JSON document."""
        return json.dumps({"schema": SCHEMA, "version": 1, **self.state()}, ensure_ascii=False, indent=1) + "\n"

    def from_json(self, text: str) -> None:
        """Set all values from a JSON document that `to_json` returned.

        Raises
        ------
        OptionError
            For another document.
        """
        try:
            state = json.loads(text)
        except ValueError as error:
            raise OptionError(f"Expected a JSON file that a dashboard saved; {error}.") from error
        if not isinstance(state, dict) or state.pop("schema", None) != SCHEMA or state.pop("version", None) != 1:
            raise OptionError(f"Expected a JSON file that a dashboard saved: schema {SCHEMA!r}, version 1.")
        self.restore(state)


def _to_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _from_text(name: str, value: str, cls: type[Selection]) -> Any:
    if isinstance(cls.param[name].default, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise OptionError(f"{name}={value!r} can't be read: {error}.") from error
