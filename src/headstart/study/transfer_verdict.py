"""The verdict whether transfer helped: the run against the best of its simple baselines, in pairs, with an interval.

The best baseline of an outer fold is the one that its inner folds prefer, so the comparison is neither flattered by
looking at test rows nor spoilt; pooled over the folds its predictions are compared with the run's on the same images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from headstart.metrics import Evaluation, OutOfFold, compare_paired, evaluate, find_metric
from headstart.study.baselines import BaselineOutcome, best_baselines, pooled

if TYPE_CHECKING:
    from headstart.metrics.compare import Difference

Outcome: TypeAlias = Literal["helps", "no evidence", "hurts"]
HELPS: Final = "helps"
NO_EVIDENCE: Final = "no evidence"
HURTS: Final = "hurts"
DECIDED_BY: Final = "log_loss"
"""Score that decides the verdict; docs/decisions/0009 says why it is not the headline's."""
RISK: Final = 0.05
"""Risk of a false *helps*, and of a false *hurts*."""
GAINS = ("balanced_accuracy", "accuracy", "roc_auc", "log_loss", "brier")


@dataclass(frozen=True)
class Gain:
    """How much better the run is than the best baseline by one score; positive is better, for losses too.

    Attributes
    ----------
    run, baseline : float
        The two scores.
    value, low, high : float
        Run less baseline (for losses baseline less run) and its 95 % interval; nan where undefined.
    p_value : float
        Two-sided, of no difference.
    """

    run: float
    baseline: float
    value: float
    low: float
    high: float
    p_value: float

    @classmethod
    def of(cls, difference: Difference, *, greater_is_better: bool) -> Gain:
        """Gain from a difference, run less baseline."""
        low, high = difference.low, difference.high
        if greater_is_better:
            return cls(difference.a, difference.b, difference.value, low, high, difference.p_value)
        return cls(difference.a, difference.b, -difference.value, -high, -low, difference.p_value)

    @property
    def verdict(self) -> Outcome:
        """``helps`` or ``hurts`` where the gain's 90 % interval holds no zero, else ``no evidence``.

        That is a risk of 5 % on either side: of *helps* where nothing is gained, and of *hurts* where nothing is lost.
        """
        if not self.p_value < 2 * RISK:
            return NO_EVIDENCE
        return HELPS if self.value > 0 else HURTS


@dataclass(frozen=True, eq=False)
class Transfer:
    """Comparison of a run with its baselines.

    Attributes
    ----------
    outcomes : tuple of BaselineOutcome
    best : tuple of int
        Place of the best baseline of every outer fold.
    oof : OutOfFold
        Predictions of the best baselines.
    gains : dict of str to Gain
        Gain of the run over `oof`, by score.
    evaluations : tuple of Evaluation
        Scores of every baseline alone.
    together : Evaluation
        Scores of `oof`.
    """

    outcomes: tuple[BaselineOutcome, ...]
    best: tuple[int, ...]
    oof: OutOfFold
    gains: dict[str, Gain]
    evaluations: tuple[Evaluation, ...]
    together: Evaluation

    @property
    def verdict(self) -> Outcome:
        """``helps``, ``no evidence`` or ``hurts``, by `DECIDED_BY`."""
        return self.gains[DECIDED_BY].verdict


def judge_transfer(run: OutOfFold, outcomes: Sequence[BaselineOutcome], *, choose_by: str, seed: int = 0) -> Transfer:
    """The run against its baselines.

    Parameters
    ----------
    run : OutOfFold
        Out-of-fold predictions of the run's chosen candidates, calibrated.
    outcomes : sequence of BaselineOutcome
        Results of the baselines on the same outer folds.
    choose_by : str
        Score by which the best baseline of a fold is chosen, on its inner folds.
    seed : int
        Seed of the resampling.

    Returns
    -------
    Transfer
    """
    best = best_baselines(outcomes, choose_by)
    oof = pooled([outcomes[place].folds[number] for number, place in enumerate(best)], run)
    few = {"metrics": GAINS, "per_class": False, "seed": seed}
    evaluations = tuple(evaluate(one.oof(run), **few) for one in outcomes)  # type: ignore[arg-type]
    is_one = len(set(best)) == 1  # the same in every fold: then its scores are known
    together = evaluations[best[0]] if is_one else evaluate(oof, **few)  # type: ignore[arg-type]
    return Transfer(tuple(outcomes), tuple(best), oof, transfer_gains(run, oof, seed=seed), evaluations, together)


def transfer_gains(
    run: OutOfFold, baseline: OutOfFold, *, metrics: Sequence[str] = GAINS, seed: int = 0
) -> dict[str, Gain]:
    """Gains of the run over the baseline on the same images, in pairs, by score."""
    found = compare_paired(run, baseline, metrics=metrics, seed=seed).metrics
    return {
        name: Gain.of(difference, greater_is_better=find_metric(name).greater_is_better)
        for name, difference in found.items()
    }
