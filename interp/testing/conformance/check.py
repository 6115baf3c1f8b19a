"""Checks: a rule applied to a plugin or one of its objects. Failures name plugin, object and remedy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any, NoReturn

from interp.api.draw import POSITIONAL
from interp.errors import InterpError, PluginError

if TYPE_CHECKING:
    from interp.registry import Registry
    from interp.testing.toy import Toy


ObjectOptions = Mapping[str, Any] | Callable[[Any], Mapping[str, Any]]
TOY_SIZE_OPTION = "toy_sources"
Rule = Callable[["CheckedObject"], None]


class ConformanceError(InterpError, AssertionError):
    """A plugin breaks a rule; the message names plugin, object and remedy."""


class NotApplicable(Exception):  # noqa: N818 (not an error: the check is skipped)
    """A rule can't be checked on an object, for example because a required option is missing; the check is skipped."""


@dataclass(frozen=True, eq=False)
class CheckedObject:
    """Object under test: a plugin, or one object that it registers.

    Attributes
    ----------
    plugin : str
        Name of the plugin.
    kind : str
        ``plugin``, ``probe``, ``viewer``, …
    name : str
        Name of the object, or of the plugin itself.
    value : object
        Registered object, or the module or object with hooks.
    object_options : mapping, or callable
        Options to call it with, or a function ``toy -> mapping``.
    host : Registry, optional
        Registry used during a check: the installed plugins and this one.
    cache : dict
        Results shared by several rules.
    """

    plugin: str
    kind: str
    name: str
    value: Any = field(repr=False)
    object_options: ObjectOptions = field(default_factory=dict, repr=False)
    host: Registry | None = field(default=None, repr=False)
    cache: dict[str, Any] = field(default_factory=dict, repr=False)

    def fail(self, what: str, remedy: str) -> NoReturn:
        """Raise `ConformanceError` with a fault and a remedy, a sentence each."""
        name = f"Plugin {self.plugin!r}" + ("" if self.kind == "plugin" else f", {self.kind} {self.name!r}")
        raise ConformanceError(f"{name}: {what} Remedy: {remedy}")

    def toy(self, kind: str = "LSTM") -> Toy:
        """Return a fresh toy, with the number of sources in the option ``toy_sources``."""
        from interp.testing.toy import toy_capture

        return (
            toy_capture(kind, sources=self.fixed_options[TOY_SIZE_OPTION])
            if TOY_SIZE_OPTION in self.fixed_options
            else toy_capture(kind)
        )

    @property
    def fixed_options(self) -> dict[str, Any]:
        """Options that were given as a mapping; empty if they are a function of the toy."""
        return {} if callable(self.object_options) else dict(self.object_options)

    def dataset_parameters(self) -> list[str]:
        """Return the names of the positional parameters, which take datasets."""
        return [name for name, parameter in signature(self.value).parameters.items() if parameter.kind in POSITIONAL]

    def options(self, toy: Toy) -> dict[str, Any]:
        """Return the options to call the object with: those given, and those that the toy provides.

        Raises
        ------
        NotApplicable
            A required option is missing.
        """
        options = dict(self.object_options(toy) if callable(self.object_options) else self.object_options)
        options.pop(TOY_SIZE_OPTION, None)
        if self.kind == "viewer":  # positional ones are datasets
            options = {name: value for name, value in options.items() if name not in self.dataset_parameters()}
        for name, parameter in signature(self.value).parameters.items():
            optional = name in NETWORK_PARAMETERS and parameter.default is None
            if name not in options and (optional or (name in TOY_PARAMETERS and parameter.default is Parameter.empty)):
                options[name] = getattr(toy, name)
        missing = [
            name
            for name, parameter in signature(self.value).parameters.items()
            if parameter.kind is Parameter.KEYWORD_ONLY and parameter.default is Parameter.empty and name not in options
        ]
        if missing:
            names = ", ".join(missing)
            raise NotApplicable(f"no value for {names}. Pass check_plugin_test(…, options={{{self.name!r}: {{…}}}}).")
        return options


def run_or_skip(make: Callable[[], Any]) -> Any:
    """Return the result of a call; an interp error about its input means that the rule can't be checked.

    Raises
    ------
    NotApplicable
        The call raised an `InterpError`; the message quotes it.
    PluginError
        The plugin is at fault.
    """
    try:
        return make()
    except PluginError:
        raise
    except InterpError as error:
        raise NotApplicable(f"on the toy it raises: {error} Pass options= for it.") from error


NETWORK_PARAMETERS = ("model", "batches")
TOY_PARAMETERS = (*NETWORK_PARAMETERS, "connectivity", "unit", "units", "pair", "ranking")
"""Parameters that the toy provides."""


@dataclass(frozen=True)
class Check:
    """One rule applied to one object; call it to run it.

    Attributes
    ----------
    subject : CheckedObject
        Object under test.
    rule : str
        Name of the rule, in kebab-case.
    run : callable
        Function that checks the rule.
    """

    subject: CheckedObject
    rule: str
    run: Rule = field(repr=False)

    @property
    def id(self) -> str:
        """Identifier ``object/rule``, as in ``expected_failures``."""
        return f"{self.subject.name}/{self.rule}"

    def __call__(self) -> None:
        """Run the check.

        Raises
        ------
        ConformanceError
            The rule is broken, or the object raises an unexpected error.
        NotApplicable
            The rule can't be checked on this object.
        """
        from interp.registry import use_registry

        try:
            with use_registry(self.subject.host) if self.subject.host is not None else nullcontext():
                self.run(self.subject)
        except (ConformanceError, NotApplicable):
            raise
        except Exception as error:  # third-party code may raise anything; the message must name the plugin
            try:
                self.subject.fail(
                    f"the check {self.rule!r} raised {type(error).__name__}: {error}",
                    "return a result, or raise an interp error that says what to type; the traceback is above.",
                )
            except ConformanceError as failure:
                raise failure from error
