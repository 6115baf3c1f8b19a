"""Public test helpers for plugins: conformance checks, planted and toy networks, isolated registries."""

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
    {
        probe: MappingProxyType({kind: detections.get(kind, False) for kind in KINDS})
        for probe, detections in FINDS.items()
    }
)


@dataclass(frozen=True)
class Planted:
    """Network and text with known ground truth.

    Attributes
    ----------
    model : Module
        biLSTM ``lstm`` of 64 units, dense layers ``hidden`` and ``output``, in eval mode.
    batches : iterable of Batch
        Labels ``input``, ``output``, ``position`` (``early``, ``late``), ``source`` (two samples each) and
        ``predicted``. The inputs ``s`` and ``t`` map to one of two symbols each, all others to one.
    kinds : mapping of str to str
        Kind of each unit ``lstm.0.….h.…``; other units (gates, cells, dense layers) are not listed.
    expectations : mapping of str to mapping
        ``expectations[probe][kind]``: whether a probe must detect units of this kind for pairs of ``s`` and ``t``.
        ``"given"``: detected, but not conditionally on ``position``. ``"together"``: only two units jointly. For
        classifiers, use code length: accuracy can be above chance on ``spread`` and ``xor`` units because of where the
        decision threshold falls.
    """

    model: torch.nn.Module
    batches: Any
    kinds: Mapping[str, str]
    expectations: Mapping[str, Mapping[str, bool | str]]


def planted(seed: int = 0, *, sources: int = 400) -> Planted:
    """Return a biLSTM with hand-set weights and text from a known distribution.

    Kinds of units, four each: detector (encodes a neighbour letter that predicts the output with probability 0.9),
    spread (encodes the same letter in its variance, at equal means), xor (two letters that predict the output only
    jointly), twin (copies of a detector), silent (a detector that no layer reads), topic (constant in a source,
    independent of the output), position (first or second half of a text; the halves prefer different outputs, and the
    unit is independent of the output within a half). All other units are noise, every other one with memory. Units add
    noise to their input.

    Parameters
    ----------
    seed : int
        Random seed of text and noise; the weights are fixed.
    sources : int
        Number of independent texts, of 8 to 16 words and two samples each. A pair has about 600 tokens with 100
        sources, and about 2,400 with the default of 400.

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
    """Return a pytest test with one case per object of a plugin and rule.

    A test file needs only ``test_conformance = interp.testing.conformance(my_plugin)``. Objects run on the network of
    `toy`; rules that don't apply to an object are skipped with a reason.

    Parameters
    ----------
    plugin : module, object or str
        Plugin with functions under ``@hookimpl``, or the name of an installed one.
    options : mapping of str to mapping or callable, optional
        Options by the name of an object (``"viewer …"`` if a probe has the same name): a mapping, or a function
        ``toy -> mapping``. Required options are filled in from the toy if it has them: ``model``, ``batches``,
        ``wiring``, ``unit``, ``units``, ``pair``, ``ranking``. ``"toy_sources": 4`` makes the toy smaller for slow
        objects.
    expected_failures : mapping of str to str, optional
        ``{"object/rule": reason}``. An expected failure that passes is reported as a failure.

    Returns
    -------
    callable
        Parametrized test function.

    Raises
    ------
    OptionError
        Options or expected failures name an unknown object or rule, or a reason is empty.
    """
    import pytest

    from interp.conformance.running import FAILED, PASSED, checks, outcome, reasons

    plugin_checks = checks(plugin, options)
    expected = reasons(plugin_checks, expected_failures or {})

    def test(check: Any) -> None:
        result = outcome(check, expected)
        if result.state == FAILED:
            pytest.fail(result.told, pytrace=False)
        if result.state != PASSED:
            pytest.skip(result.told)

    return pytest.mark.parametrize("check", plugin_checks, ids=lambda check: check.id)(test)  # type: ignore[no-any-return]


def check(
    plugin: object,
    *,
    options: Mapping[str, Any] | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> list[Outcome]:
    """Run all checks of a plugin without pytest and return their outcomes, as ``interp check`` prints them.

    Parameters
    ----------
    plugin, options, expected_failures
        As in `conformance`.

    Returns
    -------
    list of Outcome
        Fields ``check`` (``object/rule``), ``state`` (passed, failed, skipped, expected failure) and ``told`` (the
        reason).
    """
    from interp.conformance.running import checks, outcome, reasons

    plugin_checks = checks(plugin, options)
    expected = reasons(plugin_checks, expected_failures or {})
    return [outcome(plugin_check, expected) for plugin_check in plugin_checks]


@contextmanager
def host(*plugins: object) -> Iterator[Registry]:
    """Replace the installed plugins with these ones until the block ends.

    Parameters
    ----------
    *plugins : module, object or str
        Plugins with functions under ``@hookimpl``, or the names of installed ones.

    Yields
    ------
    Registry
        Registry of these plugins.

    Raises
    ------
    PluginError
        A plugin can't be registered; see `interp.register`.
    """
    from interp.conformance.running import named
    from interp.registry import Registry, isolated

    by_name = {one if isinstance(one, str) else getattr(one, "__name__", type(one).__name__): one for one in plugins}
    resolved = {name: named(one) if isinstance(one, str) else one for name, one in by_name.items()}
    with isolated(Registry(resolved)) as registry:
        yield registry


def toy(kind: str = "LSTM", seed: int = 0, *, sources: int = 80) -> Toy:
    """Return a small bidirectional network with its text and activations, for quick tests.

    Parameters
    ----------
    kind : {"LSTM", "GRU", "RNN"}
        Type of the recurrent module.
    seed : int
        Random seed of weights and text.
    sources : int
        Number of independent texts, of two samples with 18 tokens each.

    Returns
    -------
    Toy
        Fields ``model``, ``batches``, ``acts`` ``(token, unit)``, ``wiring``, and the names ``unit``, ``units`` and
        ``pair``.

    Raises
    ------
    OptionError
        The kind is unknown.
    """
    from interp.conformance.toys import made

    return made(kind, seed, sources)
