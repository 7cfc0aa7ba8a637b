"""About how long a study takes on this machine: the cost model of the heads, set right by a trial of a moment."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from headstart.heads import Chunk, HeadSpec, TrainingRows, prediction_cost, total_cost, training_rows
from headstart.heads.batched.plan import STEPS_PER_EPOCH, batch_rows
from headstart.metrics import OutOfFold, find_metric
from headstart.metrics.bootstrap import Column, score_batch
from headstart.runtime.threads import single_thread
from headstart.study.folds import OuterFold
from headstart.study.plan import StudyPlan
from headstart.study.search.candidate import Candidate, FeatureSourceSpec
from headstart.study.search.choose import N_RESAMPLES
from headstart.study.search.halving.plan import shortened
from headstart.study.search.halving.run import trajectories
from headstart.study.training_set.spec import TrainingSetSpec

if TYPE_CHECKING:
    from headstart.study.search.halving.plan import HalvingPlan

Item = TypeVar("Item")

START_WORKERS_S = 4.0
N_MEMBERS = 4
"""Members of an ensemble that are fitted beside the best of each source; there may be up to eight."""
_TRIAL_LANES = 4
_TRIAL_RUNS = 2
_TRIAL_EPOCHS = (1, 3)
_TRIAL_SHAPES = 4
_TRIAL_SIDE = 512
_TRIAL_ROWS, _TRIAL_DRAWS = 2000, 20
_MODELLED_FLOPS = 60e9


@dataclass(frozen=True)
class MachineSpeed:
    """Speed of this machine: how many times longer than the cost model of the heads says a fit takes here.

    Attributes
    ----------
    dense : mapping of int to float
        Factor of dense heads, by batch size; other batch sizes take the mean.
    other : float
        Factor of all other kinds.
    compared_s : float
        Seconds to count one row once in the comparison of candidates by the score that chooses.
    """

    dense: Mapping[int, float]
    other: float
    compared_s: float = 2e-9

    def of(self, head: HeadSpec) -> float:
        """Factor for one head."""
        if head.kind != "dense":
            return self.other
        usual = float(np.mean(list(self.dense.values()))) if self.dense else self.other
        return self.dense.get(head.whole("batch_size"), usual)


def measured_speed(plan: StudyPlan, widths: Sequence[int], n_classes: int, n_rows: int) -> MachineSpeed:
    """Speed of this machine with all worker processes at work, from some steps of the plan's own heads.

    Takes a second or two: at most four batch sizes are tried, and one matrix product for the other kinds. Threads stand
    for the processes that the study will use, since starting those takes longer than the trial.

    Parameters
    ----------
    plan : StudyPlan
    widths : sequence of int
        Features of each source.
    n_classes : int
    n_rows : int
        Training rows of an inner fold, which bound the batches.
    """
    from headstart.heads import train_chunk  # noqa: F401 (loads torch, which no trial should count)

    found: dict[int, float] = {}
    with single_thread(), ThreadPoolExecutor(plan.n_jobs) as threads:
        for heads, width in _trials(plan, widths):
            size = heads[0].whole("batch_size")
            rows = _made_up_rows(batch_rows(size, n_rows), width, n_classes)
            brief, longer = (
                _at_once(_dense_trial(heads, n_epochs, rows, plan.train_precision), plan.n_jobs, threads)
                for n_epochs in _TRIAL_EPOCHS
            )
            n_tried = len(rows.labels)
            modelled = total_cost(heads, n_tried, width, n_classes, precision=plan.train_precision)
            # What is done once for a stack drops out of the difference; noise may leave less than nothing of it.
            taken = max(longer - brief, longer / 4) / (_TRIAL_EPOCHS[1] - _TRIAL_EPOCHS[0])
            found[size] = taken / modelled
        other = _at_once(_product_trial, plan.n_jobs, threads) / (2 * _TRIAL_SIDE**3 / _MODELLED_FLOPS)
        compared_s = _compared_seconds(plan.choose_by, n_classes)
    return MachineSpeed(found, other, compared_s)


def _compared_seconds(metric: str, n_classes: int) -> float:
    """Seconds that one row takes in one draw of a comparison."""
    probabilities = np.random.default_rng(0).dirichlet(np.ones(n_classes), _TRIAL_ROWS)
    labels = np.arange(_TRIAL_ROWS) % n_classes
    oof = OutOfFold.from_test_set(labels, probabilities, classes=[str(code) for code in range(n_classes)])
    columns, counts = (Column(find_metric(metric)),), np.ones((_TRIAL_DRAWS, _TRIAL_ROWS))
    start = time.perf_counter()
    score_batch(oof, counts, columns)
    return (time.perf_counter() - start) / counts.size


def _trials(plan: StudyPlan, widths: Sequence[int]) -> list[tuple[list[HeadSpec], int]]:
    """A few dense heads of one epoch for each of some batch sizes, spread over the settings; their features' width."""
    by_size: dict[tuple[int, int, int], dict[HeadSpec, int]] = {}
    for candidate in plan.candidates:
        if candidate.head.kind == "dense":
            brief = HeadSpec("dense", {**candidate.head.settings, "epochs": 1})
            shape = (brief.whole("batch_size"), brief.whole("layers"), brief.whole("units"))
            by_size.setdefault(shape, {}).setdefault(brief, widths[plan.source_number(candidate)])
    first = {shape[0]: shape for shape in sorted(by_size, reverse=True)}  # of each batch size the smallest shape
    sizes = _spread(sorted(first), _TRIAL_SHAPES)
    found = [by_size[first[size]] for size in sizes]
    return [(_spread(list(heads), _TRIAL_LANES), next(iter(heads.values()))) for heads in found]


