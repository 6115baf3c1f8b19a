"""What stands under a picture: model, dataset, n, window, options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

NAMES = ("task", "language", "rules", "corpus", "split")  # attrs that say what the text was
FEWEST_TOKENS, FEWEST_SOURCES = 300, 50
GREY = f"grey: under {FEWEST_TOKENS} tokens or {FEWEST_SOURCES} sources"


def counts(tokens: int, sources: int) -> str:
    """Return n as tokens / sources: ``1,112 / 214``."""
    return f"{tokens:,} / {sources:,}"


def brief_counts(tokens: int, sources: int) -> str:
    """Return n as tokens / sources in at most 13 characters: ``24.8k / 4,714``.

    Examples
    --------
    >>> brief_counts(24_758, 4_714), brief_counts(9_999_999, 123_456)
    ('24.8k / 4,714', '10.0M / 123k')
    """
    return f"{_brief(tokens)} / {_brief(sources)}"


def _brief(n: int) -> str:
    if n < 10_000:
        return f"{n:,}"
    size, unit = (n / 1e3, "k") if n < 999_500 else (n / 1e6, "M")
    return f"{size:.0f}{unit}" if size >= 99.95 else f"{size:.1f}{unit}"


def some(n: int, what: str) -> str:
    """Return a number of things in words: ``1 unit``, ``1,200 units``."""
    return f"{n:,} {what}" + "s" * (n != 1)


def enough(tokens: int, sources: int) -> bool:
    """Return whether a figure rests on 300 tokens and 50 sources; below it is drawn grey."""
    return tokens >= FEWEST_TOKENS and sources >= FEWEST_SOURCES


def caption(acts: xr.Dataset, *parts: str, **options: Any) -> str:
    """Return a caption: model and dataset (where its batches name one), n, then what the viewer adds, then its options.

    Parameters
    ----------
    acts : Dataset
        Activations, or a result: model and text are named by its attrs, and its tokens counted where it has any.
    *parts : str
        What else there is to say: the window, the method.
    **options : value
        The viewer's options as used.
    """
    data = _dataset(acts)
    said = [f"Model {acts.attrs.get('model') or 'not named'}", *([f"data {data}"] if data else [])]
    if "source" in acts.coords:
        import numpy as np

        captured = counts(acts.sizes["token"], np.unique(acts["source"].values).size)
        said.append(f"n = {captured} tokens / sources captured")
    chosen = ", ".join(f"{name}={value!r}" for name, value in options.items())
    return "; ".join([*said, *parts]) + (f". Options: {chosen}." if chosen else ".")


def _dataset(acts: xr.Dataset) -> str:
    known = [str(acts.attrs[name]) for name in NAMES if acts.attrs.get(name)]
    last = known[-1:]  # a window of the split "demo" is "demo (window 2 of 11)", which says the corpus "demo" too
    return " ".join(dict.fromkeys([name for name in known[:-1] if not last[0].startswith(f"{name} ")] + last))
