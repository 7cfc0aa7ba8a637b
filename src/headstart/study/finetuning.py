"""Fine-tuning candidates of a study, networks trained from scratch among them: chosen on one holdout per outer fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import InputError, LeakError
from headstart.finetuning import (
    FineTuned,
    FineTuneSpec,
    Maps,
    TrainingContext,
    TrainingTask,
    fine_tune,
    frozen_stage,
    predict_images,
)
from headstart.heads import FittedHead, HeadSpec, fit_heads
from headstart.progress import Progress, Silent
from headstart.storage import hash_json
from headstart.study.execution.journal import Journal
from headstart.study.execution.tasks import fit_seed
from headstart.study.fold_result import FineTunedFold, FoldResult
from headstart.study.folds import HOLDOUT
from headstart.study.search.choose import ranked
from headstart.study.search.inner_predictions import InnerPredictions
from headstart.study.training_set.build import with_shares

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
        Gives the stage maps of all images for the number of a source and its last frozen stage; called once a pair.
    random_backbones : tuple of Backbone
        The same with random weights, where a candidate starts from them.
    n_threads : int
        Threads of the training.
    device : str
        Device of the training.
    """

    specs: tuple[FineTuneSpec, ...]
    backbones: tuple[Backbone, ...]
    open_maps: Callable[[int, str | None], Maps]
    random_backbones: tuple[Backbone, ...] = ()
    n_threads: int = 1
    device: str = "cpu"

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


def tune_folds(
    data: StudyData,
    results: Sequence[FoldResult],
    plan: StudyPlan,
    tuning: FineTuningStudy,
    *,
    journal: Journal | None = None,
    progress: Progress | None = None,
) -> list[FoldResult]:
    """The folds after fine-tuning candidates have competed with the winners among the heads on frozen features.

    Each is trained on the training part of one inner fold; the epoch with the lowest log loss on the rest is its
    number of epochs. Where the best of them beats the frozen winner there, by the choosing score, and some epoch beat
    the linear head it started from, it is trained on all training rows of the outer fold for as many epochs, and its
    predictions of the test rows take the place of the winner's. Test rows decide nothing.

    Parameters
    ----------
    data : StudyData
    results : sequence of FoldResult
        Results of the heads on frozen features, calibrated; the refit, which need not be, among them.
    plan : StudyPlan
    tuning : FineTuningStudy
    journal : Journal, optional
        Finished trainings and checkpoints are taken from it and added to it.
    progress : Progress, optional

    Returns
    -------
    list of FoldResult
        As given, with ``fine_tuned``, and ``calibrated`` kept as ``frozen``; where a fine-tuning candidate was chosen
        with its probabilities as ``raw``, and as ``inner`` its predictions of the holdout.
    """
    work = _Work(data, plan, tuning, journal or Journal(None))
    total = sum(work.n_images(result.outer) for result in results)
    with (progress or Silent()).task("Fine-tuning", total, "images") as advance:
        return [work.tune(result, advance) for result in results]


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


def judge_alone(
    data: StudyData,
    results: Sequence[FoldResult],
    plan: StudyPlan,
    tuning: FineTuningStudy,
    number: int,
    *,
    journal: Journal | None = None,
    progress: Progress | None = None,
) -> list[FoldResult]:
    """One fine-tuning candidate judged in every outer fold, chosen there or not: a baseline.

    Arguments as for `tune_folds`; `number` is that of the candidate.

    Returns
    -------
    list of FoldResult
        As given, with the candidate's probabilities, inner predictions and ``fine_tuned``; where it diverges
        ``fine_tuned.chosen`` is None.
    """
    work = _Work(data, plan, tuning, journal or Journal(None))
    spec = tuning.specs[number]
    total = sum(len(result.outer.train) * spec.epochs for result in results)
    with (progress or Silent()).task(spec.label.partition(",")[0].capitalize(), total, "images") as advance:
        return [work.alone(result, number, advance) for result in results]


