"""What `interp.intervene` and `interp.run` are made of."""
