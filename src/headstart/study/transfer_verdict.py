"""The verdict whether transfer helped: the run against the best of its simple rivals, in pairs, with an interval.

The best rival of an outer fold is the one that its inner folds prefer, so the comparison is not flattered or spoilt by
looking at test rows; pooled over the folds its predictions are compared with the run's on the same images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.metrics import Evaluation, OutOfFold, compare_paired, evaluate, find_metric
from headstart.study.baselines import BaselineOutcome, best_baselines, pooled
from headstart.study.out_of_fold import HEADLINE

if TYPE_CHECKING:
    from headstart.metrics.compare import Difference

HELPS, NO_EVIDENCE, HURTS = "helps", "no evidence", "hurts"
DECIDED_BY = "log_loss"
"""Score that decides the verdict; docs/decisions/0009 says why it is not the headline's."""
RISK = 0.05
"""Of a false *helps*, and of a false *hurts*."""
GAINS = ("balanced_accuracy", "accuracy", "roc_auc", "log_loss", "brier")


_LEADS = {
    HELPS: "Transfer helps",
    HURTS: "Transfer hurts (negative transfer)",
    NO_EVIDENCE: "No evidence that transfer helps or hurts",
}


@dataclass(frozen=True)
class Gain:
    """How much better the run is than the best rival by one score; positive is better, for losses too.

    Attributes
    ----------
    run, rival : float
        The two scores.
    value, low, high : float
        Run less rival (for losses rival less run) and its 95 % interval; nan where undefined.
    p_value : float
        Two-sided, of no difference.
    """

    run: float
    rival: float
    value: float
    low: float
    high: float
    p_value: float

    @classmethod
    def of(cls, difference: Difference, *, greater_is_better: bool) -> Gain:
        """Gain from a difference, run less rival."""
        low, high = difference.low, difference.high
        if greater_is_better:
            return cls(difference.a, difference.b, difference.value, low, high, difference.p_value)
        return cls(difference.a, difference.b, -difference.value, -high, -low, difference.p_value)

    @property
    def verdict(self) -> str:
        """``helps`` or ``hurts`` where the gain's 90 % interval holds no zero, else ``no evidence``.

        That is a risk of 5 % on either side: of *helps* where nothing is gained, and of *hurts* where nothing is lost.
        """
        if not self.p_value < 2 * RISK:
            return NO_EVIDENCE
        return HELPS if self.value > 0 else HURTS

    def to_json(self) -> dict[str, Any]:
        """``run``, ``rival``, ``gain``, ``ci95`` and ``p``; None for what is undefined."""
        interval = None if np.isnan(self.low) else [self.low, self.high]
        numbers = {"run": self.run, "rival": self.rival, "gain": self.value, "p": self.p_value}
        return {name: None if np.isnan(value) else value for name, value in numbers.items()} | {"ci95": interval}


@dataclass(frozen=True, eq=False)
class Transfer:
    """What transfer brought.

    Attributes
    ----------
    outcomes : tuple of BaselineOutcome
    best : tuple of int
        Place of the best rival of every outer fold.
    oof : OutOfFold
        Predictions of the best rivals.
    gains : dict of str to Gain
        By score.
    evaluations : tuple of Evaluation
        Of every rival alone.
    together : Evaluation
        Of `oof`.
    """

    outcomes: tuple[BaselineOutcome, ...]
    best: tuple[int, ...]
    oof: OutOfFold
    gains: dict[str, Gain]
    evaluations: tuple[Evaluation, ...]
    together: Evaluation

    @property
    def verdict(self) -> str:
        """``helps``, ``no evidence`` or ``hurts``, by `DECIDED_BY`."""
        return self.gains[DECIDED_BY].verdict


def judge_transfer(run: OutOfFold, outcomes: Sequence[BaselineOutcome], *, choose_by: str, seed: int = 0) -> Transfer:
    """The run against its rivals.

    Parameters
    ----------
    run : OutOfFold
        Out-of-fold predictions of the run's chosen candidates, calibrated.
    outcomes : sequence of BaselineOutcome
        JudgedPredictions on the same outer folds.
    choose_by : str
        Score by which the best rival of a fold is chosen, on its inner folds.
    seed : int
        Of the resampling.

    Returns
    -------
    Transfer
    """
    best = best_baselines(outcomes, choose_by)
    oof = pooled([outcomes[place].folds[number] for number, place in enumerate(best)], run)
    few = {"metrics": GAINS, "per_class": False, "seed": seed}
    evaluations = tuple(evaluate(one.oof(run), **few) for one in outcomes)  # type: ignore[arg-type]
    together = evaluate(oof, **few)  # type: ignore[arg-type]
    return Transfer(tuple(outcomes), tuple(best), oof, transfer_gains(run, oof, seed=seed), evaluations, together)


