"""Edits of units while a model runs, and the gradients of every gate."""
