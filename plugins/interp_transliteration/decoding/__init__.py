"""Text to script: the network's probabilities, Latin words, and the fusion with an n-gram."""
