"""Does regularisation make units more readable? Screen, then confirm: the article's open question."""
