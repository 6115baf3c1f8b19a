"""Implementation of `interp.train`: penalties on activations during training."""
