"""The two work items of a study: inner predictions of some candidates, and one candidate fitted and judged."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.heads import Chunk, FittedHead, HeadSpec, fit_heads, plan_chunks, training_rows
from headstart.storage import hash_json
from headstart.study.training_set.fold_rows import build_training_rows
from headstart.study.training_set.leak_guard import check_apart
from headstart.study.training_set.spec import PLAIN, TrainingSetSpec
from headstart.study.training_set.views import features_to_predict, mean_over_views

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.study.data import StudyData
    from headstart.study.folds import OuterFold

    Integers = NDArray[np.int64]


MAX_HEADS = 12
"""Most heads of another kind than dense that a work item fits: an interruption costs no more, and while it lasts every
SVM holds training rows of its own."""


@dataclass(frozen=True)
class FitSettings:
    """Settings that the heads of a work item are fitted with.

    Attributes
    ----------
    seed : int
        Seed of the fit, and of what is drawn in making the training set.
    precision : {"fp32", "bf16"}
        Precision of the large products in training dense heads.
    training_set : TrainingSetSpec
        How the training rows are balanced and augmented.
    """

    seed: int
    precision: str = "fp32"
    training_set: TrainingSetSpec = PLAIN


def work_groups(heads: Sequence[HeadSpec], n_features: int, n_classes: int, n_rows: int) -> list[list[int]]:
    """Places of the heads that one item trains: a chunk of dense heads, or some of another kind.

    Parameters
    ----------
    heads : sequence of HeadSpec
        All on the features of one source.
    n_features, n_classes : int
    n_rows : int
        Number of training rows.

    Raises
    ------
    InputError
        When one dense head alone takes more memory than a chunk may.
    """
    kinds: dict[str, list[int]] = {}
    for place, head in enumerate(heads):
        kinds.setdefault(head.kind, []).append(place)
    dense = kinds.pop("dense", [])
    specs = [heads[place] for place in dense]
    chunks = plan_chunks(specs, n_features=n_features, n_classes=n_classes, n_rows=n_rows)
    others = [places[at : at + MAX_HEADS] for places in kinds.values() for at in range(0, len(places), MAX_HEADS)]
    return [*([dense[index] for index in chunk.indices] for chunk in chunks), *others]


def item_key(heads: Sequence[HeadSpec], training_set: TrainingSetSpec = PLAIN) -> str:
    """Kind and a short hash of the heads that a work item trains, for its name in the journal."""
    return f"{heads[0].kind}-{hash_json([training_set.to_json(), *(head.to_json() for head in heads)])[:16]}"


def inner_predictions(
    data: StudyData, rows: tuple[Integers, Integers], heads: Sequence[HeadSpec], settings: FitSettings
) -> dict[str, NDArray[Any]]:
    """Probabilities of one inner fold's validation rows for heads of one kind, trained on its training rows.

    Parameters
    ----------
    data : StudyData
        Images with the features of one source.
    rows : (ndarray, ndarray) of int64
        Numbers of the training and of the validation rows.
    heads : sequence of HeadSpec
        Heads of one kind; dense ones of one shape and batch size, as `work_groups` gives them.
    settings : FitSettings

    Returns
    -------
    dict
        ``probabilities`` of shape (n_heads, n_validation, n_classes), float32; nan for a head that diverged.
    """
    train, validation = rows
    features = features_to_predict(data, validation, settings.training_set)
    trained_on = build_training_rows(data, train, settings.training_set, settings.seed)
    check_apart(data, trained_on, validation)
    if heads[0].kind == "dense":
        found = _dense_probabilities(trained_on, features, heads, settings)
    else:
        fitted = _fit(trained_on, heads, settings)
        found = fitted[0].predict_together(fitted[1:], features)
    return {"probabilities": mean_over_views(found, len(validation)).astype(np.float32)}


def _dense_probabilities(
    data: StudyData, features: NDArray[np.float32], heads: Sequence[HeadSpec], settings: FitSettings
) -> NDArray[np.float64]:
    """Probabilities of dense heads, without ever holding the parameters of all."""
    from headstart.heads import train_chunk

    rows = training_rows(
        data.features[0],
        data.labels,
        n_classes=data.n_classes,
        weights=data.weights,
        groups=data.groups,
        seed=settings.seed,
        spread=data.spread,
    )
    chunk = Chunk(tuple(range(len(heads))), tuple(heads))
    (trained,) = train_chunk(chunk, [rows], [features], precision=settings.precision)
    if trained.probabilities is None:
        raise ValueError("the trainer was given validation rows and handed out no probabilities")
    return trained.probabilities


def fit_and_predict(data: StudyData, fold: OuterFold, head: HeadSpec, settings: FitSettings) -> dict[str, NDArray[Any]]:
    """One candidate fitted on a fold's training rows: its arrays, and the probabilities of the test rows.

    Returns
    -------
    dict
        ``probabilities`` of shape (n_test, n_classes), float64, and the head's arrays as ``head.NAME``. Of a head
        that diverged: ``failed`` alone.
    """
    trained_on = build_training_rows(data, fold.train, settings.training_set, settings.seed)
    check_apart(data, trained_on, fold.test)
    fitted = _fit(trained_on, [head], settings)[0]
    if fitted.failed:
        return {"failed": np.array([True])}
    predicted = fitted.predict_proba(features_to_predict(data, fold.test, settings.training_set))
    probabilities = mean_over_views(predicted, len(fold.test))
    tensors = {f"head.{name}": value for name, value in fitted.to_tensors().items()}
    return {"probabilities": probabilities, **tensors}


def stored_head(head: HeadSpec, tensors: dict[str, NDArray[Any]]) -> FittedHead:
    """The head among what `fit_and_predict` gave."""
    arrays = {name.removeprefix("head."): value for name, value in tensors.items() if name.startswith("head.")}
    return FittedHead.from_tensors(head, arrays)


def fit_seed(seed: int, fold: OuterFold, number: int, kind: str) -> int:
    """Seed of one fit, the same wherever and whenever it runs; `number` is the inner fold's, or how many there are."""
    kind_number = int.from_bytes(hashlib.sha256(kind.encode()).digest()[:4], "big")
    sequence = np.random.SeedSequence([seed, fold.repeat, fold.fold + 1, number, kind_number])
    return int(sequence.generate_state(1)[0])


def _fit(data: StudyData, heads: Sequence[HeadSpec], settings: FitSettings) -> list[FittedHead]:
    return fit_heads(
        heads,
        data.features[0],
        data.labels,
        n_classes=data.n_classes,
        weights=data.weights,
        groups=data.groups,
        seed=settings.seed,
        precision=settings.precision,
        spread=data.spread,
    )
