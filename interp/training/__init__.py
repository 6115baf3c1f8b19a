"""Parts of `interp.train`: penalties on live activations."""
