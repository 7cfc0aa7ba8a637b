"""The simple baselines that transfer is judged against: each a small study of its own on the folds of the run.

A baseline whose scores are found elsewhere (a network trained from scratch, say) takes part as a `BaselineOutcome`
like the others: `best_baselines` asks of it no more than an inner score and test probabilities for every outer fold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from headstart.decisions import DecisionRules
from headstart.errors import InputError, RunError
from headstart.heads import HeadSpec, grid
from headstart.metrics import OutOfFold
from headstart.study.decisions import decide_folds
from headstart.study.execution.journal import Journal
from headstart.study.folds import HOLDOUT
from headstart.study.nested_cv import run_folds
from headstart.study.plan import StudyPlan
from headstart.study.search.candidate import Candidate, FeatureSourceSpec
from headstart.study.search.choose import ranked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data.images.source import BaselineColumns
    from headstart.progress import Progress
    from headstart.study.data import StudyData
    from headstart.study.features import FoldFeatures
    from headstart.study.folds import OuterFold

MAJORITY, SVM, FOREST, RANDOM_WEIGHTS = "majority", "handcrafted_svm", "handcrafted_forest", "random_weights"
TABLE = "table"
HEADS: dict[str, tuple[HeadSpec, ...]] = {
    MAJORITY: (HeadSpec("majority"),),
    SVM: tuple(HeadSpec("svm", {"C": C}) for C in (1.0, 10.0)),
    FOREST: (HeadSpec("forest", {"splits": "random"}),),
    TABLE: tuple(HeadSpec("logistic", {"C": C}) for C in (0.01, 0.1, 1.0, 10.0)),
}
"""Heads that each baseline tries; its inner folds choose among them. Random weights: see `network_heads`."""
OWN_HEADS = (HeadSpec("forest"),)
"""Heads that a baseline of the data set's own tries."""
TITLES: dict[str, str] = {
    MAJORITY: "majority class",
    SVM: "handcrafted features, SVM",
    FOREST: "handcrafted features, extra trees",
    RANDOM_WEIGHTS: "same backbone, random weights",
    TABLE: "table columns without pictures",
}


@dataclass(frozen=True, eq=False)
class Baseline:
    """Something simple that transfer must beat.

    Attributes
    ----------
    name : str
        Name in ``results.json`` and in the journal.
    title : str
        For people.
    features : ndarray of shape (n_images, n_features), float32, or FoldFeatures
        Features of one source.
    heads : tuple of HeadSpec
        Heads that its inner folds choose among.
    blocks : tuple of int
        Number of features of every block; empty where they are one.
    sees_table : bool
        Whether the run's table columns stand beside its features.
    """

    name: str
    title: str
    features: NDArray[np.float32] | FoldFeatures
    heads: tuple[HeadSpec, ...]
    blocks: tuple[int, ...] = ()
    sees_table: bool = True

    @property
    def n_features(self) -> int:
        """Number of features."""
        return int(self.features.shape[1]) if isinstance(self.features, np.ndarray) else self.features.widths[0]


@dataclass(frozen=True, eq=False)
class BaselineFold:
    """Result of a baseline in one outer fold.

    Attributes
    ----------
    outer : OuterFold
    inner_score : float
        Choosing score on the inner folds; nan where it has none, and then it is never the best.
    probabilities : ndarray of shape (n_test, n_classes), float64
        Probabilities of the test rows, calibrated as the run's own are.
    settings : str
        Settings of the head that was fitted, in words.
    holdout_score : float
        Choosing score on the first inner fold alone; nan where it has none.
    """

    outer: OuterFold
    inner_score: float
    probabilities: NDArray[np.float64]
    settings: str
    holdout_score: float = math.nan


@dataclass(frozen=True, eq=False)
class BaselineOutcome:
    """Results of a baseline in all outer folds, in the order of the run's.

    One that knows `on_holdout` only the first inner fold is compared with the others there, where it has a score.
    """

    name: str
    title: str
    folds: tuple[BaselineFold, ...]
    on_holdout: bool = False

    def oof(self, like: OutOfFold) -> OutOfFold:
        """Out-of-fold predictions of the baseline, of the same rows and folds as `like`."""
        return pooled(self.folds, like)


def standard_baselines(
    n_images: int,
    descriptors: NDArray[np.float32],
    random_features: NDArray[np.float32] | FoldFeatures | None,
    *,
    n_classes: int,
    random_blocks: tuple[int, ...] = (),
    has_table: bool = False,
    table_title: str = TITLES[TABLE],
    own: Sequence[BaselineColumns] = (),
) -> list[Baseline]:
    """The baselines of every run; those that look at pictures see the run's table columns too.

    Parameters
    ----------
    n_images : int
    descriptors : ndarray of shape (n_images, n_descriptors), float32
        Handcrafted descriptors of every image.
    random_features : ndarray of shape (n_images, n_features), float32, or FoldFeatures, or None
        Features of the backbone with random weights; None leaves that baseline out.
    n_classes : int
        Number of classes of the data, which the heads on random weights heed.
    random_blocks : tuple of int
        Number of features of every block of these.
    has_table : bool
        The images have table columns, whose logistic regression is a baseline too.
    table_title : str
        Title of that baseline.
    own : sequence of BaselineColumns
        Baselines of the data set's own, each a random forest on these columns alone.
    """
    features: dict[str, NDArray[np.float32] | FoldFeatures | None] = {
        MAJORITY: np.zeros((n_images, 1), dtype=np.float32),
        SVM: descriptors,
        FOREST: descriptors,
        RANDOM_WEIGHTS: random_features,
        TABLE: np.zeros((n_images, 0), dtype=np.float32) if has_table else None,
    }
    heads = {**HEADS, RANDOM_WEIGHTS: network_heads(n_classes)}
    blocks, titles = {RANDOM_WEIGHTS: random_blocks}, {**TITLES, TABLE: table_title}
    found = [
        Baseline(name, titles[name], rows, heads[name], blocks.get(name, ()))
        for name, rows in features.items()
        if rows is not None
    ]
    return found + [Baseline(one.name, one.title, one.values, OWN_HEADS, sees_table=False) for one in own]


