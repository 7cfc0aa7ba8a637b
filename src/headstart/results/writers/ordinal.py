"""Scores at the thresholds between ordered classes, as ``ordinal`` of ``results.json``."""

from __future__ import annotations

from headstart.metrics import Correction, OutOfFold
from headstart.metrics.thresholds import evaluate_thresholds
from headstart.results.models.ordinal import OrdinalResults, ThresholdFacts
from headstart.results.writers.estimates import plain_fields


def ordinal_results(oof: OutOfFold, *, seed: int, correction: Correction = "nadeau-bengio") -> OrdinalResults | None:
    """Scores at every threshold; None where the classes have no order."""
    if not oof.ordered:
        return None
    found = evaluate_thresholds(oof, correction=correction, seed=seed)
    return OrdinalResults(thresholds=tuple(ThresholdFacts(**plain_fields(one)) for one in found))
