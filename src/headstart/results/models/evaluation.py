"""Results of judging from outside: a model on a test set, two runs against each other, backbones before a fit."""

from __future__ import annotations

from typing import ClassVar, Literal

from headstart.results.models.base import Count, Ends, Matrix, Part, Positive, Share
from headstart.results.models.decisions import TestSetDecisions
from headstart.results.models.estimates import ClassScores, Estimates, IntervalFacts
from headstart.results.models.novelty import NoveltyShare
from headstart.results.models.ordinal import OrdinalResults
from headstart.results.models.transferability import TransferabilityScores


class TestSetResults(TestSetDecisions):
    """Scores of a model on a labelled test set.

    Attributes
    ----------
    metrics, per_class, confusion
        Scores of the most probable class.
    ordinal : OrdinalResults or None
        Scores at the thresholds between ordered classes; None where the model's have no order.
    novelty : NoveltyShare or None
        Share of the images flagged as unlike the training images; None where the model does not tell.
    unreadable : tuple of str
        Images that were left out, and why.
    """

    left_out: ClassVar = ("class_rule", "ordinal")

    classes: tuple[str, ...]
    positive: str | None
    n_images: Positive
    unreadable: tuple[str, ...]
    metrics: Estimates
    per_class: dict[str, ClassScores]
    confusion: Matrix
    interval: IntervalFacts
    ordinal: OrdinalResults | None = None
    novelty: NoveltyShare | None = None


class RunDifference(Part):
    """A score of two runs on the same images: the second less the first, its 95 % interval and p value."""

    first: float | None
    second: float | None
    difference: float | None
    ci95: Ends | None
    p: Share | None


class ComparisonResults(Part):
    """Two runs against each other by every score, and how the intervals were made."""

    metrics: dict[str, RunDifference]
    interval: IntervalFacts


class RankedTask(Part):
    """The classes, and the number of images."""

    classes: tuple[str, ...]
    n_images: Count


class RankedProtocol(Part):
    """The split whose training rows the scores saw."""

    scheme: str
    repeats: Positive
    seed: int
    split_hash: str


class BackboneRankingResults(TransferabilityScores):
    """Three scores of every source of features before any study, the data and split behind them, and a caution."""

    format: Literal[2]
    headstart: str
    task: RankedTask
    protocol: RankedProtocol
    caution: str
    data_sha256: str
