"""Reducers over datasets and streams, the rotated basis, and result tables."""
