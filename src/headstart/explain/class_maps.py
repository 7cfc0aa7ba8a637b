"""Class heatmaps of images by a fitted model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.augment import IDENTITY
from headstart.backbones.feature_block import HANDCRAFTED
from headstart.data.read import as_dataset
from headstart.errors import InputError
from headstart.explain.attribution import Attribution
from headstart.explain.contrast import check_class, contrast_weights
from headstart.explain.explanation import Explanation, class_limits
from headstart.explain.methods import SHARP, Method
from headstart.explain.scored_model import ScoredModel
from headstart.features.pipeline import prepared_views
from headstart.model import Model, Prediction, load_model
from headstart.progress import Progress, Silent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data import ImageDataset
    from headstart.data.memory.collection import Pictures

_BATCH: Final = 8
Names = str | Sequence[str | None] | None


def explain(
    model: Model | str | os.PathLike[str],
    images: Pictures,
    *,
    target: Names = None,
    against: Names = None,
    method: str = SHARP,
    stage: str | None = None,
    limits: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Maps of what speaks for a class in images, and against it.

    Parameters
    ----------
    model : Model or path
        A fitted model, or the folder of a run or a bundle.
    images : ImageDataset, path, Pillow image, array, tensor, sequence of these, data set, or table
        As for `Model.predict`. An image that cannot be read is left out and named in ``unreadable``.
    target : str or sequence of (str or None), optional
        Class that the maps speak for, one for all images or one for each. Default, and None: the predicted one; where
        that is the one to be told from, the most probable other.
    against : str or sequence of (str or None), optional
        Class that it is told from. Default, and None: the mean of all others.
    method : {"sharp", "exact", "occlusion", "integrated-gradients"}
        ``sharp``: LayerCAM at `stage`; occlusion for heads whose scores have no gradient (forest, kNN with uniform
        votes). ``exact``: the score divided among the places of the maps that features are pooled from. ``occlusion``:
        what the score loses where the image is covered, some 200 forward passes an image. ``integrated-gradients``:
        pixel by pixel.
    stage : str, optional
        Stage that a sharp map looks at. Default: the last of stride 16.
    limits : mapping of str to float, optional
        ``limits`` of an earlier explanation, to show these maps on its scale. Default: each class has its own.
    progress : Progress, optional

    Raises
    ------
    InputError
        For an unknown class, method or stage, or a method that does not fit the model.
    BundleError
        When the model cannot be loaded.
    """
    known = model if isinstance(model, Model) else load_model(model)
    dataset = as_dataset(images)
    member, notes = weightiest_member(known)
    chosen = Method.of(ScoredModel(member), method, stage)
    wanted = [_each(names, len(dataset), member) for names in (target, against)]
    predictions = list(known.predict_each(dataset, progress=progress))
    rows = [row for row, found in enumerate(predictions) if found.error is None]
    targets = tuple(wanted[0][row] or _natural_target(predictions[row], wanted[1][row], known.classes) for row in rows)
    others = tuple(wanted[1][row] for row in rows)
    weights = [contrast_weights(known.classes, member.head, *pair) for pair in zip(targets, others, strict=True)]
    pixels, found = _run(chosen, dataset, rows, weights, progress or Silent())
    return Explanation(
        images=tuple(dataset.names[row] for row in rows),
        pixels=pixels,
        maps=found.maps,
        targets=targets,
        against=others,
        predicted=tuple(str(predictions[row].predicted) for row in rows),
        probabilities=_probabilities(predictions, rows, len(known.classes)),
        classes=known.classes,
        method=chosen.name,
        stage=chosen.stage,
        scores=found.scores,
        references=found.references,
        elsewhere=found.elsewhere,
        attributed=found.attributed,
        limits=class_limits(found.maps, targets) | dict(limits or {}),
        notes=(*notes, *chosen.notes),
        unreadable=tuple((one.image, str(one.error)) for one in predictions if one.error is not None),
    )


def weightiest_member(model: Model) -> tuple[Model, tuple[str, ...]]:
    """The model that maps are made of, with what must be said of it: of an ensemble the member of the greatest weight.

    Members speak of scores on scales of their own, so that their maps have no sum. Those on handcrafted numbers alone
    have no maps: they are passed over where another member sees the network.
    """
    if not model.others:
        return model, ()
    members = (model, *model.others)
    seeing = [
        place for place, one in enumerate(members) if any(block not in HANDCRAFTED for block in one.features.blocks)
    ]
    place = max(seeing or range(len(members)), key=lambda place: model.weights[place])
    member = replace(members[place], others=(), weights=(), table=model.table)
    if model.n_voting == 1:
        return member, ()
    share = model.weights[place] / sum(model.weights)
    of_these = "" if len(seeing) == len(members) else " of those that see the network"
    return member, (
        f"Predictions are those of an ensemble of {model.n_voting}; the maps are of the member of the greatest "
        f"weight{of_these} ({share:.0%}): {member.head.spec.label} on {member.backbone.name}.",
    )


def _each(names: Names, n_images: int, model: Model) -> list[str | None]:
    """Class of every image, None where none is named."""
    listed = [names] * n_images if names is None or isinstance(names, str) else list(names)
    if len(listed) != n_images:
        raise InputError(f"{len(listed)} classes are named for {n_images} images. Name one for all, or one for each.")
    for name in dict.fromkeys([names] if isinstance(names, str) else listed):
        if name is not None:
            check_class(model.classes, model.head, name)
    return listed


def _natural_target(prediction: Prediction, against: str | None, classes: Sequence[str]) -> str:
    """The predicted class; where that is the one to be told from, the most probable other."""
    if prediction.predicted != against:
        return str(prediction.predicted)
    ranked = sorted(zip(prediction.probabilities, classes, strict=True), key=lambda pair: -pair[0])
    return next(name for _, name in ranked if name != against)


def _probabilities(predictions: Sequence[Prediction], rows: Sequence[int], n_classes: int) -> NDArray[np.float64]:
    return np.array([predictions[row].probabilities for row in rows], dtype=np.float64).reshape(len(rows), n_classes)


def _run(
    method: Method,
    dataset: ImageDataset,
    rows: Sequence[int],
    weights: Sequence[NDArray[np.float64]],
    progress: Progress,
) -> tuple[NDArray[Any], Attribution]:
    """Pixels and maps of some rows."""
    model = method.model
    preparation, encoding = model.model.preparation, model.model.table
    table = None if encoding is None else encoding.apply(dataset.columns)
    pixels = [np.zeros((0, *model.size, preparation.n_channels), dtype=preparation.dtype)]
    parts = [Attribution.of_nothing(model.size)]
    with progress.task("Explaining", len(rows), "images") as advance, model.computing():
        for start, prepared in _prepared(model.model, dataset, rows):
            taken = rows[start : start + len(prepared)]
            pictures = model.pictures(prepared, None if table is None else table[list(taken)])
            parts.append(method.maps(pictures, np.stack(weights[start : start + len(prepared)])))
            pixels.append(prepared)
            advance(len(prepared))
    return np.concatenate(pixels), Attribution.joined(parts)


def _prepared(model: Model, dataset: ImageDataset, rows: Sequence[int]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Pixels batch by batch with the place of the first, read side by side."""
    with ThreadPoolExecutor(model.engine.n_threads, "headstart-read") as readers:
        for start in range(0, len(rows), _BATCH):
            read = readers.map(
                lambda row: prepared_views(dataset, row, model.preparation, (IDENTITY,))[0],
                rows[start : start + _BATCH],
            )
            yield start, np.stack(list(read))
