"""What a plugin's own tests call: known answers to hold a probe against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from interp.conformance.running import Outcome
    from interp.conformance.toys import Toy
    from interp.registry import Registry

KINDS = ("detector", "spread", "xor", "twin", "silent", "topic", "position", "noise")
FINDS: Mapping[str, Mapping[str, bool | str]] = {
    "hellinger": {"detector": True, "spread": True, "twin": True, "silent": True, "position": "given"},
    "mutual-information": {"detector": True, "spread": True, "twin": True, "silent": True, "position": "given"},
    "auc": {"detector": True, "twin": True, "silent": True, "position": "given"},
    "mean-difference": {"detector": True, "twin": True, "silent": True, "position": "given"},
    "classifier": {"detector": True, "twin": True, "silent": True, "position": "given"},
    "classifier-products": {"detector": True, "xor": "together", "twin": True, "silent": True, "position": "given"},
    "ablation": {"detector": True, "twin": "together"},
}
EXPECTATIONS: Mapping[str, Mapping[str, bool | str]] = MappingProxyType(
    {probe: MappingProxyType({kind: found.get(kind, False) for kind in KINDS}) for probe, found in FINDS.items()}
)


@dataclass(frozen=True)
class Planted:
    """A network and a text of which all is known.

    Attributes
    ----------
    model : Module
        biLSTM ``lstm`` of 64 units, dense layers ``hidden`` and ``output``, in eval mode.
    batches : iterable of Batch
        Labels ``input``, ``output``, ``position`` (``early``, ``late``), ``source`` (two samples each) and
        ``predicted``. The inputs ``s`` and ``t`` become one of two symbols, all others one.
    kinds : mapping of str to str
        The kind of each unit ``lstm.0.….h.…``; other units (gates, cells, dense layers) are not listed.
    expectations : mapping of str to mapping
        ``expectations[probe][kind]``: whether a probe has to find units of this kind for pairs of ``s`` and ``t``.
        ``"given"``: found, but not with ``given=("position",)``. ``"together"``: two of them together, not one alone.
        Of classifiers it is the code length that does not find spread and xor; an accuracy, which hangs on a cut, may.
    """

    model: torch.nn.Module
    batches: Any
    kinds: Mapping[str, str]
    expectations: Mapping[str, Mapping[str, bool | str]]


def planted(seed: int = 0, *, sources: int = 400) -> Planted:
    """Return a biLSTM with weights set by hand, and text of known law.

    Kinds of units, four each: detector (of a neighbour letter that tells the output with probability .9), spread (the
    same letter in its variance, with one mean), xor (two letters, each independent of the output, that tell it
    together), twin (copies of a detector), silent (a detector that nobody reads), topic (constant in a source,
    independent of the output), position (first or second half of a text, which prefer other outputs; independent of
    the output within a half). All others are noise, every other one with a memory. Units add noise to what they read.

    Parameters
    ----------
    seed : int
        Of the text and the noise; the weights are always the same.
    sources : int
        Independent texts, of 8 to 16 words and two samples each. With 100 each pair has about 600 tokens, with the
        400 of the default about 2,400.

    Returns
    -------
    Planted
    """
    from interp.planting import PlantedNetwork, PlantedText, planted_kinds

    return Planted(PlantedNetwork().eval(), PlantedText(seed, sources), planted_kinds(), EXPECTATIONS)


def conformance(
    plugin: object,
    *,
    options: Mapping[str, Any] | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> Callable[[Any], None]:
    """Return a test with one case for each object of a plugin and each rule, for pytest to find.

    ``test_conformance = interp.testing.conformance(my_plugin)`` in a test file is all there is to write. The toy that
    objects are run on is `toy`; what a rule can't be held on is skipped, with the reason.

    Parameters
    ----------
    plugin : module, object or str
        With functions under ``@hookimpl``; the name of an installed one.
    options : mapping of str to mapping or callable, optional
        By the name of an object (``"viewer …"`` where a probe has the same): what it is called with, or
        ``toy -> mapping``. What an object requires is filled in where the toy has it: ``model``, ``batches``,
        ``wiring``, ``unit``, ``units``, ``pair``, ``ranking``.
        ``"toy_sources": 4`` makes the toy smaller for what takes long.
    expected_failures : mapping of str to str, optional
        ``{"object/rule": reason}``. One that passes is a failure: it is to be removed.

    Returns
    -------
    callable
        Parametrized.

    Raises
    ------
    OptionError
        Options or failures for what the plugin does not have, or a failure without a reason.
    """
    import pytest

    from interp.conformance.running import FAILED, PASSED, checks, outcome, reasons

    known = checks(plugin, options)
    expected = reasons(known, expected_failures or {})

    def test(check: Any) -> None:
        found = outcome(check, expected)
        if found.state == FAILED:
            pytest.fail(found.told, pytrace=False)
        if found.state != PASSED:
            pytest.skip(found.told)

    return pytest.mark.parametrize("check", known, ids=lambda check: check.id)(test)  # type: ignore[no-any-return]


def check(
    plugin: object,
    *,
    options: Mapping[str, Any] | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> list[Outcome]:
    """Return how each check of a plugin ends, without pytest; ``interp check`` prints it.

    Parameters
    ----------
    plugin, options, expected_failures
        As of `conformance`.

    Returns
    -------
    list of Outcome
        ``check`` (``object/rule``), ``state`` (passed, failed, left out, expected to fail) and ``told``, why.
    """
    from interp.conformance.running import checks, outcome, reasons

    known = checks(plugin, options)
    expected = reasons(known, expected_failures or {})
    return [outcome(one, expected) for one in known]


@contextmanager
def host(*plugins: object) -> Iterator[Registry]:
    """Let ``interp`` know these plugins alone, in place of those that are installed, until the block ends.

    Parameters
    ----------
    *plugins : module, object or str
        With functions under ``@hookimpl``; the names of installed ones.

    Yields
    ------
    Registry
        Of these.

    Raises
    ------
    PluginError
        As `interp.register`.
    """
    from interp.conformance.running import named
    from interp.registry import Registry, isolated

    held = {one if isinstance(one, str) else getattr(one, "__name__", type(one).__name__): one for one in plugins}
    known = {name: named(one) if isinstance(one, str) else one for name, one in held.items()}
    with isolated(Registry(known)) as registry:
        yield registry


def toy(kind: str = "LSTM", seed: int = 0, *, sources: int = 80) -> Toy:
    """Return a small bidirectional network, its text and its activations, for tests that have to be quick.

    Parameters
    ----------
    kind : {"LSTM", "GRU", "RNN"}
        Of the recurrent module.
    seed : int
        Of weights and text.
    sources : int
        Independent texts of two samples each, 18 tokens long.

    Returns
    -------
    Toy
        ``model``, ``batches``, ``acts`` ``(token, unit)``, ``wiring``, and names: ``unit``, ``units``, ``pair``.

    Raises
    ------
    OptionError
        For another kind.
    """
    from interp.conformance.toys import made

    return made(kind, seed, sources)
