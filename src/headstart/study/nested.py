"""Nested evaluation: inner folds choose a candidate, outer folds judge the choice."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.split import Split
from headstart.errors import RunError
from headstart.heads import FittedHead, HeadSpec, fit_heads
from headstart.metrics import find_metric
from headstart.progress import Progress, Silent
from headstart.study.journal import Journal
from headstart.study.workers import Piece, run_pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

Inner = tuple[tuple["NDArray[np.int64]", "NDArray[np.int64]"], ...]
Scores = tuple["NDArray[np.float64]", "NDArray[np.float64]"]
FINAL = -1


@dataclass(frozen=True, eq=False)
class StudyData:
    """What heads are trained and judged on.

    Attributes
    ----------
    features : ndarray of shape (n_images, n_features), float32
    labels : ndarray of shape (n_images,), int64
    n_classes : int
    weights : ndarray of shape (n_images,), float64, or None
    groups : ndarray of shape (n_images,), int64, or None
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    n_classes: int
    weights: NDArray[np.float64] | None = None
    groups: NDArray[np.int64] | None = None

    def take(self, rows: NDArray[np.int64]) -> StudyData:
        """The rows named, in their order."""
        return replace(
            self,
            features=self.features[rows],
            labels=self.labels[rows],
            weights=None if self.weights is None else self.weights[rows],
            groups=None if self.groups is None else self.groups[rows],
        )


@dataclass(frozen=True)
class StudyPlan:
    """What is tried, and how the choice is made.

    Attributes
    ----------
    specs : tuple of HeadSpec
        Every candidate.
    choose_by : str
        Name of the metric that the inner folds choose by.
    positive : int or None
        Positive class of a two-class task.
    seed : int
    n_jobs : int
        Worker processes; never changes the results.
    """

    specs: tuple[HeadSpec, ...]
    choose_by: str = "log_loss"
    positive: int | None = None
    seed: int = 0
    n_jobs: int = 1


@dataclass(frozen=True, eq=False)
class OuterFold:
    """One outer fold, or with ``fold == FINAL`` the refit on all rows.

    Attributes
    ----------
    repeat, fold : int
    train, test : ndarray of int64
        Row numbers; the refit has no test rows.
    inner : tuple of (train rows, validation rows)
    """

    repeat: int
    fold: int
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    inner: Inner

    @property
    def key(self) -> str:
        """Name in the journal and of the saved head."""
        return "final" if self.fold == FINAL else f"repeat{self.repeat}-fold{self.fold}"


@dataclass(frozen=True, eq=False)
class FoldResult:
    """What one outer fold gave.

    Attributes
    ----------
    outer : OuterFold
    inner_scores, inner_log_loss : ndarray of shape (n_specs,)
        The choosing metric, and log loss, pooled over the inner validation rows.
    chosen : int
        Index into the plan's specs.
    head : FittedHead
        The chosen candidate, fitted on all training rows of the fold.
    probabilities : ndarray of shape (n_test, n_classes)
    """

    outer: OuterFold
    inner_scores: NDArray[np.float64]
    inner_log_loss: NDArray[np.float64]
    chosen: int
    head: FittedHead
    probabilities: NDArray[np.float64]


def outer_folds(split: Split) -> list[OuterFold]:
    """Every outer fold of a split, all repeats, in order."""
    return [
        OuterFold(repeat, fold, train, test, tuple(split.inner(repeat, fold)))
        for repeat in range(split.repeats)
        for fold, train, test in split.outer(repeat)
    ]


def final_fold(split: Split) -> OuterFold:
    """The refit on all rows: the inner folds that choose its candidate cover the whole data set."""
    everything = np.arange(len(split), dtype=np.int64)
    return OuterFold(0, FINAL, everything, everything[:0], tuple(split.full_inner()))


def run_folds(
    data: StudyData,
    folds: Sequence[OuterFold],
    plan: StudyPlan,
    *,
    journal: Journal | None = None,
    prefix: str = "",
    title: str = "Heads",
    progress: Progress | None = None,
) -> list[FoldResult]:
    """Choose and judge: for every outer fold the candidate that its inner folds prefer.

    Test rows are read only to predict them, after the choice and the fit are made without them.

    Parameters
    ----------
    data : StudyData
    folds : sequence of OuterFold
    plan : StudyPlan
    journal : Journal, optional
        Finished pieces are taken from it and added to it.
    prefix : str
        Put before the journal's keys, to keep two studies of one run apart.
    title : str
        For the progress bar.
    progress : Progress, optional

    Returns
    -------
    list of FoldResult
        In the order of `folds`.
    """
    journal = journal or Journal(None)
    kinds = _by_kind(plan.specs)
    inner = [
        Piece(
            f"{prefix}{fold.key}-{kind}",
            inner_predictions,
            (data, fold, tuple(plan.specs[index] for index in indices), plan.seed),
        )
        for fold in folds
        for kind, indices in kinds.items()
    ]
    progress = progress or Silent()
    with progress.task(title, len(inner) + len(folds), "pieces") as advance:
        run_pieces(inner, journal, n_jobs=plan.n_jobs, advance=advance)
        predicted = {
            fold.key: {kind: _kept(journal, f"{prefix}{fold.key}-{kind}")["probabilities"] for kind in kinds}
            for fold in folds
        }
        scores = {fold.key: _inner_scores(data, fold, plan, kinds, predicted[fold.key]) for fold in folds}
        chosen = {key: choose(by_metric, plan.choose_by) for key, (by_metric, _) in scores.items()}
        outer = [
            Piece(f"{prefix}{fold.key}-outer", fit_and_predict, (data, fold, plan.specs[chosen[fold.key]], plan.seed))
            for fold in folds
        ]
        run_pieces(outer, journal, n_jobs=plan.n_jobs, advance=advance)
    return [
        _fold_result(fold, scores[fold.key], chosen[fold.key], plan, _kept(journal, f"{prefix}{fold.key}-outer"))
        for fold in folds
    ]


