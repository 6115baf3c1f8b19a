"""What a plugin's own tests call: known answers to hold a probe against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

KINDS = ("detector", "spread", "xor", "twin", "silent", "topic", "position", "noise")
FINDS: Mapping[str, Mapping[str, bool | str]] = {
    "hellinger": {"detector": True, "spread": True, "twin": True, "silent": True, "position": "given"},
    "mutual-information": {"detector": True, "spread": True, "twin": True, "silent": True, "position": "given"},
    "auc": {"detector": True, "twin": True, "silent": True, "position": "given"},
    "mean-difference": {"detector": True, "twin": True, "silent": True, "position": "given"},
    "classifier": {"detector": True, "twin": True, "silent": True, "position": "given"},
    "classifier-products": {"detector": True, "xor": "together", "twin": True, "silent": True, "position": "given"},
    "ablation": {"detector": True, "twin": "together"},
}
EXPECTATIONS: Mapping[str, Mapping[str, bool | str]] = MappingProxyType(
    {probe: MappingProxyType({kind: found.get(kind, False) for kind in KINDS}) for probe, found in FINDS.items()}
)


@dataclass(frozen=True)
class Planted:
    """A network and a text of which all is known.

    Attributes
    ----------
    model : Module
        biLSTM ``lstm`` of 64 units, dense layers ``hidden`` and ``output``, in eval mode.
    batches : iterable of Batch
        Labels ``input``, ``output``, ``position`` (``early``, ``late``), ``source`` (two samples each) and
        ``predicted``. The inputs ``s`` and ``t`` become one of two symbols, all others one.
    kinds : mapping of str to str
        The kind of each unit ``lstm.0.….h.…``; other units (gates, cells, dense layers) are not listed.
    expectations : mapping of str to mapping
        ``expectations[probe][kind]``: whether a probe has to find units of this kind for pairs of ``s`` and ``t``.
        ``"given"``: found, but not with ``given=("position",)``. ``"together"``: two of them together, not one alone.
        Of classifiers it is the code length that does not find spread and xor; an accuracy, which hangs on a cut, may.
    """

    model: torch.nn.Module
    batches: Any
    kinds: Mapping[str, str]
    expectations: Mapping[str, Mapping[str, bool | str]]


def planted(seed: int = 0, *, sources: int = 400) -> Planted:
    """Return a biLSTM with weights set by hand, and text of known law.

    Kinds of units, four each: detector (of a neighbour letter that tells the output with probability .9), spread (the
    same letter in its variance, with one mean), xor (two letters, each independent of the output, that tell it
    together), twin (copies of a detector), silent (a detector that nobody reads), topic (constant in a source,
    independent of the output), position (first or second half of a text, which prefer other outputs; independent of
    the output within a half). All others are noise, every other one with a memory. Units add noise to what they read.

    Parameters
    ----------
    seed : int
        Of the text and the noise; the weights are always the same.
    sources : int
        Independent texts, of 8 to 16 words and two samples each. With 100 each pair has about 600 tokens, with the
        400 of the default about 2,400.

    Returns
    -------
    Planted
    """
    from interp.planting import PlantedNetwork, PlantedText, planted_kinds

    return Planted(PlantedNetwork().eval(), PlantedText(seed, sources), planted_kinds(), EXPECTATIONS)
