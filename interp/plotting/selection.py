"""What a reader has chosen, as one object that views follow and a notebook reads and writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import param

from interp.errors import OptionError, unknown_name_error

SCHEMA = "interp.selection"


class Selection(param.Parameterized):
    """A pair, a unit, a place in the text, a sentence of one's own and edits; all that a dashboard shows follows it.

    Watch it as any object of param: ``selection.param.watch(redraw, ["pair", "unit"])``. Several values change in one
    go with ``selection.param.update(pair="t=>ծ", unit="lstm.0.backward.h.11")``.

    Examples
    --------
    >>> chosen = Selection(pair="t=>ծ", span=(3, 7))
    >>> chosen.query()
    'pair=t%3D%3E%D5%AE&span=%5B3%2C+7%5D'
    >>> other = Selection()
    >>> other.restore(Selection.parse(chosen.query()))
    >>> other.span
    (3, 7)
    """

    pair = param.String(default="", doc="A pair, such as t=>ծ; empty for none.")
    unit = param.String(default="", doc="A unit, such as lstm.0.backward.h.11; empty for none.")
    units = param.List(default=[], item_type=str, doc="Further units of the strips.")
    window = param.Integer(default=0, bounds=(0, None), doc="Which piece of a long store is shown, from 0.")
    sample = param.Integer(default=-1, bounds=(-1, None), doc="A sample of the window; -1 for its first.")
    span = param.NumericTuple(
        default=None, length=2, allow_None=True, doc="Steps of the text that are selected, half-open."
    )
    pattern = param.Dict(
        default={}, doc="How a hypothesis about the span is searched: options of the probe, such as {'regex': 'tyun'}."
    )
    text = param.String(default="", doc="A sentence to run through the model, instead of a sample.")
    edits = param.List(
        default=[], item_type=dict, doc="What if: {'unit': name, 'to': 'zero', 'mean' or 'value', 'value': number}."
    )

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)  # type: ignore[no-untyped-call]

    @classmethod
    def names(cls) -> list[str]:
        """Return what there is to choose, in order."""
        return [name for name in cls.param if name != "name"]

    def state(self) -> dict[str, Any]:
        """Return the values that are not the default ones, as JSON has them."""
        held = {name: getattr(self, name) for name in self.names()}
        kept = {name: value for name, value in held.items() if value != self.param[name].default}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in kept.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take all values from a state, those it lacks by default; nothing changes where one of them is wrong.

        Raises
        ------
        UnknownNameError
            A name that there is not.
        OptionError
            A value of another type.
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
            raise OptionError(f"This is no selection: {error}") from error
        self.param.update(**values)

    def query(self) -> str:
        """Return the state as the query of a URL."""
        return urlencode({name: _written(value) for name, value in self.state().items()})

    @classmethod
    def parse(cls, query: str) -> dict[str, Any]:
        """Return the state that the query of a URL holds; names that are not ours are left out.

        Raises
        ------
        OptionError
            A number or a list that can't be read.
        """
        pairs = parse_qsl(query.removeprefix("?"), keep_blank_values=True)
        return {name: _read(name, value, cls) for name, value in pairs if name in cls.names()}

    def to_json(self) -> str:
        """Return the state as a small JSON document."""
        return json.dumps({"schema": SCHEMA, "version": 1, **self.state()}, ensure_ascii=False, indent=1) + "\n"

    def from_json(self, text: str) -> None:
        """Take the state from what `to_json` returned.

        Raises
        ------
        OptionError
            Another document.
        """
        try:
            held = json.loads(text)
        except ValueError as error:
            raise OptionError(f"Expected a JSON file that a dashboard saved; {error}.") from error
        if not isinstance(held, dict) or held.pop("schema", None) != SCHEMA or held.pop("version", None) != 1:
            raise OptionError(f"Expected a JSON file that a dashboard saved: schema {SCHEMA!r}, version 1.")
        self.restore(held)


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _read(name: str, value: str, cls: type[Selection]) -> Any:
    if isinstance(cls.param[name].default, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise OptionError(f"{name}={value!r} can't be read: {error}.") from error
