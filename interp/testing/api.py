"""Public test helpers for plugins: conformance checks, planted and toy networks, isolated registries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from interp.registry import Registry
    from interp.testing.conformance.runner import Outcome


def check_plugin_test(
    plugin: object,
    *,
    options: Mapping[str, Any] | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> Callable[[Any], None]:
    """Return a pytest test with one case per object of a plugin and rule.

    A test file needs only ``test_conformance = interp.testing.check_plugin_test(my_plugin)``. Objects run on the
    network of `toy_capture`; rules that don't apply to an object are skipped with a reason.

    Parameters
    ----------
    plugin : module, object or str
        Plugin with functions under ``@hookimpl``, or the name of an installed one.
    options : mapping of str to mapping or callable, optional
        Options by the name of an object (``"viewer …"`` if a probe has the same name): a mapping, or a function
        ``toy -> mapping``. Required options are filled in from the toy if it has them: ``model``, ``batches``,
        ``connectivity``, ``unit``, ``units``, ``pair``, ``ranking``. ``"toy_sources": 4`` makes the toy smaller for
        slow objects.
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

    from interp.testing.conformance.runner import FAILED, PASSED, check_expected_failures, collect_checks, run_check

    plugin_checks = collect_checks(plugin, options)
    expected = check_expected_failures(plugin_checks, expected_failures or {})

    def test(check: Any) -> None:
        result = run_check(check, expected)
        if result.state == FAILED:
            pytest.fail(result.message, pytrace=False)
        if result.state != PASSED:
            pytest.skip(result.message)

    return pytest.mark.parametrize("check", plugin_checks, ids=lambda check: check.id)(test)  # type: ignore[no-any-return]


def check_plugin(
    plugin: object,
    *,
    options: Mapping[str, Any] | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> list[Outcome]:
    """Run all checks of a plugin without pytest and return their outcomes, as ``interp check`` prints them.

    Parameters
    ----------
    plugin, options, expected_failures
        As in `check_plugin_test`.

    Returns
    -------
    list of Outcome
        Fields ``check`` (``object/rule``), ``state`` (passed, failed, skipped, expected failure) and ``message`` (the
        reason).
    """
    from interp.testing.conformance.runner import check_expected_failures, collect_checks, run_check

    plugin_checks = collect_checks(plugin, options)
    expected = check_expected_failures(plugin_checks, expected_failures or {})
    return [run_check(plugin_check, expected) for plugin_check in plugin_checks]


@contextmanager
def isolated_registry(*plugins: object) -> Iterator[Registry]:
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
    from interp.registry import Registry, use_registry
    from interp.testing.conformance.runner import installed_plugin

    by_name = {one if isinstance(one, str) else getattr(one, "__name__", type(one).__name__): one for one in plugins}
    resolved = {name: installed_plugin(one) if isinstance(one, str) else one for name, one in by_name.items()}
    with use_registry(Registry(resolved)) as registry:
        yield registry
