"""What ordered classes add to the results: scores at every threshold between them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from headstart.results.models.base import Part
from headstart.results.models.estimates import EstimateFacts


class ThresholdFacts(Part):
    """Scores of the probability of all classes above one: area under the ROC curve, and calibration error."""

    above: str
    roc_auc: EstimateFacts
    ece: EstimateFacts


class OrdinalResults(Part):
    """Scores at the thresholds between ordered classes, the lowest first; the classes stand in their order."""

    thresholds: Annotated[tuple[ThresholdFacts, ...], Field(min_length=2)]
