"""The viewer ``unit-card``: activations, pairs, gates, text, connections and correlations of one unit."""
