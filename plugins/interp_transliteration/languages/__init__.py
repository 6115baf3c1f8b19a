"""Language packs, romanisation with typing errors, and the noisy channel."""
