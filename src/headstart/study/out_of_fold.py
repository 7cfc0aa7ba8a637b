"""What a study found, as the documents of a run: results.json and predictions.csv."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from headstart.metrics import Evaluation, OutOfFold, find_metric, score
from headstart.study.data import StudyData
from headstart.study.fold_result import FoldResult
from headstart.study.plan import StudyPlan
from headstart.study.search.choose import ranked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data.dataset import ImageDataset
    from headstart.study.decided import DecidedOutOfFold

HEADLINE = "balanced_accuracy"

MAX_CANDIDATE_ROWS = 50
"""Candidates that ``results.json`` lists; all of them stand in ``candidates.parquet``."""


def gather(
    data: StudyData,
    folds: Sequence[FoldResult],
    classes: tuple[str, ...],
    positive: int | None,
    n_repeats: int,
    *,
    kind: Literal["probabilities", "raw", "frozen", "frozen_raw"] = "probabilities",
) -> OutOfFold:
    """Out-of-fold predictions of every repeat, ready to be judged.

    Parameters
    ----------
    data : StudyData
    folds : sequence of FoldResult
        Every outer fold of every repeat.
    classes : tuple of str
    positive : int or None
        Code of the positive class of a two-class task.
    n_repeats : int
    kind : str
        Which probabilities of `FoldResult`.
    """
    n_images = len(data.labels)
    probabilities = np.full((n_repeats, n_images, data.n_classes), 1.0 / data.n_classes)
    fold = np.full((n_repeats, n_images), -1, dtype=np.int64)
    for result in folds:
        outer = result.outer
        probabilities[outer.repeat, outer.test] = getattr(result, kind)
        fold[outer.repeat, outer.test] = outer.fold
    return OutOfFold(
        labels=data.labels,
        probabilities=probabilities,
        fold=fold,
        classes=classes,
        positive=positive,
        weights=data.weights,
        groups=data.groups,
    )


def described(plan: StudyPlan, index: int) -> dict[str, Any]:
    """A candidate as JSON values: number, source, kind, settings, and one line for people."""
    candidate = plan.candidates[index]
    return {
        "number": index,
        "source": plan.source_of(index),
        **candidate.head.to_json(),
        "treatment": candidate.training_set.to_json(),
        "label": plan.label(index),
    }


def fold_rows(data: StudyData, folds: Sequence[FoldResult], plan: StudyPlan) -> list[dict[str, Any]]:
    """One row per outer fold: its size, what its inner folds chose and could not tell apart, and its own scores.

    ``best_of_sources`` holds the best candidate of each source by the inner folds, with its score on the test rows.
    """
    rows = []
    for result in folds:
        outer, record, choice = result.outer, result.record, result.choice
        weights = None if data.weights is None else data.weights[outer.test]
        scores = score(data.labels[outer.test], result.probabilities, weights, positive=plan.positive)
        failed = choice.failed.sum() if record.halved is None else record.halved.failed.sum()
        rows.append(
            {
                "repeat": outer.repeat,
                "fold": outer.fold,
                "n_train": len(outer.train),
                "n_test": len(outer.test),
                "chosen": described(plan, result.chosen),
                "cheapest_tied": described(plan, record.compared[choice.cheapest]),
                "n_compared": len(record.compared),
                "n_tied": int(choice.tied.sum()),
                "n_failed": int(failed),
                "inner_score": float(result.inner_scores[result.chosen]),
                "inner_log_loss": float(result.inner_log_loss[result.chosen]),
                "best_of_sources": _best_of_sources(result, plan),
                "metrics": scores,
            }
        )
    return rows


def training_set_rows(plan: StudyPlan, folds: Sequence[FoldResult]) -> list[dict[str, Any]]:
    """Every training set with how often it was chosen, and the mean inner score of its best."""
    rows = []
    for training_set, members in plan.by_training_set(range(len(plan.candidates))).items():
        chosen = sum(result.chosen in members for result in folds)
        best = [_best(result.inner_scores[members], plan.choose_by) for result in folds]
        score = _mean(np.array(best))
        rows.append(
            {**training_set.to_json(), "label": training_set.label, "times_chosen": chosen, "inner_score": score}
        )
    return rows


def _best(scores: NDArray[np.float64], metric: str) -> float:
    order = ranked(scores, metric)
    return float(scores[order[0]]) if len(order) else float("nan")


def _best_of_sources(result: FoldResult, plan: StudyPlan) -> list[dict[str, Any]]:
    best: dict[int, int] = {}
    for index in ranked(result.inner_scores, plan.choose_by).tolist():
        best.setdefault(plan.source_of(index), index)
    return [
        {
            **described(plan, index),
            "inner_score": float(result.inner_scores[index]),
            "outer_score": _known(result.record.outer_scores.get(index)),
        }
        for _, index in sorted(best.items())
    ]


def _known(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else value


def candidate_rows(folds: Sequence[FoldResult], plan: StudyPlan) -> list[dict[str, Any]]:
    """One row for each of at most 50 candidates: its inner scores over the outer folds, and how often it was chosen.

    Those ever chosen come first, then those most often tied with the winner, then those with the best mean score;
    the rows stand in the order of the plan. Means are over the outer folds in which halving kept the candidate.
    """
    by_metric = np.stack([result.inner_scores for result in folds])  # (outer folds, candidates)
    log_loss = np.stack([result.inner_log_loss for result in folds])
    chosen = np.bincount([result.chosen for result in folds], minlength=len(plan.candidates))
    tied = np.zeros(len(plan.candidates), dtype=np.int64)
    for result in folds:
        tied[np.array(result.record.compared)[result.choice.tied]] += 1
    return [
        {
            **described(plan, index),
            "inner_score": _mean(by_metric[:, index]),
            "inner_log_loss": _mean(log_loss[:, index]),
            "inner_log_loss_sd": _spread(log_loss[:, index]),
            "times_chosen": int(chosen[index]),
            "times_tied": int(tied[index]),
        }
        for index in _listed(by_metric, chosen, tied, plan.choose_by)
    ]


def _listed(
    by_metric: NDArray[np.float64], chosen: NDArray[np.int64], tied: NDArray[np.int64], metric: str
) -> list[int]:
    """Numbers of the candidates to list, in the order of the plan."""
    n = by_metric.shape[1]
    means = np.array([_mean(column) for column in by_metric.T], dtype=np.float64)  # None becomes nan
    place = np.full(n, n)
    order = ranked(means, metric)
    place[order] = np.arange(len(order))
    best = np.lexsort((np.arange(n), place, -tied, -chosen))
    return sorted(best[:MAX_CANDIDATE_ROWS].tolist())


def halving_words(folds: Sequence[FoldResult]) -> str | None:
    """One sentence on what successive halving saved over all folds; None where it was not used."""
    halved = [result.record.halved for result in folds if result.record.halved is not None]
    if not halved:
        return None
    fits, epochs = (np.sum([getattr(one, name) for one in halved], axis=0).tolist() for name in ("fits", "epochs"))
    with_epochs = f" and {epochs[0]:,} of {epochs[1]:,} epochs" if epochs[1] else ""
    kept = ", ".join(f"{len(one.kept):,}" for one in halved)
    return (
        f"Successive halving ran {fits[0]:,} of {fits[1]:,} fits{with_epochs}; of {len(halved[0].rung):,} candidates "
        f"it kept {kept} (one number for each fold)."
    )


def optimism(folds: Sequence[FoldResult], evaluation: Evaluation, plan: StudyPlan) -> dict[str, Any]:
    """How much better the best inner score looks than the outer judgement of the same choices."""
    inner = _mean(np.array([result.inner_scores[result.chosen] for result in folds]))
    outer = evaluation.metrics[plan.choose_by].to_json()["value"]
    sign = 1.0 if find_metric(plan.choose_by).greater_is_better else -1.0
    known = inner is not None and outer is not None
    return {
        "metric": plan.choose_by,
        "inner": inner,
        "outer": outer,
        "difference": sign * (inner - outer) if known else None,
    }


def headline(evaluation: Evaluation, size: str, *, random_weights: bool) -> dict[str, Any]:
    """The result in one sentence, and the number it stands on; `size` says of how many images."""
    main = evaluation.metrics[HEADLINE].to_json()
    parts = [_worded(name, evaluation) for name in (HEADLINE, "accuracy", "roc_auc")]
    scores = "; ".join(parts)
    text = f"{scores[0].upper()}{scores[1:]}; {size}, 95 % intervals."
    if random_weights:
        text = f"Random weights, no transfer learning. {text}"
    return {"metric": HEADLINE, "value": main["value"], "ci95": main["ci95"], "text": text}


def _worded(name: str, evaluation: Evaluation) -> str:
    estimate = evaluation.metrics[name].to_json()
    title = find_metric(name).title
    title = title if title[:3].isupper() else title[0].lower() + title[1:]
    if estimate["value"] is None:
        return f"{title} undefined"
    if estimate["ci95"] is None:
        return f"{title} {estimate['value']:.3f}"
    low, high = estimate["ci95"]
    return f"{title} {estimate['value']:.3f} ({low:.3f} to {high:.3f})"


def leakage_tax(kept: Evaluation, ignored: Evaluation) -> dict[str, Any]:
    """Scores with groups ignored minus scores with groups kept: what a careless split would have claimed.

    Each comes from one random draw of the folds, so small differences are chance. For log loss less is better.
    """
    rows = {}
    for name in (HEADLINE, "accuracy", "roc_auc", "log_loss"):
        first, second = kept.metrics[name].to_json()["value"], ignored.metrics[name].to_json()["value"]
        difference = None if first is None or second is None else second - first
        rows[name] = {"groups_kept": first, "groups_ignored": second, "difference": difference}
    return rows


def predictions_csv(dataset: ImageDataset, oof: OutOfFold, said: DecidedOutOfFold | None = None) -> bytes:
    """Out-of-fold predictions as CSV, one row per image and repeat, numbers in full precision.

    Parameters
    ----------
    dataset : ImageDataset
    oof : OutOfFold
    said : DecidedOutOfFold, optional
        What is called and the prediction sets, each set as a JSON list; None: the most probable class, no sets.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [f"probability:{name}" for name in oof.classes]
    sets = None if said is None else said.sets
    kept = {"set": sets, "weight": oof.weights, "group": oof.groups}
    extra = [name for name, values in kept.items() if values is not None]
    writer.writerow(["image", "label", "predicted", *columns, "repeat", "fold", *extra])
    predicted = oof.probabilities.argmax(axis=2) if said is None else said.predicted_classes
    for repeat in range(oof.n_repeats):
        for row in oof.rows_of(repeat).tolist():
            names = [dataset.names[row], oof.classes[int(oof.labels[row])], oof.classes[int(predicted[repeat, row])]]
            values = [repr(float(value)) for value in oof.probabilities[repeat, row]]
            chosen = [] if sets is None else [set_words(oof.classes, sets[repeat, row])]
            weight = [] if oof.weights is None else [repr(float(oof.weights[row]))]
            group = [] if oof.groups is None else [_group_name(dataset, oof.groups, row)]
            writer.writerow([*names, *values, repeat, int(oof.fold[repeat, row]), *chosen, *weight, *group])
    return text.getvalue().encode()


def set_words(classes: Sequence[str], inside: NDArray[np.bool_]) -> str:
    """A prediction set as a JSON list of names: names may hold any sign.

    >>> set_words(("dead", "living"), np.array([True, True]))
    '["dead", "living"]'
    """
    return json.dumps([name for name, is_in in zip(classes, inside.tolist(), strict=True) if is_in], ensure_ascii=False)


def _group_name(dataset: ImageDataset, groups: NDArray[np.int64], row: int) -> str:
    """The joined group's number; groups that twins joined have no name of the user's."""
    return dataset.group_names[int(groups[row])] if dataset.group_names else str(int(groups[row]))


def _mean(values: NDArray[np.float64]) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None


def _spread(values: NDArray[np.float64]) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.std(ddof=1)) if len(finite) > 1 else None
