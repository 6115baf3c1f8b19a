"""What a check is: a plugin, an object of it, a rule; and how it fails, by names and with what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any, NoReturn

from interp.draw import POSITIONAL
from interp.errors import InterpError, PluginError

if TYPE_CHECKING:
    from interp.conformance.toys import Toy
    from interp.registry import Registry

Given = Mapping[str, Any] | Callable[[Any], Mapping[str, Any]]
SIZE = "toy_sources"
Rule = Callable[["Subject"], None]


class ConformanceError(InterpError, AssertionError):
    """A plugin that breaks a rule; the text names plugin, object, rule and remedy."""


class NotApplicable(Exception):  # noqa: N818 (no error: the check is left out, and why)
    """What a rule can't be held on, such as a probe whose options nobody gave."""


@dataclass(frozen=True, eq=False)
class Subject:
    """What is checked: a plugin, or one object that it registered.

    Attributes
    ----------
    plugin : str
        Its name.
    kind : str
        ``plugin``, ``probe``, ``viewer``, …
    name : str
        Of the object; of the plugin itself its name again.
    value : object
        What was registered; of the plugin itself the module or object with hooks.
    given : mapping, or callable
        Options to call it with, by parameter, or a function that makes them from the toy.
    host : Registry, optional
        In which names are looked up while a rule is held: what is installed, and the plugin.
    """

    plugin: str
    kind: str
    name: str
    value: Any = field(repr=False)
    given: Given = field(default_factory=dict, repr=False)
    host: Registry | None = field(default=None, repr=False)
    kept: dict[str, Any] = field(default_factory=dict, repr=False)

    def fail(self, what: str, remedy: str) -> NoReturn:
        """Raise `ConformanceError`: what is wrong, and what to do."""
        who = f"Plugin {self.plugin!r}" + ("" if self.kind == "plugin" else f", {self.kind} {self.name!r}")
        raise ConformanceError(f"{who}: {what} Remedy: {remedy}")

    def toy(self, kind: str = "LSTM") -> Toy:
        """Return a fresh toy, of as many sources as ``toy_sources`` among the given options says."""
        from interp.testing import toy

        return toy(kind, sources=self.fixed[SIZE]) if SIZE in self.fixed else toy(kind)

    @property
    def fixed(self) -> dict[str, Any]:
        """The options that were given as they are, not as a function of the toy."""
        return {} if callable(self.given) else dict(self.given)

    def datasets(self) -> list[str]:
        """Return the names of the parameters that take datasets: those that can be given by position."""
        return [name for name, held in signature(self.value).parameters.items() if held.kind in POSITIONAL]

    def options(self, world: Toy) -> dict[str, Any]:
        """Return the arguments to call the object with: those given, and what the toy has under their names.

        Raises
        ------
        NotApplicable
            For a required one that nobody gives.
        """
        given = dict(self.given(world) if callable(self.given) else self.given)
        given.pop(SIZE, None)
        if self.kind == "viewer":  # positional ones are datasets
            given = {name: held for name, held in given.items() if name not in self.datasets()}
        for name, parameter in signature(self.value).parameters.items():
            optional = name in NETWORK and parameter.default is None
            if name not in given and (optional or (name in FILLED and parameter.default is Parameter.empty)):
                given[name] = getattr(world, name)
        missing = [
            name
            for name, held in signature(self.value).parameters.items()
            if held.kind is Parameter.KEYWORD_ONLY and held.default is Parameter.empty and name not in given
        ]
        if missing:
            raise NotApplicable(f"nobody gives {', '.join(missing)}: conformance(…, options={{{self.name!r}: {{…}}}})")
        return given


def answered(make: Callable[[], Any]) -> Any:
    """Return what a call returns; an error that asks for something is no fault, but the rule can't be held.

    Raises
    ------
    NotApplicable
        With the error's text.
    PluginError
        As it is: the plugin is at fault.
    """
    try:
        return make()
    except PluginError:
        raise
    except InterpError as error:
        raise NotApplicable(f"on the toy it says: {error} Give options= for it.") from error


NETWORK = ("model", "batches")
FILLED = (*NETWORK, "wiring", "unit", "units", "pair", "ranking")
"""Parameters that the toy has something for."""


@dataclass(frozen=True)
class Check:
    """One rule held on one object; call it to run it.

    Attributes
    ----------
    subject : Subject
    rule : str
        Kebab-case.
    """

    subject: Subject
    rule: str
    run: Rule = field(repr=False)

    @property
    def id(self) -> str:
        """``object/rule``: what `expected_failures` takes."""
        return f"{self.subject.name}/{self.rule}"

    def __call__(self) -> None:
        """Run it.

        Raises
        ------
        ConformanceError
            When the rule is broken, or the object raises what it should not.
        NotApplicable
            When it can't be held on this object.
        """
        from interp.registry import isolated

        try:
            with isolated(self.subject.host) if self.subject.host is not None else nullcontext():
                self.run(self.subject)
        except (ConformanceError, NotApplicable):
            raise
        except Exception as error:  # a stranger's code may raise anything, and it has to have a name on it
            try:
                self.subject.fail(
                    f"the check {self.rule!r} ended in {type(error).__name__}: {error}",
                    "make it answer, or raise an error of interp that says what to type; the traceback is above.",
                )
            except ConformanceError as named:
                raise named from error