def network_heads(n_classes: int) -> tuple[HeadSpec, ...]:
    """Heads on features of the network with random weights: the logistic regressions of the quick grid."""
    return tuple(head for head in grid("quick", n_classes=n_classes) if head.kind == "logistic")


def baseline_plan(baseline: Baseline, plan: StudyPlan) -> StudyPlan:
    """The plan of a baseline's own study: it chooses as the run does."""
    source = FeatureSourceSpec(backbone=baseline.name)
    return StudyPlan(
        tuple(Candidate(source, head) for head in baseline.heads),
        (source,),
        choose_by=plan.choose_by,
        positive=plan.positive,
        seed=plan.seed,
        n_jobs=plan.n_jobs,
    )


def run_baseline(
    baseline: Baseline,
    data: StudyData,
    folds: Sequence[OuterFold],
    plan: StudyPlan,
    rules: DecisionRules,
    *,
    journal: Journal | None = None,
    progress: Progress | None = None,
) -> BaselineOutcome:
    """A baseline chosen and judged on the run's outer folds, its probabilities calibrated as the run's are.

    Parameters
    ----------
    baseline : Baseline
    data : StudyData
        Data of the run; its labels, weights, groups and soft labels count, its features do not.
    folds : sequence of OuterFold
        Without the refit: a baseline has no final model.
    plan : StudyPlan
        Plan of the run.
    rules : DecisionRules
    journal : Journal, optional
    progress : Progress, optional
    """
    features = baseline.features
    own = data.with_features((features,) if isinstance(features, np.ndarray) else features)
    own = replace(own, blocks=(baseline.blocks,) if baseline.blocks else ())
    own = own if baseline.sees_table else replace(own, columns=None)
    own_plan = baseline_plan(baseline, plan)
    found = run_folds(
        own,
        folds,
        own_plan,
        journal=journal,
        prefix=f"baseline-{baseline.name}-",
        title=baseline.title[0].upper() + baseline.title[1:],
        progress=progress,
    )
    found = decide_folds(own, found, own_plan, DecisionRules(rules.calibrate, None, None))
    rows = [one.outer.inner[HOLDOUT][1] for one in found]
    held_out = [own_plan.score(own, held, one.inner.of_rows(held)) for held, one in zip(rows, found, strict=True)]
    baseline_folds = [
        BaselineFold(
            one.outer, float(one.inner_scores[one.chosen]), one.probabilities, own_plan.label(one.chosen), score
        )
        for one, score in zip(found, held_out, strict=True)
    ]
    return BaselineOutcome(baseline.name, baseline.title, tuple(baseline_folds))


def best_baselines(outcomes: Sequence[BaselineOutcome], metric: str) -> list[int]:
    """For every outer fold the place of the baseline that its inner folds prefer; the first of equals.

    Where one of them was scored on the first inner fold alone, all are compared on that fold's rows.

    Parameters
    ----------
    outcomes : sequence of BaselineOutcome
        Results of the baselines on the same folds.
    metric : str
        Name of the score that chooses.

    Raises
    ------
    InputError
        When there is no baseline, or they were judged on different folds.
    RunError
        When no baseline has a score on the inner folds of some outer fold.
    """
    if not outcomes or len({tuple(fold.outer.key for fold in one.folds) for one in outcomes}) != 1:
        raise InputError("Baselines are compared fold by fold. Give at least one, all judged on the same outer folds.")
    best = []
    for place, fold in enumerate(outcomes[0].folds):
        scores = np.array([math.nan if one.on_holdout else one.folds[place].inner_score for one in outcomes])
        if any(one.on_holdout and math.isfinite(one.folds[place].holdout_score) for one in outcomes):
            scores = np.array([one.folds[place].holdout_score for one in outcomes])
        order = ranked(scores, metric)
        if not len(order):
            raise RunError(f"No baseline has a score on the inner folds of {fold.outer.key}, so none can be chosen.")
        best.append(int(order[0]))
    return best


def all_positive_f1(labels: NDArray[np.int64], positive: int) -> float:
    """F1 score of a rule that calls every row positive, which knows nothing.

    >>> all_positive_f1(np.array([0, 0, 0, 1]), positive=1)
    0.4
    """
    share = float(np.mean(labels == positive))
    return 2 * share / (1 + share)


def pooled(folds: Sequence[BaselineFold], like: OutOfFold) -> OutOfFold:
    """Test probabilities of all outer folds as out-of-fold predictions of the same rows and folds as `like`."""
    probabilities = np.full_like(like.probabilities, 1.0 / like.n_classes)
    for one in folds:
        probabilities[one.outer.repeat, one.outer.test] = one.probabilities
    return replace(like, probabilities=probabilities)
