"""The checks that `interp.testing.conformance` holds a plugin to: a file for each kind of object."""
