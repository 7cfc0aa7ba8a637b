"""The images of a run as the tools of the page take them: one compact JSON, pictures sampled where there are many."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from headstart.report.context import ReportContext
from headstart.report.document import Explorer
from headstart.report.explained import explanations_of
from headstart.report.locale.messages import ntr, tr
from headstart.results.prediction_table import PredictionTable

MAX_PICTURES: Final = 400
"""Pictures that a page carries; beyond, a sample of them."""
MAX_IMAGES: Final = 50_000
"""Images that the tools of a page know of; beyond, a sample of them."""
MAX_PROBABILITIES: Final = 600_000
"""Numbers that a page carries; with more, it holds that of the predicted class alone."""
_SCALE: Final = 10_000
_MAP_SCALE: Final = 1000
_THREADS: Final = 2


@dataclass(frozen=True)
class Case:
    """One image as the held-out models saw it.

    Parameters
    ----------
    image : str
        Its name in the data set.
    line : int
        Line of ``predictions.csv`` it first stands on (the header is line 1).
    label, predicted : int
        Class codes.
    probability : float
        Probability of the predicted class; with repeats, the mean over them.
    """

    image: str
    line: int
    label: int
    predicted: int
    probability: float


def judge_images(predictions: PredictionTable) -> list[Case]:
    """One case per image, in the order of first appearance, probabilities averaged over the repeats."""
    first, means = mean_probabilities(predictions)
    best = means.argmax(axis=1)
    return [
        Case(predictions.images[row], row + 2, int(predictions.labels[row]), int(code), float(mean[code]))
        for row, code, mean in zip(first.tolist(), best.tolist(), means, strict=True)
    ]


def mean_probabilities(predictions: PredictionTable) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Row that every image first stands on, in order, and its probabilities averaged over the repeats."""
    names, first, rows = np.unique(np.array(predictions.images), return_index=True, return_inverse=True)
    sums = np.zeros((len(names), predictions.probabilities.shape[1]))
    np.add.at(sums, rows, predictions.probabilities)
    order = np.argsort(first, kind="stable")
    return first[order], (sums / np.bincount(rows)[:, None])[order]


def image_explorer(context: ReportContext, cases: Sequence[Case], picture: Callable[[str], str | None]) -> Explorer:
    """Gallery and map of the images, to be filtered and enlarged.

    Parameters
    ----------
    context : ReportContext
    cases : sequence of Case
        Every judged image, as `judge_images` gives them.
    picture : callable
        Small picture of an image as a data URI, by its name.
    """
    kept = _spread(len(cases), MAX_IMAGES)
    shown = [cases[row] for row in kept]
    pictures = {} if context.shown is None or not context.pictures else _pictures(shown, picture)
    content = _columns(context, shown, kept) | {"pictures": pictures}
    return Explorer("explorer", as_json(content), _note(context, len(cases), len(shown), len(pictures)))


