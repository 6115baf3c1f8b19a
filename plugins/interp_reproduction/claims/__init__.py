"""Claims of the article: statistics, ablations and verdicts."""
