"""Error rates, tracks and comparison tables."""
