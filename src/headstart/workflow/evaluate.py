"""`evaluate`: a model on a labelled test set that it has never seen."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.memory.labelled import has_labels
from headstart.data.read import read_dataset
from headstart.data.table.encoding import array_needed
from headstart.decisions import DecidedOutOfFold, evaluate_decisions, evaluate_novelty
from headstart.errors import DataError, InputError
from headstart.metrics import OutOfFold
from headstart.metrics import evaluate as evaluate_predictions
from headstart.model import Model, Prediction, load_model
from headstart.progress import Progress, Silent
from headstart.results.models.evaluation import TestSetResults
from headstart.results.models.novelty import NoveltyShare
from headstart.results.writers.estimates import (
    class_scores,
    confusion_rows,
    estimate_facts,
    estimates,
    interval_facts,
    plain_fields,
)
from headstart.results.writers.ordinal import ordinal_results
from headstart.workflow.job.audit import Data, open_data, refuse_table_columns
from headstart.workflow.job.judged_images import check_judged_images, refuse_unreadable
from headstart.workflow.job.machine import model_on_machine
from headstart.workflow.options.data import DataSource, as_source
from headstart.workflow.options.machine import EngineOptions, MachineOptions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data import ImageDataset
    from headstart.data.memory.collection import Pictures


def evaluate(
    model: Model | str | os.PathLike[str],
    data: Data | Pictures,
    *,
    skip_unreadable: bool = False,
    seed: int = 0,
    threads: int | None = None,
    batch_size: int | None = None,
    cache: str | None = "default",
    cache_limit: str | None = None,
    progress: Progress | None = None,
) -> TestSetResults:
    """Score a model on a labelled test set that it has never seen.

    Intervals speak of this very model on new data of this kind: the test groups are resampled as wholes, and nothing
    is added for training. Images that the model was trained on would make the score flatter, so they are refused:
    the bundle knows them by their content, whatever they are called.

    Parameters
    ----------
    model : Model or path
    data : path, DataSource, ImageDataset, or data in memory that has labels
        Its classes must be among the model's.
    skip_unreadable : bool
        Leave unreadable images out instead of stopping.
    seed : int
        Random seed of the resampling.
    threads, batch_size : int, optional
        Threads, and images per forward pass. Default: those of the model.
    cache : str or None
        Folder of the feature cache, ``default``, or None to keep nothing. A model that has a cache keeps to it.
    cache_limit : str, optional
        Size such as ``20GB``; see `MachineOptions`.
    progress : Progress, optional

    Returns
    -------
    TestSetResults

    Raises
    ------
    DataError
        When labels are missing or unknown to the model, images are unreadable, or the model was trained on some;
        before any prediction is made.
    """
    progress = progress or Silent()
    machine = MachineOptions(threads=threads, cache=cache, cache_limit=cache_limit)
    loaded = model if isinstance(model, Model) else load_model(model)
    fitted = model_on_machine(loaded, machine, EngineOptions(batch_size=batch_size), progress)
    dataset, _ = open_data(with_table_columns(data, fitted))
    labels = _model_labels(dataset, fitted.classes)
    check_judged_images(fitted, dataset, skip_unreadable=skip_unreadable, progress=progress)
    predictions = list(fitted.predict_each(dataset, progress=progress))
    bad = [f"{prediction.image}: {prediction.error}" for prediction in predictions if prediction.error is not None]
    rows = _readable_rows(predictions, bad, skip_unreadable)
    judged, readable = dataset.subset(rows), [predictions[row] for row in rows.tolist()]
    oof = _test_set(fitted, judged, labels[rows], readable)
    found = evaluate_predictions(oof, correction="none", seed=seed)
    return TestSetResults(
        classes=tuple(fitted.classes),
        positive=fitted.facts.get("positive"),
        n_images=len(rows),
        unreadable=tuple(bad),
        metrics=estimates(found.metrics),
        per_class=class_scores(found),
        confusion=confusion_rows(found),
        interval=interval_facts(found.interval),
        ordinal=ordinal_results(oof, seed=seed, correction="none"),
        novelty=_novelty_share(fitted, oof, readable, seed),
        **_decision_scores(fitted, oof, readable, seed),
    )


def with_table_columns(data: Data | Pictures, model: Model) -> Data:
    """The data, to be read with the table columns that a model takes; where it takes none, none may be named."""
    if not isinstance(data, str | os.PathLike | DataSource):
        requests = None if model.table is None or not has_labels(data) else tuple(map(str, model.table.requests))
        return read_dataset(data, table_columns=requests or None)
    if model.table is None:
        refuse_table_columns(data, "This model")
        return data
    source = as_source(data)
    if source.feature_array is not None and model.table.array is None:
        raise InputError(f"This model takes no feature array, and {source.feature_array} is given. Leave it out.")
    if source.feature_array is None and model.table.array is not None:
        raise InputError(array_needed(model.table.array))
    return replace(source, table_columns=tuple(map(str, model.table.requests)) or None)


def _readable_rows(predictions: Sequence[Prediction], bad: Sequence[str], skip: bool) -> NDArray[np.int64]:
    """Rows of the images that could be read; raises where others may not be left out, or none is left."""
    if bad and not skip:
        refuse_unreadable(bad, len(predictions))
    rows = np.array([row for row, prediction in enumerate(predictions) if prediction.error is None], dtype=np.int64)
    if len(rows) == 0:
        raise DataError("None of the images can be read, so there is nothing to judge.")
    return rows


def _test_set(
    model: Model, judged: ImageDataset, labels: NDArray[np.int64], predictions: Sequence[Prediction]
) -> OutOfFold:
    positive = model.facts.get("positive")
    return OutOfFold.from_test_set(
        labels,
        np.array([one.probabilities for one in predictions]),
        classes=model.classes,
        positive=None if positive is None else model.classes.index(positive),
        weights=judged.weights,
        groups=judged.groups,
        ordered=model.ordered,
    )


def _decision_scores(model: Model, oof: OutOfFold, predictions: Sequence[Prediction], seed: int) -> dict[str, Any]:
    """Fields of `TestSetDecisions`: scores of what the model decided on each image."""
    predicted = np.array([[model.classes.index(str(one.predicted)) for one in predictions]], dtype=np.int64)
    sets = np.array([[[name in (one.members or ()) for name in model.classes] for one in predictions]], dtype=bool)
    decided = DecidedOutOfFold(predicted, sets)
    scores = plain_fields(evaluate_decisions(model.decisions, oof, decided, seed=seed, correction="none"))
    point = model.decisions.operating_point
    if point is not None:
        scores["operating_point"] |= {"rule": point.rule, "threshold": point.threshold}
    if model.decisions.class_rule is not None:
        scores["class_rule"] |= {"rule": model.decisions.class_rule.to_json()}
    return scores


def _novelty_share(model: Model, oof: OutOfFold, predictions: Sequence[Prediction], seed: int) -> NoveltyShare | None:
    """Share of the images that the model flags as unlike its training images."""
    if model.detector is None:
        return None
    flagged = np.array([[one.novelty is not None and one.novelty.is_novel for one in predictions]], dtype=bool)
    share = evaluate_novelty(oof, flagged, seed=seed, correction="none")
    measure = model.detector.distance.measure
    return NoveltyShare(rate=model.detector.threshold.rate, measure=measure, flagged=estimate_facts(share))


def _model_labels(dataset: ImageDataset, classes: Sequence[str]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Labels of a data set in the codes of a model."""
    if dataset.labels is None:
        raise DataError("The images have no labels. Use `headstart predict` for images without labels.")
    unknown = [name for name in dataset.classes if name not in classes]
    if unknown:
        raise DataError(
            f"The model does not know the classes {', '.join(map(repr, unknown[:5]))}; it knows "
            f"{', '.join(map(repr, classes))}. Rename the labels to the model's, or leave these images out."
        )
    codes = np.array([list(classes).index(name) for name in dataset.classes], dtype=np.int64)
    return np.asarray(codes[dataset.labels])
