"""Transliteration without a network: rules, a character n-gram, and other packages."""
