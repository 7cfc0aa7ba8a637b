"""Scores of operating point, rule of classes, prediction sets and abstention on images they were not fitted on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from headstart.results.models.base import Count, Mass, Matrix, Part, Positive, Share, SparePart
from headstart.results.models.calibration import CalibrationFacts, CalibratorFacts
from headstart.results.models.estimates import EstimateFacts, Estimates, PlainEstimate


class CostFacts(Part):
    """Cost of every prediction: rows true, columns predicted, in the order of the classes."""

    classes: tuple[str, ...]
    values: Matrix


class ClassRuleFacts(Part):
    """How a class is decided on: the expected one of ordered classes, or the one of the least expected cost."""

    kind: Literal["expected", "costs"]
    costs: CostFacts | None

    def words(self) -> str:
        """Name of the rule."""
        return "the least expected cost" if self.kind == "costs" else "the expected class"


class RequestedDecisions(SparePart):
    """Calibration, operating point, rule of classes and level of the prediction sets that the user requested."""

    left_out: ClassVar = ("class_rule",)

    calibrate: str
    operating_point: str | None
    conformal: Annotated[float, Field(gt=0, lt=1)] | None
    class_rule: ClassRuleFacts | None = None


class OperatingPointScores(Part):
    """Scores of the predicted classes at the operating point; `npv` is the precision of the negative class."""

    accuracy: EstimateFacts
    balanced_accuracy: EstimateFacts
    recall: EstimateFacts
    specificity: EstimateFacts
    precision: EstimateFacts
    f1: EstimateFacts
    mcc: EstimateFacts
    npv: EstimateFacts


class OperatingPointResults(Part):
    """Scores and confusion matrix at the operating point."""

    metrics: OperatingPointScores
    confusion: Matrix

    def words(self, rule: str) -> str:
        """The scores that a clinician asks for, in one line."""
        titles = {"sensitivity": "recall", "specificity": "specificity", "PPV": "precision", "NPV": "npv"}
        return f"At {rule}: " + "; ".join(f"{title} {getattr(self.metrics, name)}" for title, name in titles.items())


class TestSetOperatingPoint(OperatingPointResults):
    """The model's operating point, with its scores and confusion matrix on the test set."""

    rule: str
    threshold: float


class ClassRuleResults(Part):
    """Scores and confusion matrix of the classes decided on by a rule; mean costs of an image where there are costs.

    Attributes
    ----------
    most_probable_cost : EstimateFacts or None
        Mean cost where the most probable class is predicted.
    """

    metrics: Estimates
    confusion: Matrix
    mean_cost: EstimateFacts | None
    most_probable_cost: EstimateFacts | None

    def words(self, rule: ClassRuleFacts) -> str:
        """The scores in one line."""
        said = f"Decided by {rule.words()}: accuracy {self.metrics['accuracy']}"
        if "quadratic_kappa" in self.metrics:
            said += f"; kappa, quadratic weights {self.metrics['quadratic_kappa']}"
        if self.mean_cost is not None:
            said += f"; mean cost {self.mean_cost}, of the most probable class {self.most_probable_cost}"
        return said


class TestSetClassRule(ClassRuleResults):
    """The model's rule of classes, with its scores and confusion matrix on the test set."""

    rule: ClassRuleFacts


class ClassCoverage(Part):
    """How often the prediction set of an image of this class holds the class, and how many images that rests on."""

    coverage: EstimateFacts
    min_n_calibration: Count
    uninformative_folds: Count


class SetCoverage(Part):
    """Level of prediction sets, how often they hold the true class, and how large they are."""

    level: Annotated[float, Field(gt=0, lt=1)]
    coverage: EstimateFacts
    mean_size: Mass
    share_of_size: tuple[Share, ...]

    def words(self) -> str:
        """Coverage and mean size in one line."""
        return (
            f"Prediction sets at {100 * self.level:g} % hold the true class of {self.coverage}; "
            f"mean size {self.mean_size:.3f}"
        )


class ConformalResults(SetCoverage):
    """Coverage of prediction sets in the outer folds, by class with the images it rests on."""

    min_calibration_size: Positive
    n_folds: Positive
    per_class: dict[str, ClassCoverage]


class TestSetCoverage(SetCoverage):
    """Coverage of the model's prediction sets on the test set, over all and by class."""

    per_class: dict[str, EstimateFacts]