def _spread(items: Sequence[Item], n: int) -> list[Item]:
    """At most `n` of the items, evenly spread."""
    if len(items) <= n:
        return list(items)
    return [items[index] for index in np.linspace(0, len(items) - 1, n).round().astype(int).tolist()]


def _made_up_rows(size: int, width: int, n_classes: int) -> TrainingRows:
    """Training rows that make as few batches of this size as an epoch may have."""
    n_rows = max(STEPS_PER_EPOCH * size, n_classes)
    features = np.random.default_rng(0).standard_normal((n_rows, width), dtype=np.float32)
    labels = np.arange(n_rows) % n_classes
    return training_rows(features, labels, n_classes=n_classes, weights=None, groups=None, seed=0)


def _dense_trial(heads: Sequence[HeadSpec], n_epochs: int, rows: TrainingRows, precision: str) -> Callable[[], object]:
    from headstart.heads import train_chunk

    longer = tuple(HeadSpec("dense", {**head.settings, "epochs": n_epochs}) for head in heads)
    chunk = Chunk(tuple(range(len(longer))), longer)
    return lambda: train_chunk(chunk, [rows], precision=precision)


def _product_trial() -> object:
    square = np.ones((_TRIAL_SIDE, _TRIAL_SIDE))
    return square @ square


def _at_once(trial: Callable[[], object], n_jobs: int, threads: ThreadPoolExecutor) -> float:
    """Least seconds of a trial that runs in all threads at the same time."""
    best = math.inf
    for _ in range(_TRIAL_RUNS):
        start = time.perf_counter()
        list(threads.map(lambda _: trial(), range(n_jobs)))
        best = min(best, time.perf_counter() - start)
    return best


def study_seconds(
    folds: Sequence[OuterFold],
    plan: StudyPlan,
    widths: Sequence[int],
    n_classes: int,
    *,
    speed: MachineSpeed | None = None,
) -> float:
    """About how many seconds `run_folds` takes: inner fits, comparisons, the fits that are judged, and predictions.

    For searches over dense heads usually within a factor of 1.5; for the other kinds half or double is usual, since
    how long they take depends on the features.

    Parameters
    ----------
    folds : sequence of OuterFold
        The refit among them.
    plan : StudyPlan
    widths : sequence of int
        Features of each source.
    n_classes : int
    speed : MachineSpeed, optional
        Default: measured now.
    """
    speed = speed or measured_speed(plan, widths, n_classes, round(_mean_inner_rows(folds)))
    seconds = sum(_fold_seconds(fold, plan, widths, n_classes, speed) for fold in folds)
    n_validated = sum(len(validation) for fold in folds for _, validation in fold.inner)
    compared = _n_compared(plan) * N_RESAMPLES * n_validated * speed.compared_s
    return seconds / plan.n_jobs + compared + (START_WORKERS_S if plan.n_jobs > 1 else 0.0)