def inner_predictions(
    data: StudyData, fold: OuterFold, specs: Sequence[HeadSpec], seed: int
) -> dict[str, NDArray[Any]]:
    """Probabilities of the inner validation rows for candidates of one kind.

    Returns
    -------
    dict
        ``probabilities`` of shape (n_specs, n_train, n_classes), in the order of the fold's training rows; nan for
        rows that no inner fold validates.
    """
    place = np.full(len(data.labels), -1, dtype=np.int64)
    place[fold.train] = np.arange(len(fold.train))
    probabilities = np.full((len(specs), len(fold.train), data.n_classes), np.nan)
    for number, (train, validation) in enumerate(fold.inner):
        heads = _fit(data.take(train), specs, _seed(seed, fold, number, specs[0].kind))
        for index, head in enumerate(heads):
            probabilities[index, place[validation]] = head.predict_proba(data.features[validation])
    return {"probabilities": probabilities}


def fit_and_predict(data: StudyData, fold: OuterFold, spec: HeadSpec, seed: int) -> dict[str, NDArray[Any]]:
    """The chosen candidate fitted on a fold's training rows: its arrays, and the probabilities of the test rows."""
    head = _fit(data.take(fold.train), [spec], _seed(seed, fold, len(fold.inner), spec.kind))[0]
    probabilities = head.predict_proba(data.features[fold.test])
    tensors = {f"head.{name}": value for name, value in head.to_tensors().items()}
    return {"probabilities": probabilities, **tensors}


def choose(scores: NDArray[np.float64], metric: str) -> int:
    """Index of the best score; the first of equals. A nan is never chosen.

    Raises
    ------
    RunError
        When no candidate has a score.
    """
    if np.isnan(scores).all():
        raise RunError(
            f"No candidate has a {find_metric(metric).title} on the inner folds, so none can be chosen. Check the "
            "weights and the sizes of the classes, or choose by another score with --metric."
        )
    sign = 1.0 if find_metric(metric).greater_is_better else -1.0
    values = np.where(np.isnan(scores), -np.inf, sign * scores)
    return int(np.argmax(values))


def _fit(data: StudyData, specs: Sequence[HeadSpec], seed: int) -> list[FittedHead]:
    return fit_heads(
        specs,
        data.features,
        data.labels,
        n_classes=data.n_classes,
        weights=data.weights,
        groups=data.groups,
        seed=seed,
    )


def _seed(seed: int, fold: OuterFold, number: int, kind: str) -> int:
    """Seed of one fit, the same wherever and whenever it runs."""
    kind_number = int.from_bytes(hashlib.sha256(kind.encode()).digest()[:4], "big")
    sequence = np.random.SeedSequence([seed, fold.repeat, fold.fold + 1, number, kind_number])
    return int(sequence.generate_state(1)[0])


def _by_kind(specs: Sequence[HeadSpec]) -> dict[str, list[int]]:
    kinds: dict[str, list[int]] = {}
    for index, spec in enumerate(specs):
        kinds.setdefault(spec.kind, []).append(index)
    return kinds


def _kept(journal: Journal, key: str) -> dict[str, NDArray[Any]]:
    tensors = journal.get(key)
    if tensors is None:
        raise KeyError(f"piece {key!r} was run but is not in the journal")
    return tensors


def _inner_scores(
    data: StudyData,
    fold: OuterFold,
    plan: StudyPlan,
    kinds: dict[str, list[int]],
    predicted: dict[str, NDArray[np.float64]],
) -> Scores:
    """The choosing metric and log loss of every candidate, pooled over one outer fold's inner validation rows."""
    by_metric, log_loss = np.full(len(plan.specs), np.nan), np.full(len(plan.specs), np.nan)
    for kind, indices in kinds.items():
        for index, probabilities in zip(indices, predicted[kind], strict=True):
            by_metric[index] = inner_score(data, fold, probabilities, plan.choose_by, plan.positive)
            log_loss[index] = inner_score(data, fold, probabilities, "log_loss", plan.positive)
    return by_metric, log_loss


def inner_score(
    data: StudyData, fold: OuterFold, predicted: NDArray[np.float64], metric: str, positive: int | None
) -> float:
    """A metric over the validated rows; nan where the candidate failed to give finite probabilities."""
    validated = np.isin(fold.train, np.concatenate([validation for _, validation in fold.inner]))
    if not np.isfinite(predicted[validated]).all():
        return float("nan")
    rows = fold.train[validated]
    weights = None if data.weights is None else data.weights[rows]
    return float(find_metric(metric)(data.labels[rows], predicted[validated], weights, positive=positive))


def _fold_result(
    fold: OuterFold, scores: Scores, chosen: int, plan: StudyPlan, tensors: dict[str, NDArray[Any]]
) -> FoldResult:
    arrays = {name.removeprefix("head."): value for name, value in tensors.items() if name.startswith("head.")}
    head = FittedHead.from_tensors(plan.specs[chosen], arrays)
    return FoldResult(fold, *scores, chosen, head, tensors["probabilities"])
