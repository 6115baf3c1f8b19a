"""Implementation of `interp.intervene` and `interp.run`."""
