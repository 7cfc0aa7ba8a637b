"""The verdict whether transfer helped, as ``transfer`` of ``results.json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.metrics import find_metric
from headstart.metrics.validation import plain
from headstart.results.models.transfer import BaselineFacts, BaselineFoldFacts, GainFacts, TransferResults
from headstart.results.writers.estimates import estimates
from headstart.study.out_of_fold import HEADLINE
from headstart.study.transfer_verdict import DECIDED_BY, HELPS, HURTS, NO_EVIDENCE, RISK

if TYPE_CHECKING:
    from headstart.study.baselines import BaselineFold
    from headstart.study.transfer_verdict import Gain, Transfer

_LEADS = {
    HELPS: "Transfer helps",
    HURTS: "Transfer hurts (negative transfer)",
    NO_EVIDENCE: "No evidence that transfer helps or hurts",
}
P_SHOWN: Final = 0.001
"""Smaller p values are shown as a bound."""


def transfer_results(
    transfer: Transfer, *, transferred: bool, has_network: bool = True, notes: Sequence[str] = ()
) -> TransferResults:
    """The verdict, the gains it rests on, and every baseline.

    Parameters
    ----------
    transfer : Transfer
    transferred : bool
        False where the run's own weights are random: then nothing was transferred, and there is no verdict.
    has_network : bool
        False where no network takes part in the run at all.
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
        text=verdict_text(transfer, transferred=transferred, has_network=has_network),
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
    """The verdict in a sentence, for the headline: the score that decides, then the headline's own."""
    lead = _LEADS[transfer.verdict]
    return f"{lead}: {_decided(transfer)} over the best baseline; {_beside(transfer.gains[HEADLINE])}."


def verdict_text(transfer: Transfer, *, transferred: bool, has_network: bool = True) -> str:
    """The verdict with the best baseline's name, and a word where the two scores point in different directions."""
    headline, deciding = transfer.gains[HEADLINE], transfer.gains[DECIDED_BY]
    usual = transfer.outcomes[int(np.bincount(transfer.best).argmax())].title
    named = f"mostly {usual}" if len(set(transfer.best)) > 1 else usual
    gains = f"{_decided(transfer)} over the best baseline ({named}); {_beside(headline)}."
    if not has_network:
        return f"No network takes part, so nothing was transferred and there is no verdict: {gains}"
    if not transferred:
        return f"Nothing was transferred, the weights are random, so there is no verdict: {gains}"
    contrary = deciding.value * headline.value < 0 and transfer.verdict != NO_EVIDENCE
    better = "better" if deciding.value > 0 else "worse"
    note = f" The two disagree: probabilities are {better}, predicted classes are not." if contrary else ""
    return f"{_LEADS[transfer.verdict]}: {gains}{note}"


def _decided(transfer: Transfer) -> str:
    """The gain in the score that decides, with its interval; a verdict whose interval holds zero says by which rule."""
    gain, title = transfer.gains[DECIDED_BY], find_metric(DECIDED_BY).title.lower()
    if np.isnan(gain.low):
        return f"gain in {title} {gain.value:+.3f}"
    rule = f", decided at {2 * RISK:g}" if transfer.verdict != NO_EVIDENCE and not _is_sure(gain) else ""
    p = "p < 0.001" if gain.p_value < P_SHOWN else f"p = {gain.p_value:.2g}"
    return f"gain in {title} {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}; {p}{rule})"


def _beside(gain: Gain) -> str:
    """A gain in the headline's score in points, and whether it can be told from none."""
    title = find_metric(HEADLINE).title.lower()
    if np.isnan(gain.value):
        return f"{title}: gain undefined"
    if np.isnan(gain.low):
        return f"{title} {100 * gain.value:+.1f} points"
    told = "" if _is_sure(gain) else ", which cannot be told from none"
    return f"{title} {100 * gain.value:+.1f} points ({100 * gain.low:+.1f} to {100 * gain.high:+.1f}){told}"


def _is_sure(gain: Gain) -> bool:
    return gain.low > 0 or gain.high < 0
