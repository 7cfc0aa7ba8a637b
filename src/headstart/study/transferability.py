"""Which source of features suits the task, before any head is chosen: three scores that see training rows alone.

LogME, neighbours and a plain logistic probe are computed on the training rows of every outer fold and, for the refit,
on all rows. None of them chooses anything: the inner folds do. Once the outer folds have judged, the document says how
well each would have ranked the sources.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.heads import HeadSpec
from headstart.metrics import find_metric
from headstart.metrics.transferability import kendall_tau_b, logme, neighbour_probabilities, ranks_of
from headstart.metrics.validation import plain
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
    keys = [[f"transfer-{fold.key}-source{source}" for source in range(len(data.features))] for fold in folds]
    items = [
        WorkItem(key, fold_scores, (data.of_source(source), fold, seed))
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
        Of one source.
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


def transfer_document(scores: Floats, labels: Sequence[str]) -> dict[str, Any]:
    """The scores as plain values: the mean over the outer folds, ranks, and where the rankings disagree.

    Parameters
    ----------
    scores : ndarray of shape (n_folds + 1, n_sources, 5)
        From `score_sources`; the refit is the last fold.
    labels : sequence of str
        Name of each source.

    Returns
    -------
    dict
        ``sources``: for each its ``scores``, ``ranks`` by each of the three, and the scores on all rows (``refit``);
        ``between``: Kendall's tau-b of every two rankings; ``words``: sentences; ``settings``.
    """
    means = scores[:-1].mean(axis=0)  # (sources, scores)
    ranks = _ranks(means)
    sources = [
        {
            "label": label,
            "scores": _named(means[number]),
            "ranks": {name: int(ranks[name][number]) for name in RANKED},
            "refit": _named(scores[-1, number]),
        }
        for number, label in enumerate(labels)
    ]
    return {
        "sources": sources,
        "between": _between(means),
        "words": _words(labels, ranks),
        "settings": {"neighbours": N_NEIGHBOURS, "probe": PROBE.to_json(), "most_rows": MAX_ROWS},
        "agreement": None,
    }


def _named(values: Floats) -> dict[str, float | None]:
    return {name: plain(float(value)) for name, value in zip(SCORES, values, strict=True)}


def _column(means: Floats, name: str) -> Floats:
    """One of the ranked scores, higher being better."""
    column = means[:, SCORES.index(name)]
    return column if name == "logme" else -column


def _ranks(means: Floats) -> dict[str, Integers]:
    return {name: ranks_of(_column(means, name), greater_is_better=True) for name in RANKED}


def _between(means: Floats) -> list[dict[str, Any]]:
    names = list(RANKED)
    pairs = [(one, other) for place, one in enumerate(names) for other in names[place + 1 :]]
    return [
        {"of": [one, other], "kendall_tau_b": plain(kendall_tau_b(_column(means, one), _column(means, other)))}
        for one, other in pairs
    ]


def _words(labels: Sequence[str], ranks: dict[str, Integers]) -> list[str]:
    """Which source each score prefers, and the pairs that they order differently."""
    first: dict[str, list[str]] = {}
    for name, title in RANKED.items():
        first.setdefault(labels[int(np.argmin(ranks[name]))], []).append(title)
    if len(first) == 1:
        said = [f"All three prefer {next(iter(first))}."]
    else:
        told = [f"{_listed(titles)} {'prefer' if titles[1:] else 'prefers'} {label}" for label, titles in first.items()]
        said = [f"The scores disagree on the best: {'; '.join(told)}."]
    disputed = _disputed(labels, ranks)
    if disputed:
        more = f"; and {len(disputed) - _MAX_DISPUTED:,} pairs more" if len(disputed) > _MAX_DISPUTED else ""
        said.append(f"They order differently: {'; '.join(disputed[:_MAX_DISPUTED])}{more}.")
    elif len(first) == 1 and len(labels) > 2:
        said.append("They order all sources alike.")
    return said


def _disputed(labels: Sequence[str], ranks: dict[str, Integers]) -> list[str]:
    """Pairs of sources that one score puts the other way round than the rest."""
    found = []
    for one in range(len(labels)):
        for other in range(one + 1, len(labels)):
            signs = {name: int(np.sign(ranks[name][other] - ranks[name][one])) for name in RANKED}
            if {1, -1} <= set(signs.values()):
                alone = next(name for name in RANKED if list(signs.values()).count(signs[name]) == 1)
                pair = (one, other) if signs[alone] > 0 else (other, one)
                found.append(f"{RANKED[alone]} alone puts {labels[pair[0]]} before {labels[pair[1]]}")
    return found


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def with_agreement(document: dict[str, Any], outer: Sequence[float | None], metric: str) -> dict[str, Any]:
    """The document with what the outer folds found of every source, and how well each score ranked them.

    Parameters
    ----------
    document : dict
        From `transfer_document`.
    outer : sequence of float or None
        Outer score of the best candidate of every source, mean over the outer folds; None where there is none.
    metric : str
        What the outer score is.

    Returns
    -------
    dict
        With ``outer_score`` and ``outer_rank`` of every source, and ``agreement``: Kendall's tau-b of each of the three
        scores with the outer score, over the sources that have one.
    """
    better = find_metric(metric).greater_is_better
    values = np.array([np.nan if value is None else value for value in outer], dtype=np.float64)
    known = np.flatnonzero(np.isfinite(values))
    ranks = ranks_of(values, greater_is_better=better)
    sources = [
        {**source, "outer_score": plain(float(value)), "outer_rank": int(rank) if np.isfinite(value) else None}
        for source, value, rank in zip(document["sources"], values, ranks, strict=True)
    ]
    rows = [[source["scores"][name] for name in SCORES] for source in document["sources"]]
    measured = np.array(rows, dtype=np.float64)
    truth = values[known] if better else -values[known]
    tau = {name: plain(kendall_tau_b(_column(measured[known], name), truth)) for name in RANKED}
    agreement = {
        "metric": metric,
        "n_sources": len(known),
        "kendall_tau_b": tau,
        "words": _agreement_words(tau, len(known)),
    }
    return {**document, "sources": sources, "agreement": agreement}


def _agreement_words(tau: dict[str, float | None], n_sources: int) -> str:
    values = {name: "undefined" if value is None else f"{value:+.2f}" for name, value in tau.items()}
    told = ", ".join(f"{title} {values[name]}" for name, title in RANKED.items())
    chance = f"by chance a score orders {n_sources} sources just so once in {math.factorial(n_sources):,} times"
    return f"Rank agreement with the outer folds (Kendall's tau-b, 1 the same order): {told}; {chance}."


def best_outer_scores(folds: Sequence[dict[str, Any]], n_sources: int) -> list[float | None]:
    """Outer score of the best candidate of each source, mean over the outer folds that judged one.

    Parameters
    ----------
    folds : sequence of dict
        Rows of ``results.json``, from `headstart.study.out_of_fold.fold_rows`.
    n_sources : int
    """
    found: list[list[float]] = [[] for _ in range(n_sources)]
    for row in folds:
        for best in row["best_of_sources"]:
            if best["outer_score"] is not None:
                found[best["source"]].append(best["outer_score"])
    return [float(np.mean(scores)) if scores else None for scores in found]