def as_json(content: Any) -> str:
    """JSON that may stand inside a page: nothing in it can end its element."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _columns(context: ReportContext, shown: Sequence[Case], kept: Sequence[int]) -> dict[str, Any]:
    """Names, codes and probabilities by column; shares are whole numbers of 1 / 10,000."""
    table = context.record.predictions
    first, means = mean_probabilities(table)
    rows = first[list(kept)]
    whole = np.rint(means[list(kept)] * _SCALE).astype(int)
    columns: dict[str, Any] = {
        "classes": list(context.record.classes),
        "names": [case.image if context.images else tr("line {line}", line=case.line) for case in shown],
        "label": [case.label for case in shown],
        "predicted": [case.predicted for case in shown],
        "top": [round(case.probability * _SCALE) for case in shown],
        "fold": (table.fold[rows] + 1).tolist(),
        "probabilities": whole.ravel().tolist() if whole.size <= MAX_PROBABILITIES else None,
        "weights": None if table.weights is None else np.round(table.weights[rows], 4).tolist(),
        "sets": None if table.sets is None else _codes(context.record.classes, [table.sets[row] for row in rows]),
    }
    return columns | _explained(context, shown)


def _codes(classes: Sequence[str], sets: Sequence[Sequence[str]]) -> list[list[int]]:
    code = {name: number for number, name in enumerate(classes)}
    return [[code[name] for name in one] for one in sets]


def _explained(context: ReportContext, shown: Sequence[Case]) -> dict[str, Any]:
    """Nearest training images of those explained, and the places of all images on the map."""
    found = context.once(explanations_of)
    if found is None:
        return {"near": {}, "map": None}
    number = {case.image: row for row, case in enumerate(shown)}
    near = {
        number[one.image]: [[one_near.image if context.images else "", one_near.label] for one_near in one.neighbours]
        for one in found.images
        if one.neighbours and one.image in number
    }
    if found.map is None:
        return {"near": near, "map": None}
    points = np.array(found.map.points)
    low, high = points.min(axis=0), points.max(axis=0)
    places = np.rint((points - low) / np.where(high > low, high - low, 1) * _MAP_SCALE).astype(int)
    place = dict(zip(context.record.split.images, places.tolist(), strict=True))
    return {"near": near, "map": [place[case.image] for case in shown]}


def _pictures(shown: Sequence[Case], picture: Callable[[str], str | None]) -> dict[int, str]:
    """Small pictures by the number of the image: mistakes, the surest first, close calls, and some of the others."""
    order = sorted(range(len(shown)), key=lambda row: _urgency(shown[row]))
    n_urgent = 2 * MAX_PICTURES // 3
    rest = order[n_urgent:]
    chosen = [*order[:n_urgent], *(rest[place] for place in _spread(len(rest), MAX_PICTURES - n_urgent))]
    with ThreadPoolExecutor(_THREADS) as threads:
        found = dict(zip(chosen, threads.map(lambda row: picture(shown[row].image), chosen), strict=True))
    return {row: source for row, source in sorted(found.items()) if source is not None}


def _urgency(case: Case) -> tuple[bool, float]:
    """Order in which images are worth a look: the surest mistakes, then the least sure hits."""
    right = case.label == case.predicted
    return right, case.probability if right else -case.probability


def _spread(n: int, limit: int) -> list[int]:
    """Numbers from 0 to `n`, all of them or `limit` evenly spread ones.

    >>> _spread(3, 5), _spread(10, 4)
    ([0, 1, 2], [0, 2, 5, 7])
    """
    return list(range(n)) if n <= limit else [place * n // limit for place in range(limit)]


def _note(context: ReportContext, n: int, n_shown: int, n_pictures: int) -> str:
    words = ntr("{n} image", "{n} images", n_shown)
    if n_shown < n:
        words = tr("{images} of {n_all}, evenly spread over the data set", images=words, n_all=f"{n:,}")
    if context.shown is None or n_pictures == n_shown:
        return f"{words}."
    return tr(
        "{images}, {n_pictures} of them with a picture: mistakes and close calls first, then an even sample of the "
        "rest.",
        images=words,
        n_pictures=f"{n_pictures:,}",
    )


def threshold_tool(context: ReportContext) -> Explorer | None:
    """Curves whose threshold can be moved, and what follows from it; None where the probabilities are too many."""
    record = context.record
    n_images, n_classes = min(record.n_judged, MAX_IMAGES), len(record.classes)
    if n_images * n_classes > MAX_PROBABILITIES:
        return None
    positive, decisions = record.positive, record.results.decisions
    point = None if decisions is None else decisions.final.operating_point
    rule = None if decisions is None else decisions.requested.class_rule
    by_most_probable = 0.5 if rule is None else None
    content = {
        "positive": 0 if positive is None else positive,
        "fitted": None if n_classes > 2 else by_most_probable if point is None else point.threshold,
        "rule": "" if point is None else point.rule,
        "costs": None if rule is None or rule.costs is None or n_classes > 2 else rule.costs.values,
    }
    note = tr(
        "One threshold for all images, on the out-of-fold probabilities. A threshold that is moved until the numbers "
        "please has seen the images that it is judged on: its scores flatter, and the report's are those of the point "
        "that was fitted without them."
    )
    return Explorer("threshold", as_json(content), note)
