"""Parts of `interp.measure` and `interp.capture`: the same work in shards, on a cluster, and recorded on disk."""