def _mean_inner_rows(folds: Sequence[OuterFold]) -> float:
    """Rows that an inner fold trains on."""
    return float(np.mean([len(train) for fold in folds for train, _ in fold.inner]))


def _n_compared(plan: StudyPlan) -> float:
    """Candidates that the choice compares."""
    share = 1.0 if plan.halving is None else plan.halving.keep ** len(plan.halving.folds)
    return len(plan.candidates) * share


@dataclass(frozen=True)
class _Rows:
    """Seconds of fitting heads on so many images and predicting others, the work they share counted once."""

    n_rows: int
    n_predicted: int
    plan: StudyPlan
    widths: Sequence[int]
    n_classes: int
    speed: MachineSpeed

    def seconds(self, candidates: Iterable[Candidate]) -> float:
        groups: dict[tuple[FeatureSourceSpec, TrainingSetSpec, float], list[Candidate]] = {}
        for one in candidates:
            groups.setdefault((one.source, one.training_set, self.speed.of(one.head)), []).append(one)
        return sum(factor * self._cost(members) for (_, _, factor), members in groups.items())

    def _cost(self, members: Sequence[Candidate]) -> float:
        """Modelled seconds of candidates of one source and one training set."""
        n_rows, heads = self.plan.rows_of(members[0], self.n_rows), [one.head for one in members]
        width, precision = self.widths[self.plan.source_number(members[0])], self.plan.train_precision
        n_predicted = self.n_predicted * self.plan.n_views_predicted(members[0])
        fitting = total_cost(heads, n_rows, width, self.n_classes, precision=precision)
        return fitting + n_predicted * prediction_cost(heads, n_rows, width, self.n_classes)


def _fold_seconds(
    fold: OuterFold, plan: StudyPlan, widths: Sequence[int], n_classes: int, speed: MachineSpeed
) -> float:
    n_validated = round(float(np.mean([len(validation) for _, validation in fold.inner])))
    inner = _Rows(round(_mean_inner_rows([fold])), n_validated, plan, widths, n_classes, speed)
    if plan.halving is None:
        seconds = inner.seconds(plan.candidates) * len(fold.inner)
    else:
        kinds = dict.fromkeys(head.kind for head in plan.heads)
        seconds = sum(_halved_seconds(kind, inner, plan.halving, len(fold.inner)) for kind in kinds)
    outer = _Rows(len(fold.train), len(fold.test), plan, widths, n_classes, speed)
    n_judged = len({candidate.source for candidate in plan.candidates}) if len(fold.test) else 1
    n_judged += N_MEMBERS if plan.ensemble else 0
    some = _spread(plan.candidates, _TRIAL_LANES**2)
    return seconds + n_judged * sum(outer.seconds([candidate]) for candidate in some) / len(some)


def _halved_seconds(kind: str, rows: _Rows, halving: HalvingPlan, n_folds: int) -> float:
    """Expected seconds of a race of one kind, as if those that pass took as long as those that do not."""
    members = [candidate for candidate in rows.plan.candidates if candidate.head.kind == kind]
    keys = [f"{rows.plan.source_number(member)} {member.training_set.label}" for member in members]
    found = trajectories(keys, [member.head for member in members])
    first = [members[trajectory[0]] for trajectory in found]
    short = [replace(one, head=shortened(one.head, halving.epochs)) for one in first]
    brief, full = rows.seconds(short) / len(found), rows.seconds(members) / len(found)
    alive, seconds = len(found), len(found) * brief * halving.folds[0]
    seen = halving.folds[0] if brief == full else 0  # folds that were seen to the end
    news = True
    for n_seen in (*halving.folds[1:], n_folds):
        if news:
            alive = min(alive, max(halving.least, math.ceil(halving.keep * alive)))
        seconds += alive * full * (n_seen - seen)
        news, seen = n_seen > seen, n_seen
    return seconds
