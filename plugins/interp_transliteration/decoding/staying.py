"""Which words stay as they are typed, where an n-gram is weighed too: what both say, and what the other words say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from interp_transliteration.combined import Combined
from interp_transliteration.words import Evidence, Words

# `models/fit_staying.py`: a regression on held-out sentences, as they are and with Latin passages between their words.
GAIN, ODDS = 0.25, 0.40  # for each nat of the search, and for each nat a letter of the network
OTHER, ANYHOW = 0.22, 0.25  # for what speaks for the other word that most likely stays, and to begin with
REACH = 9.0  # as far as that counts
HOPELESS = -40.0  # nats: log odds below which a word is script
AROUND = 8  # letters beside a word that are searched with it: an n-gram sees no further


class Staying:
    """Decides for each word whether it stays.

    The log odds are ``.25 gain + .40 odds + .22 other + .25``: the gain of the search, log P of the line with the word
    as it is typed less that with the word in the script; the network's log odds, of a letter in the mean; and the first
    two terms of the other word for which they are largest, from -9, where there is none, to 9. A network that is
    trained on Latin passages takes foreign names for more of them; an n-gram knows how names are written.

    Parameters
    ----------
    words : Words
    combined : Combined
    """

    def __init__(self, words: Words, combined: Combined) -> None:
        self.words, self.combined = words, combined

    def __call__(self, typed: str, logs: np.ndarray) -> list[slice]:
        """Return the letters of the words that stay; links and strange words always do.

        Parameters
        ----------
        typed : str
        logs : array (letter, output)
            The network's log probabilities.
        """
        certain, found = self.gains(typed, logs)
        own = [GAIN * gain + ODDS * word.odds / word.letters for word, gain in found]
        stays = [one + OTHER * other + ANYHOW > 0 for one, other in zip(own, others(own), strict=True)]
        return certain + [word.inner() for (word, _), stay in zip(found, stays, strict=True) if stay]

    def gains(self, typed: str, logs: np.ndarray) -> tuple[list[slice], list[tuple[Evidence, float]]]:
        """Return the letters of the words that stay anyhow, and the gain of each that may stay, in nats."""
        words = self.words.evidence(typed, logs)
        certain = [word.inner() for word in words if np.isinf(word.odds)]
        found = [word for word in words if HOPELESS < word.odds < np.inf]
        kept = certain + [word.inner() for word in found if word.odds > 0]
        return certain, [(word, self._gain(typed, logs, word.inner(), kept)) for word in found]

    def _gain(self, typed: str, logs: np.ndarray, here: slice, kept: Sequence[slice]) -> float:
        first, last = max(here.start - AROUND, 0), here.stop + AROUND
        part, near = typed[first:last], logs[first:last]
        beside = [_moved(one, first) for one in kept if one != here and one.stop > first]
        both = ([*beside, _moved(here, first)], beside)
        latin, script = (self.combined.weigh(part, self.words.fix(part, near, stays)) for stays in both)
        return latin - script


def others(own: Sequence[float]) -> list[float]:
    """Return for each word what speaks for the one among the others that most likely stays."""
    best = (max((*own[:at], *own[at + 1 :]), default=-REACH) for at in range(len(own)))
    return [min(max(one, -REACH), REACH) for one in best]


def _moved(span: slice, first: int) -> slice:
    """Return a span of a line as one of what begins at a letter of it."""
    return slice(max(span.start - first, 0), span.stop - first)
