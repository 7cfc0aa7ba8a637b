"""The verdict whether transfer helped, as ``transfer`` of ``results.json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from headstart.metrics import find_metric
from headstart.metrics.validation import plain
from headstart.results.models.transfer import BaselineFacts, BaselineFoldFacts, GainFacts, TransferResults
from headstart.results.writers.estimates import estimates
from headstart.study.out_of_fold import HEADLINE
from headstart.study.transfer_verdict import DECIDED_BY, HELPS, HURTS, NO_EVIDENCE

if TYPE_CHECKING:
    from headstart.study.baselines import BaselineFold
    from headstart.study.transfer_verdict import Gain, Transfer

_LEADS = {
    HELPS: "Transfer helps",
    HURTS: "Transfer hurts (negative transfer)",
    NO_EVIDENCE: "No evidence that transfer helps or hurts",
}


def transfer_results(transfer: Transfer, *, transferred: bool, notes: Sequence[str] = ()) -> TransferResults:
    """The verdict, the gains it rests on, and every baseline.

    Parameters
    ----------
    transfer : Transfer
    transferred : bool
        False where the run's own weights are random: then nothing was transferred, and there is no verdict.
    notes : sequence of str
        What there is to know of the baselines.
    """
    counts = np.bincount(transfer.best, minlength=len(transfer.outcomes)).tolist()
    baselines = tuple(
        BaselineFacts(
            name=outcome.name,
            title=outcome.title,
            times_best=times,
            metrics=estimates(evaluation.metrics),
            folds=tuple(_fold(fold) for fold in outcome.folds),
        )
        for outcome, evaluation, times in zip(transfer.outcomes, transfer.evaluations, counts, strict=True)
    )
    return TransferResults(
        verdict=transfer.verdict if transferred else None,
        decided_by=DECIDED_BY,
        text=verdict_text(transfer, transferred=transferred),
        brief=verdict_brief(transfer),
        gains={name: gain_facts(gain) for name, gain in transfer.gains.items()},
        best_baseline=estimates(transfer.together.metrics),
        baselines=baselines,
        notes=tuple(notes),
    )


def gain_facts(gain: Gain) -> GainFacts:
    """A gain; None for what is undefined."""
    return GainFacts(
        run=plain(gain.run),
        baseline=plain(gain.baseline),
        gain=plain(gain.value),
        ci95=None if np.isnan(gain.low) else (gain.low, gain.high),
        p=plain(gain.p_value),
    )


def _fold(fold: BaselineFold) -> BaselineFoldFacts:
    score = plain(fold.inner_score)
    return BaselineFoldFacts(repeat=fold.outer.repeat, fold=fold.outer.fold, inner_score=score, settings=fold.settings)


def verdict_brief(transfer: Transfer) -> str:
    """The verdict in half a line, for the headline."""
    points = _points(transfer.gains[HEADLINE])
    return f"{_LEADS[transfer.verdict]}: {points} against the best baseline."


def verdict_text(transfer: Transfer, *, transferred: bool) -> str:
    """The verdict in a sentence or two, the gain in the headline's score beside it."""
    headline, deciding = transfer.gains[HEADLINE], transfer.gains[DECIDED_BY]
    usual = transfer.outcomes[int(np.bincount(transfer.best).argmax())].title
    points = f"{_points(headline)} in {find_metric(HEADLINE).title.lower()} against the best baseline"
    decided = f"gain in {find_metric(DECIDED_BY).title.lower()} {_signed(deciding)}"
    named = f"mostly {usual}" if len(set(transfer.best)) > 1 else usual
    if not transferred:
        return f"Nothing was transferred, the weights are random, so there is no verdict: {points} ({named})."
    contrary = deciding.value * headline.value < 0 and transfer.verdict != NO_EVIDENCE
    better = "better" if deciding.value > 0 else "worse"
    note = f" The two disagree: probabilities are {better}, predicted classes are not." if contrary else ""
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
