"""Scores with their intervals, as every part of the results holds them."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field

from headstart.results.models.base import Count, Ends, Part, Share

UNDEFINED: Final = "undefined"
"""Word for a score that these images do not define, and for its interval."""


class EstimateFacts(Part):
    """A score, its 95 % interval and its standard deviation across folds; None for what is undefined."""

    value: float | None
    ci95: Ends | None
    fold_sd: Annotated[float, Field(ge=0)] | None

    def __str__(self) -> str:
        """The score with its interval in brackets, or that it is undefined.

        >>> str(EstimateFacts(value=0.912, ci95=(0.894, 0.927), fold_sd=None))
        '0.912 (0.894 to 0.927)'
        >>> str(EstimateFacts(value=None, ci95=None, fold_sd=None))
        'undefined'
        """
        words = UNDEFINED if self.value is None else f"{self.value:.3f}"
        return words if self.ci95 is None else f"{words} ({self.ci95[0]:.3f} to {self.ci95[1]:.3f})"


class PlainEstimate(Part):
    """A score and its 95 % interval; None for what is undefined."""

    value: float | None
    ci95: Ends | None


class DifferenceFacts(Part):
    """Score of one procedure (a) less that of another (b) on the same images, its 95 % interval and p value."""

    a: float | None
    b: float | None
    difference: float | None
    ci95: Ends | None
    p: Share | None


class IntervalFacts(Part):
    """How intervals were made, and what they speak of."""

    level: Share
    method: str
    speaks_of: str
    reference: str
    correction: Literal["nadeau-bengio", "none"]
    variance_factor: Annotated[float, Field(ge=1)]
    n_resamples: Count
    n_groups: Count


class ClassScores(Part):
    """Scores of one class against all others, and its number of judged images."""

    support: Count
    metrics: dict[str, EstimateFacts]


Estimates: TypeAlias = dict[str, EstimateFacts]
"""Scores by the name of the metric."""