class TestSetDecisions(SparePart):
    """Scores of the model's decisions on the test set; None where the model does not make them."""

    left_out: ClassVar[tuple[str, ...]] = ("class_rule",)

    operating_point: TestSetOperatingPoint | None
    conformal: TestSetCoverage | None
    class_rule: TestSetClassRule | None = None

    @property
    def decision_lines(self) -> tuple[str, ...]:
        """Decisions in words, a line each."""
        point, rule, sets = self.operating_point, self.class_rule, self.conformal
        return (
            *(() if point is None else (point.words(point.rule),)),
            *(() if rule is None else (rule.words(rule.rule),)),
            *(() if sets is None else (sets.words(),)),
        )


class AbstentionPoint(Part):
    """Accuracy where only the most certain images are answered.

    Attributes
    ----------
    requested, answered : float
        Share of the images that is to be answered, and that is.
    certainty : float
        Lowest largest probability of an image that is answered.
    """

    requested: Share
    answered: Share
    certainty: Share
    accuracy: PlainEstimate


class AbstentionResults(Part):
    """Area under the error against the share of images answered, and some points of that curve."""

    area: Share
    points: tuple[AbstentionPoint, ...]


class OperatingPointFacts(Part):
    """A fitted operating point: its rule, the number of the positive class, and the threshold of its probability."""

    rule: str
    positive: Annotated[int, Field(ge=0, le=1)]
    threshold: Mass
    note: str


class ConformalThresholds(SparePart):
    """For each class the lowest probability with which it is in a prediction set, and the images that rests on.

    Attributes
    ----------
    intervals : bool
        Whether sets are filled up to intervals of ordered classes.
    """

    left_out: ClassVar = ("intervals",)

    level: Annotated[float, Field(gt=0, lt=1)]
    thresholds: tuple[Share, ...]
    n_calibration: tuple[Count, ...]
    intervals: bool = False


class FittedDecisions(Part):
    """Decisions fitted for the final model, the number of images they rest on, and why that calibrator was taken."""

    n_calibration: Count
    reason: str
    calibrator: CalibratorFacts
    operating_point: OperatingPointFacts | None
    conformal: ConformalThresholds | None


class FoldDecisionFacts(FittedDecisions):
    """Decisions fitted inside the training rows of one outer fold."""

    repeat: Count
    fold: Count


class DecisionResults(SparePart):
    """Decisions requested, decisions fitted in every fold, and their scores."""

    left_out: ClassVar = ("class_rule",)

    requested: RequestedDecisions
    calibration: CalibrationFacts
    operating_point: OperatingPointResults | None
    conformal: ConformalResults | None
    abstention: AbstentionResults
    folds: tuple[FoldDecisionFacts, ...]
    final: FittedDecisions
    class_rule: ClassRuleResults | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """Operating point, rule of classes and prediction sets in words, a line each."""
        point, rule, sets = self.operating_point, self.requested.operating_point or "", self.conformal
        by_rule, chosen = self.class_rule, self.requested.class_rule
        return (
            *(() if point is None else (point.words(rule),)),
            *(() if by_rule is None or chosen is None else (by_rule.words(chosen),)),
            *(() if sets is None else (sets.words(),)),
        )

    @property
    def class_tables(self) -> dict[str, Mapping[str, object]]:
        """Tables that have one entry for every class, by their place."""
        return {} if self.conformal is None else {"conformal.per_class": self.conformal.per_class}

    @property
    def matrices(self) -> dict[str, tuple[tuple[float, ...], ...]]:
        """Confusion matrices and costs, by their place."""
        found, rule = {}, self.requested.class_rule
        if self.operating_point is not None:
            found["operating_point.confusion"] = self.operating_point.confusion
        if self.class_rule is not None:
            found["class_rule.confusion"] = self.class_rule.confusion
        if rule is not None and rule.costs is not None:
            found["requested.class_rule.costs.values"] = rule.costs.values
        return found

    @property
    def missing(self) -> Iterator[str]:
        """Places of what was requested and is not there."""
        fitted = {"final": self.final, **{f"folds[{place}]": fold for place, fold in enumerate(self.folds)}}
        for kind in ("operating_point", "conformal"):
            if getattr(self.requested, kind) is not None:
                absent = [f"{place}.{kind}" for place, one in fitted.items() if getattr(one, kind) is None]
                yield from [*([kind] if getattr(self, kind) is None else []), *absent]
        if self.requested.class_rule is not None and self.class_rule is None:
            yield "class_rule"
