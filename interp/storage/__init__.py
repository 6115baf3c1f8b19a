"""Zarr stores: encoding, checksums, manifests, resumable writing and upgrades."""
