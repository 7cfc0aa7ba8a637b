"""Fits of fine-tuning candidates: each trained on the rows of an outer fold, and kept in the journal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import InputError, LeakError
from headstart.finetuning import (
    FineTuneSpec,
    Maps,
    TrainingContext,
    TrainingTask,
    fine_tune,
    frozen_stage,
    predict_images,
)
from headstart.heads import FittedHead, HeadSpec, fit_heads
from headstart.storage import hash_json
from headstart.study.execution.journal import Journal
from headstart.study.execution.tasks import fit_seed
from headstart.study.folds import HOLDOUT
from headstart.study.training_set.fold_rows import with_shares

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.backbones.backbone import Backbone
    from headstart.study.data import StudyData
    from headstart.study.folds import OuterFold
    from headstart.study.plan import StudyPlan

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class FineTuningStudy:
    """Fine-tuning candidates of a study, with the networks and stage maps that they start from.

    Attributes
    ----------
    specs : tuple of FineTuneSpec
        Candidates, each with its precision decided.
    backbones : tuple of Backbone
        Pretrained backbone of each source.
    open_maps : callable
        Gives the stage maps of all images for an outer fold, the number of a source and its last frozen stage; called
        once for each such pair, and for each fold where `is_fitted`.
    random_backbones : tuple of Backbone
        The same with random weights, where a candidate starts from them.
    n_threads : int
        Threads of the training.
    device : str
        Device of the training.
    is_fitted : bool
        The preparation of the images is fitted on the training rows of every outer fold, so maps differ by fold.
    seconds : float or None
        About how long all trainings take at most; None where that is not known.
    start_features : callable or None
        Gives the pooled output of the last stage for an outer fold and the number of a source, which the head that
        training starts from is fitted on; None for a source whose features in the study are that.
    """

    specs: tuple[FineTuneSpec, ...]
    backbones: tuple[Backbone, ...]
    open_maps: Callable[[OuterFold, int, str | None], Maps]
    random_backbones: tuple[Backbone, ...] = ()
    n_threads: int = 1
    device: str = "cpu"
    is_fitted: bool = False
    seconds: float | None = None
    start_features: Callable[[OuterFold, int], NDArray[np.float32] | None] = lambda fold, source: None

    def backbone(self, source: int, spec: FineTuneSpec) -> Backbone:
        """Backbone that a candidate starts from."""
        return (self.random_backbones if spec.start == "random" else self.backbones)[source]

    def stage(self, source: int, spec: FineTuneSpec) -> str | None:
        """Last stage of a source that stays frozen.

        Raises
        ------
        InputError
            When more stages are unlocked than there are.
        """
        backbone = self.backbones[source]
        return frozen_stage(spec.unlock, backbone.staged.names, backbone=backbone.name)


@dataclass(frozen=True, eq=False)
class _Training:
    """One training: its key in the journal, what is trained on which rows, and which rows are predicted then."""

    key: str
    source: int
    spec: FineTuneSpec
    rows: tuple[Integers, Integers]
    predicted: Integers
    array: str
    epochs: int | None = None


class FineTuningFits:
    """Fits of the candidates of a fine-tuning study, each made once and then taken from the journal.

    Parameters
    ----------
    data : StudyData
    plan : StudyPlan
    fine_tuning : FineTuningStudy
    journal : Journal
    """

    def __init__(self, data: StudyData, plan: StudyPlan, fine_tuning: FineTuningStudy, journal: Journal) -> None:
        self._data, self._plan, self._fine_tuning, self._journal = data, plan, fine_tuning, journal
        self._targets = np.eye(data.n_classes)[data.labels] if data.soft is None else data.soft
        self._maps: dict[tuple[str, int, str | None], Maps] = {}

    def on_holdout(self, fold: OuterFold, source: int, spec: FineTuneSpec, step: Callable[[int], None]) -> Arrays:
        """One candidate trained on the training part of the holdout, with its probabilities of the rest."""
        train, valid = fold.inner[HOLDOUT]
        training = _Training(f"{fold.key}-tuning-{_name(source, spec)}", source, spec, (train, valid), valid, "holdout")
        return self._done(training, fold, step)

    def on_all(
        self, fold: OuterFold, source: int, spec: FineTuneSpec, epochs: int, step: Callable[[int], None]
    ) -> Arrays:
        """One candidate trained on all training rows, with its probabilities of the test rows."""
        key = f"{fold.key}-tuned-{_name(source, spec)}"
        rows = (fold.train, np.zeros(0, dtype=np.int64))
        return self._done(_Training(key, source, spec, rows, fold.test, "probabilities", epochs), fold, step)

    def _done(self, training: _Training, fold: OuterFold, step: Callable[[int], None]) -> Arrays:
        """Arrays of a training, from the journal or made now."""
        kept = self._journal.get(training.key)
        if kept is not None:
            return kept
        train, valid = training.rows
        check_not_trained_on(train, training.predicted)
        stage = self._fine_tuning.stage(training.source, training.spec)
        start = self.start_head(fold, train, training.source)
        maps = self._opened(fold, training.source, stage)
        setting = TrainingContext(
            self._fine_tuning.backbone(training.source, training.spec),
            stage,
            start,
            seed=fit_seed(self._plan.seed, fold, len(valid), "fine-tuning"),
            n_threads=self._fine_tuning.n_threads,
            device=self._fine_tuning.device,
            stop_after=training.epochs,
            store=self._journal,
            key=f"{training.key}-checkpoint",
            on_step=step,
        )
        found = fine_tune(TrainingTask(maps, self._targets, self._data.weights, train, valid), training.spec, setting)
        arrays = found.to_arrays()
        if not found.failed:
            arrays[training.array] = predict_images(
                found, setting.backbone, stage, maps, training.predicted, device=self._fine_tuning.device
            )
        self._journal.put(training.key, arrays)
        self._journal.drop(f"{setting.key}-attempt0", f"{setting.key}-attempt1")
        return arrays

    def _opened(self, fold: OuterFold, source: int, stage: str | None) -> Maps:
        of_fold = fold.key if self._fine_tuning.is_fitted else ""
        key = (of_fold, source, stage)
        if key not in self._maps:
            for other in [other for other in self._maps if other[0] != of_fold]:
                del self._maps[other]  # one fold after the other: maps are the largest files there are
            self._maps[key] = self._fine_tuning.open_maps(fold, source, stage)
        return self._maps[key]

    def start_head(self, fold: OuterFold, train: Integers, source: int) -> FittedHead:
        """The linear head that training starts from, on the frozen features of some training rows of a fold alone."""
        data = self._data.of_fold(fold).of_source(source)
        last = self._fine_tuning.start_features(fold, source)
        rows = with_shares((data if last is None else replace(data, features=(last,))).take(train))
        spec = _start_spec(self._plan)
        (head,) = fit_heads(
            [spec], rows.features[0], rows.labels, n_classes=rows.n_classes, weights=rows.weights, seed=self._plan.seed
        )
        if "coefficients" not in head.arrays:
            raise InputError("Fine-tuning needs training images of two classes or more in every fold.")
        return head


def _start_spec(plan: StudyPlan) -> HeadSpec:
    """The logistic head of the study in the middle of its penalties, or the default one where it has none."""
    listed = sorted({one.head.number("C") for one in plan.candidates if one.head.kind == "logistic"})
    return HeadSpec("logistic", {"C": listed[len(listed) // 2]}) if listed else HeadSpec("logistic")


def check_not_trained_on(train: Integers, judged: Integers) -> None:
    """Refuse to judge images that are trained on.

    Raises
    ------
    LeakError
    """
    both = np.intersect1d(train, judged)
    if len(both):
        raise LeakError(
            f"Row {both[0]} and {len(both) - 1:,} others would be fine-tuned on and judged. Split first, and train "
            "inside the training fold."
        )


def _name(source: int, spec: FineTuneSpec) -> str:
    return f"source{source}-{hash_json(spec.to_json())[:16]}"
