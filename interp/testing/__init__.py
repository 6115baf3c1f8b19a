"""Helpers for the tests of a plugin: its rules as test cases, a toy capture, and a network with known answers."""

from interp.testing.api import check_plugin, check_plugin_test, isolated_registry
from interp.testing.planted import PlantedCapture, planted_network
from interp.testing.toy import toy_capture

__all__ = [
    "PlantedCapture",
    "check_plugin",
    "check_plugin_test",
    "isolated_registry",
    "planted_network",
    "toy_capture",
]
