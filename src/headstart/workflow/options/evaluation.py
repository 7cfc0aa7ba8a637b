"""How a fit judges: score, decisions, folds, baselines."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, get_args

from headstart.workflow.options.names import RULES, SCHEMES
from headstart.workflow.options.option import Options, Shorthand, metric_names, option
from headstart.workflow.options.ordinal import OrdinalOptions

if TYPE_CHECKING:
    from headstart.decisions import DecisionRules, NoveltyRule

Calibration = Literal["auto", "none", "temperature", "platt", "isotonic"]
NoveltyMeasure = Literal["knn", "mahalanobis"]
SEEDS: Final = {"at_least": 0, "at_most": 2**32 - 1}


@dataclass(frozen=True)
class DecisionOptions(OrdinalOptions):
    """The choosing score, and what is decided from probabilities; with the options of ordered classes.

    Attributes
    ----------
    metric : str
        Score that the inner folds choose by.
    calibrate : {"auto", "none", "temperature", "platt", "isotonic"}
        How probabilities are calibrated, on inner predictions. ``auto``: by the size of the data, none where none
        helps.
    operating_point : str or None
        Rule for the threshold of two classes: ``youden``, ``sensitivity>=0.95``, ``specificity>=0.95``, ``cost:10``
        (of a missed positive, in false alarms). None: the most probable class.
    conformal : float or None
        Share of each class's images whose prediction set is to hold their class, such as 0.9. None: no sets.
    novelty : float or None
        Share of images of the same kind that may be flagged as unlike the training images, such as 0.05. None: no
        image is flagged.
    novelty_measure : {"knn", "mahalanobis"}
        Distance to the nearest training image, or from their mean in units of their spread.
    positive : str or None
        Positive class of a two-class task. None: the rarer one.
    """

    group: ClassVar[str] = "Decisions"

    metric: str = field(
        default="log_loss",
        metadata=option(
            "Score that the inner folds choose by.",
            decides=True,
            listed=metric_names,
            offered=metric_names,
            group="Search",
            matters=True,
        ),
    )
    calibrate: Calibration = field(
        default="auto",
        metadata=option(
            "Make probabilities agree with frequencies. auto: by the size of the data, none where none helps.",
            choices=get_args(Calibration),
            noun="calibration",
        ),
    )
    operating_point: str | None = field(
        default=None,
        metadata=option(
            "Threshold of two classes: youden, sensitivity=0.95, specificity=0.95 or cost:10 (of a missed positive, "
            "in false alarms).",
            metavar="RULE",
            offered=lambda: RULES,
            matters=True,
            unset="the most probable class",
        ),
    )
    conformal: float | None = field(
        default=None,
        metadata=option(
            "Add prediction sets that hold the true class of this share of images, such as 0.9.",
            metavar="LEVEL",
            unset="none",
        ),
    )
    novelty: float | None = field(
        default=None,
        metadata=option(
            "Flag new images unlike the training images; this share of images of the same kind may be flagged, such as "
            "0.05.",
            metavar="RATE",
            unset="none",
            noun="novelty rate",
        ),
    )
    novelty_measure: NoveltyMeasure = field(
        default="knn",
        metadata=option(
            "Distance to the nearest training image, or from their mean in units of their spread.",
            choices=get_args(NoveltyMeasure),
            noun="novelty measure",
        ),
    )
    positive: str | None = field(
        default=None,
        metadata=option("Positive class of two.", metavar="CLASS", unset="the rarer", decides=True),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        from headstart.decisions.conformal import check_level
        from headstart.metrics import find_metric

        find_metric(self.metric).check_usable_for_selection()
        if self.conformal is not None:
            check_level(self.conformal)
        _ = self.decision_rules
        _ = self.novelty_rule

    def check_order(self) -> None:
        """Refuse a score or a decision of ordered classes where the classes have none; apart, as data may bring it.

        Raises
        ------
        InputError
        """
        from headstart.metrics import find_metric

        super().check_order()
        find_metric(self.metric).check_order(self.is_ordinal)

    @property
    def decision_rules(self) -> DecisionRules:
        """Requested calibration, operating point or rule of classes, and prediction sets.

        Raises
        ------
        InputError
            When the operating point is no rule.
        """
        from headstart.decisions import DecisionRules, parse_rule

        rule = None if self.operating_point is None else parse_rule(self.operating_point)
        return DecisionRules(self.calibrate, rule, self.conformal, self.class_rule, self.is_ordinal)

    def novelty_identity(self) -> dict[str, Any]:
        """The options of novelty that decide the results; none where no image is flagged."""
        return {} if self.novelty is None else {"novelty": self.novelty, "novelty_measure": self.novelty_measure}

    @property
    def novelty_rule(self) -> NoveltyRule | None:
        """How unlike images are flagged; None where none is.

        Raises
        ------
        InputError
            When the rate is no share, or a measure is named without a rate.
        """
        from headstart.decisions import NoveltyRule
        from headstart.decisions.novelty import check_rate
        from headstart.errors import InputError

        if self.novelty is not None:
            return NoveltyRule(check_rate(self.novelty), self.novelty_measure)
        if self.novelty_measure != "knn":
            raise InputError(
                f"novelty_measure {self.novelty_measure} says how unlike images are flagged, but none are. Add "
                "--novelty 0.05, say, or leave it out."
            )
        return None


@dataclass(frozen=True)
class SplitOptions(Options):
    """The folds that choose and judge.

    Attributes
    ----------
    split : str
        ``auto``, ``nested:5x4``, ``nested:5x1``, ``nested:2of5x4`` (two of the five outer folds judge),
        ``holdout:60/20/20``, or the path of a split.json. ``auto``: ``nested:5x4``, or fewer folds where there are so
        many images that fewer are enough to judge or to choose by.
    repeats : int
        How many times the outer folds are drawn.
    seed : int >= 0
        Random seed of the split, the heads and the resampling.
    quick : bool
        A provisional answer first: one head, judged on the first outer fold alone, without baselines. The same call
        without it does the whole job and replaces the answer.
    """

    group: ClassVar[str] = "Data"

    split: str = field(
        default="auto",
        metadata=option(
            "nested:OUTERxINNER, nested:2of5x4 (two of five outer folds judge), holdout:TRAIN/VAL/TEST in percent, or "
            "a split.json. auto: nested:5x4, fewer of many images.",
            shorthand=Shorthand(
                "--folds",
                "Outer folds; short for --split nested:FOLDSx4.",
                "nested:{}x4",
                at_least=2,
                matters=True,
            ),
            offered=lambda: SCHEMES,
            or_path=True,
            decides=True,
        ),
    )
    repeats: int = field(
        default=1,
        metadata=option("Draw the outer folds so many times.", at_least=1, at_most=1000, decides=True),
    )
    seed: int = field(default=0, metadata=option("Random seed.", decides=True, **SEEDS))
    quick: bool = field(
        default=False,
        metadata=option(
            "A provisional answer first: one holdout, one head, no baselines; the same command without it does it all.",
            group="Search",
        ),
    )

    @property
    def split_file(self) -> Path | None:
        """Path of the requested split.json, if one is named."""
        return Path(self.split) if self.split.endswith(".json") else None


@dataclass(frozen=True)
class ReportOptions(Options):
    """Comparisons of a fit with baselines, explanations, and whether its report may show pictures.

    Attributes
    ----------
    baselines : bool
        Judge simple baselines on the same folds, and say whether transfer helped.
    leakage_tax : bool
        Measure also the optimism from ignoring the groups: what a split without them would have claimed.
    explanations : bool
        Whether the most telling images are explained.
    images : bool
        Whether the report may show pictures.
    """

    group: ClassVar[str] = "Output"

    baselines: bool = field(
        default=True,
        metadata=option(
            "Judge simple baselines on the same folds and say whether transfer helped.",
            flag="--baselines/--no-baselines",
            decides=True,
            group="Search",
        ),
    )
    leakage_tax: bool = field(
        default=False,
        metadata=option("Measure also what ignoring the groups would have claimed.", decides=True),
    )
    explanations: bool = field(
        default=True,
        metadata=option(
            "Do not explain the twelve most telling images: hits, misses, doubtful ones.", flag="--no-explanations"
        ),
    )
    images: bool = field(
        default=True,
        metadata=option(
            "No pictures and no file names in the report: images of patients.",
            flag="--no-images",
        ),
    )