class _Work:
    def __init__(self, data: StudyData, plan: StudyPlan, tuning: FineTuningStudy, journal: Journal) -> None:
        self.data, self.plan, self.tuning, self.journal = data, plan, tuning, journal
        self.targets = np.eye(data.n_classes)[data.labels] if data.soft is None else data.soft
        self._maps: dict[tuple[int, str | None], Maps] = {}

    def n_images(self, fold: OuterFold) -> int:
        """Largest number of images that the trainings of a fold pass."""
        each = [len(fold.inner[HOLDOUT][0]) * spec.epochs for spec in self.tuning.specs]
        return sum(each) + len(fold.train) * max(spec.epochs for spec in self.tuning.specs)

    def tune(self, result: FoldResult, advance: Callable[[int], None]) -> FoldResult:
        """The outer fold after the candidates have competed."""
        left = [self.n_images(result.outer)]

        def step(n: int) -> None:
            left[0] -= n
            advance(n)

        fold, source = result.outer, self.plan.source_of(result.chosen)
        holdout = fold.inner[HOLDOUT][1]
        tried = [self._tried(fold, source, spec, step) for spec in self.tuning.specs]
        scores = self._scores(result, holdout, [one.get("holdout") for one in tried])
        found = tuple(FineTuned.from_arrays(one, self._start(fold.inner[HOLDOUT][0], source)) for one in tried)
        plain = FineTunedFold(source, scores, found, None, None, None)
        order = ranked(_eligible(scores, found), self.plan.choose_by)
        best = int(order[0]) if len(order) else 0  # no score at all: the frozen winner stands
        tuned = replace(result, fine_tuned=plain, frozen=result.calibrated, calibrated=None, decisions=None)
        if best > 0:
            tuned = self._with(tuned, plain, best - 1, tried[best - 1]["holdout"], step)
        advance(left[0])
        return tuned

    def alone(self, result: FoldResult, number: int, advance: Callable[[int], None]) -> FoldResult:
        """One candidate in one outer fold, whatever the holdout prefers."""
        if result.fine_tuned is None:
            raise ValueError("the fold was not tuned")
        source, spec = result.fine_tuned.source, self.tuning.specs[number]
        holdout = self._tried(result.outer, source, spec, lambda n: None).get("holdout")  # the journal has it
        plain = replace(result.fine_tuned, chosen=None, fitted=None, stage=None)
        alone = replace(result, fine_tuned=plain, raw=result.frozen_raw, calibrated=None, decisions=None)
        return alone if holdout is None else self._with(alone, plain, number, holdout, advance)

    def _with(
        self, result: FoldResult, plain: FineTunedFold, number: int, holdout: Floats, step: Callable[[int], None]
    ) -> FoldResult:
        """The fold with a fine-tuning candidate in the winner's place; as it was where its last training diverges."""
        fold, spec = result.outer, self.tuning.specs[number]
        stage = self.tuning.stage(plain.source, spec)
        kept = self._fitted(fold, plain.source, spec, plain.tried[number].best_epoch, step)
        fitted = FineTuned.from_arrays(kept, self._start(fold.train, plain.source))
        if fitted.failed:
            return result
        rows = fold.inner[HOLDOUT][1]
        inner = InnerPredictions(rows, holdout, np.full(len(rows), HOLDOUT, dtype=np.int64))
        tuned = replace(plain, chosen=number, fitted=fitted, stage=stage)
        return replace(result, raw=kept["probabilities"], inner=inner, fine_tuned=tuned)

    def _tried(self, fold: OuterFold, source: int, spec: FineTuneSpec, step: Callable[[int], None]) -> Arrays:
        """One candidate trained on the training part of the holdout, with its probabilities of the rest."""
        train, valid = fold.inner[HOLDOUT]
        training = _Training(f"{fold.key}-tuning-{_name(source, spec)}", source, spec, (train, valid), valid, "holdout")
        return self._done(training, fold, step)

    def _fitted(
        self, fold: OuterFold, source: int, spec: FineTuneSpec, epochs: int, step: Callable[[int], None]
    ) -> Arrays:
        """One candidate trained on all training rows, with its probabilities of the test rows."""
        key = f"{fold.key}-tuned-{_name(source, spec)}"
        rows = (fold.train, np.zeros(0, dtype=np.int64))
        return self._done(_Training(key, source, spec, rows, fold.test, "probabilities", epochs), fold, step)

    def _done(self, training: _Training, fold: OuterFold, step: Callable[[int], None]) -> Arrays:
        """Arrays of a training, from the journal or made now."""
        kept = self.journal.get(training.key)
        if kept is not None:
            return kept
        train, valid = training.rows
        _check_apart(train, training.predicted)
        stage, start = self.tuning.stage(training.source, training.spec), self._start(train, training.source)
        maps = self._opened(training.source, stage)
        setting = TrainingContext(
            self.tuning.backbone(training.source, training.spec),
            stage,
            start,
            seed=fit_seed(self.plan.seed, fold, len(valid), "fine-tuning"),
            n_threads=self.tuning.n_threads,
            device=self.tuning.device,
            stop_after=training.epochs,
            store=self.journal,
            key=f"{training.key}-checkpoint",
            on_step=step,
        )
        found = fine_tune(TrainingTask(maps, self.targets, self.data.weights, train, valid), training.spec, setting)
        arrays = found.to_arrays()
        if not found.failed:
            arrays[training.array] = predict_images(
                found, setting.backbone, stage, maps, training.predicted, device=self.tuning.device
            )
        self.journal.put(training.key, arrays)
        self.journal.drop(f"{setting.key}-attempt0", f"{setting.key}-attempt1")
        return arrays

    def _opened(self, source: int, stage: str | None) -> Maps:
        if (source, stage) not in self._maps:
            self._maps[source, stage] = self.tuning.open_maps(source, stage)
        return self._maps[source, stage]

    def _start(self, train: Integers, source: int) -> FittedHead:
        """The linear head that training starts from, on the frozen features of the training rows alone."""
        rows = with_shares(self.data.of_source(source).take(train))
        spec = _start_spec(self.plan)
        (head,) = fit_heads(
            [spec], rows.features[0], rows.labels, n_classes=rows.n_classes, weights=rows.weights, seed=self.plan.seed
        )
        if "coefficients" not in head.arrays:
            raise InputError("Fine-tuning needs training images of two classes or more in every fold.")
        return head

    def _scores(self, result: FoldResult, rows: Integers, tuned: Sequence[Floats | None]) -> Floats:
        """The choosing score on the holdout, of the frozen winner first."""
        frozen = result.inner.of_rows(rows)
        return np.array(
            [np.nan if given is None else self.plan.score(self.data, rows, given) for given in (frozen, *tuned)]
        )


def _eligible(scores: Floats, tried: Sequence[FineTuned]) -> Floats:
    """The scores that choose: what is best before its first epoch was not fine-tuned, so the frozen winner stands."""
    untrained = [False, *(one.best_epoch == 0 for one in tried)]
    return np.where(untrained, np.nan, scores)


def _start_spec(plan: StudyPlan) -> HeadSpec:
    """The logistic head of the study in the middle of its penalties, or the default one where it has none."""
    listed = sorted({one.head.number("C") for one in plan.candidates if one.head.kind == "logistic"})
    return HeadSpec("logistic", {"C": listed[len(listed) // 2]}) if listed else HeadSpec("logistic")


def _check_apart(train: Integers, judged: Integers) -> None:
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
