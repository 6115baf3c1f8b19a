"""Protocol of the study, fixed before its results. ``models/interp_models/study/PLAN.md`` gives the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MODEL = "armenian-bilstm-study"  # keeps its weights if the analysed network gets better ones
RULES = "article+article+chat"
MODULE = "hidden"
UNITS = {"module": MODULE}
PRECISION = "bfloat16"

BUDGET = 1350
"""Number of batches of a confirmation, from scratch. A screening has a third of it, from the shipped weights."""
SCREENING_RATE = 1e-3
CONFIRMATION_RATE = 2e-3
"""Learning rates at the start."""
SNAPSHOT_INTERVAL = 50
"""Number of batches between the snapshots of a baseline, one of which is matched in CER."""
SCREENING_SEED = 1
SEEDS = (11, 12, 13, 14, 15)
"""Seeds of the confirmation, shared by the baseline and all arms: equal weights and batches at the start."""

PAIRS = ("t=>ծ", "s=>_", "t=>թ", "h=>_", "h=>հ", "s=>շ", "k=>ք", "y=>ը", "v=>ո", "e=>է", "c=>չ", "r=>ռ")
"""The five pairs of the claims, and seven of other inputs that are frequent enough on both sides."""
N_SENTENCES = 3000
"""Number of sentences: of validation for the screening, of test for the confirmation."""
TOLERANCE = 0.003
"""Maximum increase of the character error rate, as a fraction."""
ALPHA = 0.05


@dataclass(frozen=True)
class Arm:
    """A penalty and the strengths that are screened.

    Attributes
    ----------
    name : str
        Name of the penalty.
    strengths : tuple of float
        Weights, smallest first; or values of ``option`` if it is named.
    option : str
        Option that sets the strength, for a penalty whose weight has no effect.
    is_oracle : bool
        Whether the penalty knows the labels. It is then outside the verdict, and not screened.
    """

    name: str
    strengths: tuple[float, ...]
    option: str = ""
    is_oracle: bool = False

    def penalties(self, strength: float) -> list[tuple[str, float, dict[str, Any]]]:
        """Return the argument ``penalties`` of `interp.train`."""
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
ORACLE = Arm("label-code", (0.1,), is_oracle=True)
BASELINE = Arm("baseline", (0.0,))


@dataclass(frozen=True)
class TrainingRun:
    """One training run.

    Attributes
    ----------
    stage : {"screen", "confirm"}
        Stage of the study.
    arm : Arm
        Penalty, or the baseline.
    strength : float
        Strength of the penalty.
    seed : int
        Random seed.
    """

    stage: str
    arm: Arm
    strength: float
    seed: int

    @property
    def name(self) -> str:
        """Name of its files."""
        strength = "" if self.is_baseline else f"-{self.strength:g}"
        return f"{self.stage}-{self.arm.name}{strength}-{self.seed}"

    @property
    def is_baseline(self) -> bool:
        """True for a run without a penalty."""
        return self.arm.name == BASELINE.name

    @property
    def budget(self) -> int:
        """Number of batches."""
        return BUDGET // 3 if self.stage == "screen" else BUDGET

    @property
    def learning_rate(self) -> float:
        """Learning rate at the start."""
        return SCREENING_RATE if self.stage == "screen" else CONFIRMATION_RATE

    @property
    def penalties(self) -> list[tuple[str, float, dict[str, Any]]]:
        """Penalties of `interp.train`."""
        return [] if self.is_baseline else self.arm.penalties(self.strength)


def screening_runs() -> list[TrainingRun]:
    """Return the training runs of the screening."""
    return [TrainingRun("screen", arm, strength, SCREENING_SEED) for arm in ARMS for strength in arm.strengths]


def confirmation_runs(strengths: dict[str, float]) -> list[TrainingRun]:
    """Return the training runs of the confirmation by seed, the baseline first.

    Parameters
    ----------
    strengths : dict of str to float
        Selected strength of each arm.
    """
    arms = [(BASELINE, 0.0), *((arm, strengths[arm.name]) for arm in ARMS), (ORACLE, ORACLE.strengths[0])]
    return [TrainingRun("confirm", arm, strength, seed) for seed in SEEDS for arm, strength in arms]
