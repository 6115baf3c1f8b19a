"""Corpora as documents of clean sentences."""
