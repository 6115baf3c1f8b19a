"""What the study trains and measures, fixed before its results; `models/interp_models/study/PLAN.md` says why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MODEL = "armenian-bilstm-study"  # the baseline keeps its weights when the analysed network gets better ones
RULES = "article+article+chat"
MODULE = "hidden"
UNITS = {"module": MODULE}
PRECISION = "bfloat16"

BUDGET = 1350
"""Batches of a confirmation, from scratch; a screening does a third, from the shipped weights."""
SCREEN_RATE = 1e-3
"""Learning rate of a screening at its start; of a confirmation 2e-3."""
SNAPSHOTS = 50
"""Batches between the snapshots of a baseline, of which one is matched in CER."""
SCREEN_SEED = 1
SEEDS = (11, 12, 13, 14, 15)
"""Fresh, and the same for the baseline and all that is held against it: equal weights and batches at the start."""

PAIRS = ("t=>ծ", "s=>_", "t=>թ", "h=>_", "h=>հ", "s=>շ", "k=>ք", "y=>ը", "v=>ո", "e=>է", "c=>չ", "r=>ռ")
"""The claims' own five, and seven more of other inputs that are frequent enough on both sides."""
SENTENCES = 3000
"""Of validation for the screening, of test for the confirmation."""
TOLERANCE = 0.003
"""How much worse the character error rate may be, as a share."""
LEVEL = 0.05


@dataclass(frozen=True)
class Arm:
    """One penalty with the strengths that are screened.

    Attributes
    ----------
    strengths : tuple of float
        Weights, lowest first; of ``option`` where it is named.
    option : str
        The option that is the strength, of a penalty whose weight says nothing.
    oracle : bool
        Told what to encode: outside the verdict, and not screened.
    """

    name: str
    strengths: tuple[float, ...]
    option: str = ""
    oracle: bool = False

    def penalties(self, strength: float) -> list[tuple[str, float, dict[str, Any]]]:
        """Return what `interp.train` takes."""
        options: dict[str, Any] = {"units": UNITS}
        if self.option:
            return [(self.name, 1.0, {**options, self.option: strength})]
        return [(self.name, strength, options)]


ARMS = (
    Arm("infogan", (0.03, 0.1, 0.3)),
    Arm("vib", (1e-4, 3e-4, 1e-3)),
    Arm("total-correlation", (1e-4, 3e-4, 1e-3)),
    Arm("l1", (0.01, 0.03, 0.1)),
    Arm("dropout", (0.1, 0.2, 0.4), option="rate"),
)
ORACLE = Arm("label-code", (0.1,), oracle=True)
BASELINE = Arm("baseline", (0.0,))


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes
    ----------
    stage : {"screen", "confirm"}
    """

    stage: str
    arm: Arm
    strength: float
    seed: int

    @property
    def name(self) -> str:
        """What its files are called."""
        strength = "" if self.arm.name == BASELINE.name else f"-{self.strength:g}"
        return f"{self.stage}-{self.arm.name}{strength}-{self.seed}"

    @property
    def budget(self) -> int:
        """How many batches it does."""
        return BUDGET // 3 if self.stage == "screen" else BUDGET

    @property
    def rate(self) -> float:
        """Its learning rate at the start."""
        return SCREEN_RATE if self.stage == "screen" else 2e-3

    @property
    def penalties(self) -> list[tuple[str, float, dict[str, Any]]]:
        """What it trains with."""
        return [] if self.arm.name == BASELINE.name else self.arm.penalties(self.strength)


def screening() -> list[Job]:
    """Return the trainings of the first stage."""
    return [Job("screen", arm, strength, SCREEN_SEED) for arm in ARMS for strength in arm.strengths]


def confirming(chosen: dict[str, float]) -> list[Job]:
    """Return the trainings of the second stage: seed after seed, the baseline first.

    Parameters
    ----------
    chosen : dict of str to float
        The strength of each arm.
    """
    strengths = [(BASELINE, 0.0), *((arm, chosen[arm.name]) for arm in ARMS), (ORACLE, ORACLE.strengths[0])]
    return [Job("confirm", arm, strength, seed) for seed in SEEDS for arm, strength in strengths]
