"""What an input is compared with: real sentences, zeros, or spaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError

if TYPE_CHECKING:
    from torch import Tensor

    from interp_attribution.feeding import Feed

KINDS = ("sentences", "zero", "space")


class Baselines:
    """Gives the baselines of each sample.

    Parameters
    ----------
    kind : {"sentences", "zero", "space"}
        Samples of other sources, zeros, or the row of the letter ``" "`` at every step.
    number : int
        Sentences for each sample.
    pool : sequence of Feed
        Where sentences, and the space, are taken from.
    sources : sequence of array (sample,)
        The source of each sample of each feed.
    space : Tensor (feature,), optional
        The row of a space.
    seed : int
        Of the choice.

    Notes
    -----
    Sentences of the same length come first, in random order, one a source. Where there are too few, longer ones
    follow, cut at the end, those least longer first; then shorter ones, those least shorter first, each continued by
    others.
    """

    def __init__(
        self,
        kind: str,
        number: int,
        pool: Sequence[Feed],
        sources: Sequence[np.ndarray],
        space: Tensor | None = None,
        seed: int = 0,
    ) -> None:
        if kind not in KINDS:
            raise OptionError(f"baseline= must be one of {', '.join(KINDS)}; got {kind!r}.")
        if number < 1:
            raise OptionError(f"sentences= must be at least 1; got {number}.")
        self.kind, self.number, self.pool, self.space, self.seed = kind, number, pool, space, seed
        self.sources = np.concatenate(sources) if len(sources) else np.zeros(0, np.int64)
        self.lengths = np.concatenate([feed.lengths.numpy() for feed in pool]) if len(pool) else self.sources
        self.places = [(feed, sample) for feed in pool for sample in range(len(feed.lengths))]

    def of(self, feed: Feed, sample: int, source: int) -> Tensor:
        """Return the baselines of a sample, ``(baseline, step, feature)``; past its end they are the sample itself."""
        import torch

        own, length = feed.x[sample], int(feed.lengths[sample])
        if self.kind != "sentences":
            found = own.clone()
            found[:length] = 0 if self.kind == "zero" or self.space is None else self.space
            return found[None]
        rows = []
        for joined in self.chosen(length, source, sample):
            parts = [self.places[place] for place in joined]
            text = torch.cat([other.x[which, : int(other.lengths[which])] for other, which in parts])
            rows.append(torch.cat([text[:length], own[length:]]))
        return torch.stack(rows)

    def chosen(self, length: int, source: int, sample: int) -> list[list[int]]:
        """Return which samples of the pool, one after the other, make each baseline of a sample."""
        draw = np.random.default_rng([self.seed, abs(source), sample]).permutation(len(self.sources))
        fit = draw[self.sources[draw] != source]
        if not fit.size:
            raise OptionError(
                "No sentence of another source is there to compare a sample with. Give some with pool=, or "
                "baseline='zero' or 'space'."
            )
        fit = fit[np.lexsort((abs(self.lengths[fit] - length), self.lengths[fit] < length))]
        _, first = np.unique(self.sources[fit], return_index=True)
        return [self._joined(np.roll(fit, -start), length) for start in np.sort(first)[: self.number].tolist()]

    def _joined(self, order: np.ndarray, length: int) -> list[int]:
        """Return the first samples of an order that have a length together; all again where they don't."""
        ends = np.cumsum(self.lengths[order])
        order = np.tile(order, -(-length // int(ends[-1])))
        return [int(place) for place in order[: int(np.searchsorted(np.cumsum(self.lengths[order]), length)) + 1]]


def baselines_of(setting: Any, kind: str, number: int, pool: Any, embedding: str, seed: int) -> Baselines:
    """Return the baselines that the options of a probe ask for."""
    from interp_attribution.feeding import fed
    from interp_attribution.setting import listed, per_sample

    feeds = setting.feeds if pool is None else [fed(setting.model, batch, embedding) for batch in listed(pool)]
    sources, first = [], 0
    for feed in feeds:
        stated = (feed.batch.labels or {}).get("source")
        own = np.arange(first, first + len(feed.lengths)) if pool is None else np.arange(-len(feed.lengths), 0) - first
        if stated is not None:
            own = np.array([part[0] for part in per_sample(stated, feed.lengths.numpy())])
        sources.append(own)
        first += len(feed.lengths)
    return Baselines(kind, number, feeds, sources, space_of(feeds) if kind == "space" else None, seed)


def space_of(feeds: Sequence[Feed]) -> Tensor:
    """Return the row of a space, the first letter of the label ``input`` that is one."""
    from interp_attribution.setting import per_sample

    for feed in feeds:
        letters = per_sample((feed.batch.labels or {}).get("input", []), feed.lengths.numpy())
        for sample, row in enumerate(letters):
            if " " in row:
                return feed.x[sample, row.index(" ")]
    raise OptionError("baseline='space' needs batches whose label 'input' has a space ' ' somewhere.")
