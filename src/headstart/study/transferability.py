"""Which source of features suits the task, before any head is chosen: three scores that see training rows alone.

LogME, neighbours and a plain logistic probe are computed on the training rows of every outer fold and, for the refit,
on all rows. None of them chooses anything: the inner folds do. Once the outer folds have judged, the document says how
well each would have ranked the sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.heads import HeadSpec
from headstart.metrics import find_metric
from headstart.metrics.transferability import logme, neighbour_probabilities
from headstart.progress import Progress, Silent
from headstart.study.data import StudyData
from headstart.study.execution.journal import Journal
from headstart.study.execution.tasks import FitSettings, fit_seed, inner_predictions
from headstart.study.execution.workers import Workers, WorkItem, run_items
from headstart.study.folds import OuterFold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

MAX_ROWS: Final = 10_000
"""Training rows that the scores look at; of more, so many are drawn."""
PROBE: Final = HeadSpec("logistic")
N_NEIGHBOURS: Final = 15
_MAX_DISPUTED: Final = 3
SCORES: Final = ("logme", "knn_log_loss", "knn_accuracy", "logistic_log_loss", "logistic_accuracy")
RANKED: Final = {"logme": "LogME", "knn_log_loss": "kNN", "logistic_log_loss": "the logistic probe"}
"""The three scores that sources are ranked by, and their names in a sentence."""


def score_sources(
    data: StudyData,
    folds: Sequence[OuterFold],
    *,
    seed: int,
    n_jobs: int = 1,
    journal: Journal | None = None,
    progress: Progress | None = None,
) -> Floats:
    """The scores of every source in every fold, from the fold's training rows alone.

    Parameters
    ----------
    data : StudyData
    folds : sequence of OuterFold
    seed : int
    n_jobs : int
        Worker processes; never changes the results.
    journal : Journal, optional
        Finished work items are taken from it and added to it.
    progress : Progress, optional

    Returns
    -------
    ndarray of shape (n_folds, n_sources, 5)
        As `SCORES` names them: LogME, then log loss and accuracy of the neighbours and of the probe.
    """
    journal = journal or Journal(None)
    data = replace(data, columns=None)  # it is networks that are scored, by pictures alone
    data.make_features(folds)
    keys = [[f"transfer-{fold.key}-source{source}" for source in range(len(data.widths))] for fold in folds]
    items = [
        WorkItem(key, fold_scores, (data.of_fold(fold).of_source(source), fold, seed))
        for fold, row in zip(folds, keys, strict=True)
        for source, key in enumerate(row)
    ]
    with (
        Workers(n_jobs) as workers,
        (progress or Silent()).task("Transferability", len(items), "work items") as advance,
    ):
        run_items(items, journal, workers, advance=advance)
    return np.array([[_kept(journal, key) for key in row] for row in keys])


def _kept(journal: Journal, key: str) -> Floats:
    found = journal.get(key)
    if found is None:
        raise KeyError(f"work item {key!r} was run but is not in the journal")
    return found["scores"]


def fold_scores(data: StudyData, fold: OuterFold, seed: int) -> dict[str, NDArray[Any]]:
    """The five scores of one source on the training rows of one fold; its test rows are never read.

    Parameters
    ----------
    data : StudyData
        Data with the features of one source.
    fold : OuterFold
    seed : int

    Returns
    -------
    dict
        ``scores`` of shape (5,), as `SCORES` names them.
    """
    rows = _drawn(fold, seed)
    taken = data.take(rows)
    targets = np.eye(data.n_classes)[taken.labels] if taken.soft is None else taken.soft
    votes = neighbour_probabilities(
        taken.features[0],
        taken.labels,
        n_classes=data.n_classes,
        k=N_NEIGHBOURS,
        groups=taken.groups,
        weights=taken.weights,
    )
    probe = _probe_predictions(data, fold, rows, seed)
    found = [
        logme(taken.features[0], targets, taken.weights),
        *_log_loss_and_accuracy(data, rows, votes),
        *_log_loss_and_accuracy(data, *probe),
    ]
    return {"scores": np.array(found)}


def _drawn(fold: OuterFold, seed: int) -> Integers:
    """The training rows, or as many of them as the scores look at, in order."""
    if len(fold.train) <= MAX_ROWS:
        return fold.train
    draw = np.random.default_rng([seed, fold.repeat, fold.fold + 1])
    return np.sort(draw.choice(fold.train, MAX_ROWS, replace=False))


def _probe_predictions(data: StudyData, fold: OuterFold, rows: Integers, seed: int) -> tuple[Integers, Floats]:
    """Rows that the inner folds validate, and what the probe says of them after training on the others."""
    validated, predicted = [], []
    for number, (train, validation) in enumerate(fold.inner):
        kept = (np.intersect1d(train, rows), np.intersect1d(validation, rows))
        settings = FitSettings(fit_seed(seed, fold, number, PROBE.kind))
        predicted.append(inner_predictions(data, kept, [PROBE], settings)["probabilities"][0].astype(np.float64))
        validated.append(kept[1])
    return np.concatenate(validated), np.concatenate(predicted)


def _log_loss_and_accuracy(data: StudyData, rows: Integers, probabilities: Floats) -> tuple[float, float]:
    weights = None if data.weights is None else data.weights[rows]
    log_loss, accuracy = (
        float(find_metric(name)(data.labels[rows], probabilities, weights)) for name in ("log_loss", "accuracy")
    )
    return log_loss, accuracy