def transfer_gains(
    run: OutOfFold, rival: OutOfFold, *, metrics: Sequence[str] = GAINS, seed: int = 0
) -> dict[str, Gain]:
    """Gains of the run over the rival on the same images, in pairs, by score."""
    found = compare_paired(run, rival, metrics=metrics, seed=seed).metrics
    return {
        name: Gain.of(difference, greater_is_better=find_metric(name).greater_is_better)
        for name, difference in found.items()
    }


def transfer_document(transfer: Transfer, *, transferred: bool, notes: Sequence[str] = ()) -> dict[str, Any]:
    """``transfer`` of results.json.

    Parameters
    ----------
    transfer : Transfer
    transferred : bool
        False where the run's own weights are random: then nothing was transferred, and there is no verdict.
    notes : sequence of str
        What is to be said of the rivals.
    """
    counts = np.bincount(transfer.best, minlength=len(transfer.outcomes)).tolist()
    rivals = [
        {
            "name": outcome.name,
            "title": outcome.title,
            "times_best": times,
            "metrics": {name: estimate.to_json() for name, estimate in evaluation.metrics.items()},
            "folds": [_fold(fold) for fold in outcome.folds],
        }
        for outcome, evaluation, times in zip(transfer.outcomes, transfer.evaluations, counts, strict=True)
    ]
    return {
        "verdict": transfer.verdict if transferred else None,
        "decided_by": DECIDED_BY,
        "text": verdict_text(transfer, transferred=transferred),
        "brief": verdict_brief(transfer),
        "gains": {name: gain.to_json() for name, gain in transfer.gains.items()},
        "best_rival": {name: estimate.to_json() for name, estimate in transfer.together.metrics.items()},
        "rivals": rivals,
        "notes": list(notes),
    }


def _fold(fold: Any) -> dict[str, Any]:
    score = None if np.isnan(fold.inner_score) else fold.inner_score
    return {"repeat": fold.outer.repeat, "fold": fold.outer.fold, "inner_score": score, "settings": fold.settings}


def verdict_brief(transfer: Transfer) -> str:
    """The verdict in half a line, for the headline."""
    points = _points(transfer.gains[HEADLINE])
    return f"{_LEADS[transfer.verdict]}: {points} against the best simple rival."


def verdict_text(transfer: Transfer, *, transferred: bool) -> str:
    """The verdict in a sentence or two, the gain in the headline's score beside it."""
    headline, deciding = transfer.gains[HEADLINE], transfer.gains[DECIDED_BY]
    usual = transfer.outcomes[int(np.bincount(transfer.best).argmax())].title
    points = f"{_points(headline)} in {find_metric(HEADLINE).title.lower()} against the best simple rival"
    decided = f"gain in {find_metric(DECIDED_BY).title.lower()} {_signed(deciding)}"
    named = f"mostly {usual}" if len(set(transfer.best)) > 1 else usual
    if not transferred:
        return f"Nothing was transferred, the weights are random, so there is no verdict: {points} ({named})."
    contrary = deciding.value * headline.value < 0 and transfer.verdict != NO_EVIDENCE
    note = (
        f" The two disagree: probabilities are {'better' if deciding.value > 0 else 'worse'}, classes called are not."
        if contrary
        else ""
    )
    return f"{_LEADS[transfer.verdict]}: {points} ({named}); {decided}.{note}"


def _points(gain: Gain) -> str:
    """A gain in points with its interval."""
    if np.isnan(gain.value):
        return "gain undefined"
    ends = "" if np.isnan(gain.low) else f" ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
    return f"{100 * gain.value:+.1f} points{ends}"


def _signed(gain: Gain) -> str:
    ends = "" if np.isnan(gain.low) else f" ({gain.low:+.3f} to {gain.high:+.3f}; p = {gain.p_value:.2g})"
    return f"{gain.value:+.3f}{ends}"
