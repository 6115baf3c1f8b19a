"""Conformance rules of `interp.testing.check_plugin_test`, one file per kind of object."""
