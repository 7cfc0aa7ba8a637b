"""ROC, precision-recall and calibration figures, worked out from the run's own out-of-fold predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.metrics import (
    Band,
    OutOfFold,
    Reliability,
    precision_recall_band,
    precision_recall_curve,
    reliability,
    roc_band,
    roc_curve,
)
from headstart.report.document import Plot, ReportTable
from headstart.report.figures import confusion as figures
from headstart.report.figures.style import class_labels
from headstart.report.text import format as text
from headstart.results.read import RunRecord

MAX_PANELS = 12
N_RESAMPLES = 400
_BAND = (
    "The band is a 95 % interval at each point by itself, made as the intervals of the scores are, with groups drawn "
    "as wholes; the whole curve leaves it more often than one time in twenty."
)


def out_of_fold(record: RunRecord) -> OutOfFold:
    """The run's predictions in the form `headstart.metrics` judges.

    Images that were never judged (the training part of a holdout split) are counted, with fold -1, because the
    correction for shared training data asks how many there are.
    """
    predictions, n_classes = record.predictions, len(record.classes)
    names, first, image = np.unique(np.array(predictions.images), return_index=True, return_inverse=True)
    repeats, repeat = np.unique(predictions.repeat, return_inverse=True)
    n_rows = max(int(record.results["task"]["n_images"]), len(names))
    probabilities = np.full((len(repeats), n_rows, n_classes), 1 / n_classes)
    fold = np.full((len(repeats), n_rows), -1)
    probabilities[repeat, image], fold[repeat, image] = predictions.probabilities, predictions.fold
    return OutOfFold(
        labels=_padded(predictions.labels[first], n_rows),
        probabilities=probabilities,
        fold=fold,
        classes=record.classes,
        positive=record.positive,
        weights=None if predictions.weights is None else _padded(predictions.weights[first], n_rows),
        groups=_groups(record, names, n_rows),
    )


def _padded(values: NDArray[Any], n_rows: int) -> NDArray[Any]:
    return np.concatenate([values, np.zeros(n_rows - len(values), dtype=values.dtype)])


def _groups(record: RunRecord, names: NDArray[np.str_], n_rows: int) -> NDArray[np.int64] | None:
    """Group code of every row: from ``split.json``, where twins are joined already, else from ``predictions.csv``."""
    split, predictions = record.split, record.predictions
    if split["groups"] is not None and len(split["groups"]) == len(split["images"]):
        group_of = dict(zip(split["images"], map(str, split["groups"]), strict=True))
    elif predictions.groups is not None:
        group_of = dict(zip(predictions.images, predictions.groups, strict=True))
    else:
        return None
    given = [group_of.get(str(name), f"only {name}") for name in names]
    alone = [f"unjudged {row}" for row in range(len(names), n_rows)]
    return np.unique(np.array(given + alone), return_inverse=True)[1].astype(np.int64)


def curve_plots(record: RunRecord, oof: OutOfFold) -> tuple[Plot, ...]:
    """ROC and precision-recall curves: of the positive class of two, else one panel for every class."""
    shown = _shown_classes(record, oof)
    if not shown:
        return ()
    labels = class_labels(record.classes)
    fraction = _fraction(record)
    rocs = [_roc(oof, code, _heading(record, code, labels, "roc_auc"), fraction) for code in shown]
    curves = [_precision_recall(oof, code, _heading(record, code, labels, "pr_auc"), fraction) for code in shown]
    cut = (
        f" Of {len(labels)} classes, the {len(shown)} with the lowest ROC AUC are drawn."
        if len(shown) < _n_drawable(oof)
        else ""
    )
    shares = {code: curve.chance or 0.0 for code, curve in zip(shown, curves, strict=True)}
    roc_title, pr_title = _roc_title(record, labels, shown), _pr_title(record, labels, shares)
    return (
        Plot("roc", figures.roc(rocs, title=roc_title), f"ROC curve. {roc_title}.", f"{_BAND}{cut}"),
        Plot(
            "precision_recall",
            figures.precision_recall(curves, title=pr_title),
            f"Precision-recall curve. {pr_title}.",
            f"The dashed line is the class's share of the images, which guessing reaches.{cut}",
        ),
    )


def _drawable(oof: OutOfFold) -> list[int]:
    """Classes that have judged weight inside and outside, in their order."""
    weight = np.bincount(oof.labels[oof.judged], weights=oof.row_weights[oof.judged], minlength=oof.n_classes)
    return [code for code in range(oof.n_classes) if 0 < weight[code] < weight.sum()]


def _n_drawable(oof: OutOfFold) -> int:
    return 1 if oof.n_classes == 2 else len(_drawable(oof))


def _shown_classes(record: RunRecord, oof: OutOfFold) -> list[int]:
    """The positive class of two; else all, or the `MAX_PANELS` hardest to tell apart where there are more."""
    drawable = _drawable(oof)
    if oof.n_classes == 2:
        return [oof.positive_index] if drawable else []
    hardest = sorted(drawable, key=lambda code: _class_entry(record, code, "roc_auc").get("value") or 0.0)
    return sorted(hardest[:MAX_PANELS])


def _fraction(record: RunRecord) -> float:
    """Share of all images that a judged model was trained on, mean over the folds."""
    n_train = np.mean([fold["n_train"] for fold in record.results["folds"]])
    return float(np.clip(n_train / record.results["task"]["n_images"], 1e-9, 1.0))


def _class_entry(record: RunRecord, code: int, metric: str) -> dict[str, Any]:
    entry: dict[str, Any] = record.results["per_class"][record.classes[code]].get(metric, {"value": None})
    return entry


def _heading(record: RunRecord, code: int, labels: list[str], metric: str) -> str:
    """Heading of a class's panel; empty for two classes, where the title says it."""
    if len(labels) == 2:
        return ""
    support = text.count(record.results["per_class"][record.classes[code]]["support"])
    return f"{labels[code]}, n = {support}\n{text.estimate(_class_entry(record, code, metric))}"


