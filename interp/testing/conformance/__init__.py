"""Conformance rules of `interp.testing.conformance`, one file per kind of object."""
