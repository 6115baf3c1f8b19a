"""Distributed measurement and capture: work in shards, on a Dask cluster, with partial states on disk."""