def _roc_title(record: RunRecord, labels: list[str], shown: list[int]) -> str:
    if len(shown) == 1:
        auc = text.estimate(_class_entry(record, shown[0], "roc_auc"))
        return f"ROC AUC {auc}: how often a {labels[shown[0]]} image ranks above another, n = {record.n_judged:,}"
    worst = min(shown, key=lambda code: _class_entry(record, code, "roc_auc")["value"] or 0.0)
    auc = text.estimate(_class_entry(record, worst, "roc_auc"))
    return f"Hardest to tell from the rest is {labels[worst]}: ROC AUC {auc}, n = {record.n_judged:,}"


def _pr_title(record: RunRecord, labels: list[str], shares: dict[int, float]) -> str:
    worst = min(shares, key=lambda code: _class_entry(record, code, "pr_auc")["value"] or 0.0)
    average = text.estimate(_class_entry(record, worst, "pr_auc"))
    lead = "Average precision" if len(shares) == 1 else f"Lowest average precision, {labels[worst]}:"
    return f"{lead} {average}; guessing would reach {text.score(shares[worst])}, n = {record.n_judged:,}"


def _edges(band: Band) -> tuple[figures.Floats, figures.Floats, figures.Floats]:
    return band.grid, band.low, band.high


def _roc(oof: OutOfFold, code: int, heading: str, fraction: float) -> figures.CurveLine:
    """The exact curve of one repeat; the mean on the band's grid of several."""
    band = roc_band(oof, code, n_train_fraction=fraction, n_resamples=N_RESAMPLES)
    if oof.n_repeats > 1:
        return figures.CurveLine(heading, band.grid, band.value, _edges(band))
    rows = oof.rows_of(0)
    curve = roc_curve(oof.labels[rows] == code, oof.probabilities[0, rows, code], oof.row_weights[rows])
    return figures.CurveLine(heading, curve.false_positive_rate, curve.true_positive_rate, _edges(band))


def _precision_recall(oof: OutOfFold, code: int, heading: str, fraction: float) -> figures.CurveLine:
    """As `_roc`, for precision against recall."""
    band = precision_recall_band(oof, code, n_train_fraction=fraction, n_resamples=N_RESAMPLES)
    rows = oof.rows_of(0)
    weights, inside = oof.row_weights[rows], oof.labels[rows] == code
    share = float(weights[inside].sum() / weights.sum())
    if oof.n_repeats > 1:
        return figures.CurveLine(heading, band.grid, band.value, _edges(band), share)
    curve = precision_recall_curve(inside, oof.probabilities[0, rows, code], weights)
    found = curve.recall > 0  # a mistake at the very top finds nothing yet, and weighs nothing in the average precision
    recall, precision = curve.recall[found], curve.precision[found]
    return figures.CurveLine(heading, np.append(0.0, recall), np.append(precision[:1], precision), _edges(band), share)


def calibration_bins(oof: OutOfFold) -> Reliability:
    """Reliability of the positive class's probability; with more than two classes, of the predicted class's."""
    outcome = oof.outcomes[0]
    return reliability(outcome.event, outcome.confidence, oof.row_weights[oof.rows_of(0)])


def calibration_table(bins: Reliability) -> ReportTable:
    """The numbers of the calibration plot."""
    rows = tuple(
        (text.score(probability), text.score(frequency), text.interval((low, high)), text.count(int(count)))
        for probability, frequency, low, high, count in zip(
            bins.probability, bins.frequency, bins.low, bins.high, bins.counts, strict=True
        )
    )
    columns = ("Mean probability", "Observed share", "95 % interval", "Predictions")
    return ReportTable("Calibration by bins of about equal count", columns, rows)


def calibration_plot(record: RunRecord, oof: OutOfFold, bins: Reliability) -> Plot:
    """Calibration of the probabilities, with the debiased calibration error in its title."""
    label = class_labels(record.classes)[oof.positive_index] if oof.n_classes == 2 else ""
    names = (
        (f"Predicted probability of {label}", f"Observed share of {label}")
        if label
        else ("Predicted probability of the predicted class", "Share of right predictions")
    )
    title = f"{_gap(record)}, n = {record.n_judged:,}"
    figure = figures.calibration(
        bins.probability,
        bins.frequency,
        bins.counts.astype(np.float64),
        (bins.low, bins.high),
        names=names,
        title=title,
    )
    first = " Predictions of the first repeat." if oof.n_repeats > 1 else ""
    caption = f"Bins hold about equally many predictions, counted below; bars are 95 % Wilson intervals.{first}"
    return Plot("calibration", figure, f"Calibration plot. {title}.", caption)


def _gap(record: RunRecord) -> str:
    value = record.results["metrics"].get("ece", {"value": None})["value"]
    if value is None:
        return "Predicted probabilities against what was observed"
    return f"Probabilities are off by {100 * value:.1f} percentage points on average (debiased ECE {text.score(value)})"
