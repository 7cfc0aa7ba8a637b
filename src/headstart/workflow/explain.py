"""`explain`: maps of what speaks for a class in images, their neighbours and tests, as pictures and numbers."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from headstart.data.named_files import WILDCARDS
from headstart.errors import DataError
from headstart.explain.activation import activation_maps, activation_page, chosen_stages
from headstart.explain.class_maps import explain
from headstart.explain.panels import png, stacked
from headstart.explain.pictures import explained_picture, neighbour_strip, share_for
from headstart.model import load_model
from headstart.progress import Progress, Silent
from headstart.results.models.explanations import (
    ExplainedImage,
    Explanations,
    ImageChecks,
    NeighbourFacts,
    PictureFacts,
)
from headstart.storage import write_bytes
from headstart.workflow.job.explanation_checks import ExplanationChecks, fold_models_of, masks_of, with_masks
from headstart.workflow.job.explanation_folder import ExplanationFolder, picture_names
from headstart.workflow.job.training_images import TrainingImages
from headstart.workflow.options.explain import ExplainOptions
from headstart.workflow.predict import images_to_predict

if TYPE_CHECKING:
    from PIL import Image

    from headstart.data import ImageDataset
    from headstart.explain.explanation import Explanation
    from headstart.model import Model
    from headstart.model.fold_models import FoldModels

_DIGITS: Final = 6
_MAX_NAME: Final = 40


@dataclass(frozen=True, eq=False)
class ExplainedFiles:
    """What `explain_files` wrote.

    Attributes
    ----------
    document : Explanations
    n_unreadable : int
    """

    document: Explanations
    n_unreadable: int

    def table(self) -> tuple[str, Sequence[str], Sequence[Sequence[str]]]:
        """Title, columns and rows of a table of the images."""
        columns = ("image", "predicted", "probability", "speaks for", "against", "heat for it", "picture")
        rows = [
            (
                one.image,
                one.predicted,
                f"{one.probability:.3f}",
                one.target,
                one.against or "the rest",
                "none" if not one.share_for else f"{100 * one.share_for:.0f} %",
                "" if one.picture is None else one.picture.file,
            )
            for one in self.document.images
        ]
        return "Explained images", columns, rows


def explain_files(
    model: str | os.PathLike[str],
    inputs: Sequence[str],
    output: str | os.PathLike[str],
    options: ExplainOptions | None = None,
    *,
    feature_array: str | None = None,
    allow_outside: bool = False,
    device: str | None = None,
    progress: Progress | None = None,
) -> ExplainedFiles:
    """Explain images and write pictures and numbers, ``explanations.json`` last.

    Parameters
    ----------
    model : path
        A run, which knows its training images, or a bundle, which does not.
    inputs : sequence of str
        See `headstart.workflow.predict.images_to_predict`.
    output : path
        A new folder, or one of an earlier call, whose pictures are replaced.
    options : ExplainOptions, optional
    feature_array : str, optional
        For a model that takes one.
    allow_outside : bool
        Follow links that lead out of folders of images and masks.
    device : str, optional
    progress : Progress, optional

    Returns
    -------
    ExplainedFiles

    Raises
    ------
    InputError
        For a class, stage or method that the model has not, or an output that holds something else; nothing is
        written or overwritten then.
    DataError
        When an input is not there, or no image could be read; nothing is written then.
    BundleError, RunError, StorageError
    """
    options, progress = options or ExplainOptions(), progress or Silent()
    known = load_model(model, device=device)
    _check_are_there(inputs)
    dataset = images_to_predict(
        known, inputs, feature_array=feature_array, allow_outside=allow_outside, progress=progress
    )
    place = ExplanationFolder.of(Path(output))
    stages = _stages(known, options)
    masks = None if options.masks is None else masks_of(Path(options.masks), dataset.names, allow_outside=allow_outside)
    folds = fold_models_of(Path(model), known) if options.checks else None
    explanation = explain(
        known,
        dataset,
        target=options.target,
        against=options.against,
        method=options.method,
        stage=None if options.activation and options.method != "sharp" else options.stage,
        progress=progress,
    )
    _check_any_was_read(explanation)
    notes = list(explanation.notes)
    beside = _Beside.of(explanation, dataset, _Asked(Path(model), known, options, masks, folds), notes, progress)
    notes += [f"{name} could not be read: {reason}" for name, reason in explanation.unreadable]
    stems = [f"{row + 1:03d}-{_stem(image)}" for row, image in enumerate(explanation.images)]
    names = [name for stem in stems for name in picture_names(stem)]
    found = []
    with place.drawing(names) as aside, progress.task("Pictures", len(explanation), "images") as advance:
        for row, stem in enumerate(stems):
            path, of_stages = (aside / name for name in picture_names(stem))
            picture = _draw(path, explanation, row, beside)
            if stages:
                _draw_stages(of_stages, known, explanation, row, stages)
            found.append(_facts(explanation, row, picture, beside))
            advance(1)
        document = Explanations(n_images=len(found), images=tuple(found), notes=tuple(notes))
        document.write(aside / Explanations.file_name)
    return ExplainedFiles(document, len(explanation.unreadable))


def _check_are_there(inputs: Sequence[str]) -> None:
    """Refuse an input that names no file or folder; a pattern is looked up by `images_to_predict`."""
    gone = [name for name in inputs if not any(sign in name for sign in WILDCARDS) and not os.path.lexists(name)]
    if gone:
        beside = f" (and {len(gone) - 1:,} more)" if len(gone) > 1 else ""
        raise DataError(f"{gone[0]}{beside}: no such file. Give image files, a folder that holds some, or a glob.")


def _check_any_was_read(explanation: Explanation) -> None:
    """Refuse to explain nothing."""
    if not len(explanation) and explanation.unreadable:
        name, reason = explanation.unreadable[0]
        raise DataError(f"No image could be read. The first, {name}: {reason}")


def _stages(model: Model, options: ExplainOptions) -> tuple[str, ...]:
    """Stages whose activations are drawn."""
    if not options.activation:
        return ()
    return chosen_stages(model.backbone, model.preparation.size, () if options.stage is None else (options.stage,))


def _stem(image: str) -> str:
    """A name for a file from that of an image: its letters and digits."""
    return re.sub(r"[^\w-]+", "-", Path(image).stem)[:_MAX_NAME].strip("-") or "image"


def _draw(path: Path, explanation: Explanation, row: int, beside: _Beside) -> PictureFacts:
    at = f", {explanation.method} map" + (f" at {explanation.stage}" if explanation.stage else "")
    target, against = explanation.targets[row], explanation.against[row] or "the rest"
    predicted = explanation.predicted[row]
    probability = explanation.probabilities[row][explanation.classes.index(predicted)]
    words = (
        explanation.images[row],
        f"predicted {predicted} ({probability:.2f})",
        f"What speaks for {target}, against {against}{at}",
        *beside.words(row),
    )
    drawn = explained_picture(explanation, row, limit=explanation.limits[target], words=words)
    whole = drawn.page
    strip = beside.strip(row, width=whole.width)
    whole = whole if strip is None else stacked([whole, strip])
    write_bytes(path, png(whole))
    return PictureFacts(file=path.name, box=drawn.box)


def _draw_stages(path: Path, model: Model, explanation: Explanation, row: int, stages: Sequence[str]) -> None:
    from headstart.data.images.samples import preview

    pixels = explanation.pixels[row : row + 1]
    (found,) = activation_maps(model.backbone, pixels, stages=stages, n_threads=model.engine.n_threads)
    write_bytes(path, png(activation_page(preview(pixels[0]), found, title=explanation.images[row])))


def _facts(explanation: Explanation, row: int, picture: PictureFacts, beside: _Beside) -> ExplainedImage:
    target, predicted = explanation.targets[row], explanation.predicted[row]
    return ExplainedImage(
        image=explanation.images[row],
        kind=None,
        label=None,
        predicted=predicted,
        probability=float(explanation.probabilities[row][explanation.classes.index(predicted)]),
        fold=None,
        target=target,
        against=explanation.against[row],
        method=explanation.method,
        stage=explanation.stage,
        score=round(float(explanation.scores[row]), _DIGITS),
        limit=round(float(explanation.limits[target]), _DIGITS),
        share_for=share_for(explanation.maps[row]),
        neighbours=beside.neighbours[row],
        picture=picture,
        checks=beside.checks[row],
    )


@dataclass(frozen=True, eq=False)
class _Asked:
    """What is explained, and what is asked for beside the maps.

    Attributes
    ----------
    path : Path
        The run, or the bundle.
    model : Model
    options : ExplainOptions
    masks : mapping of str to Path, or None
        Masks by the names of their images.
    folds : FoldModels or None
        Models of the run's outer folds, for the tests.
    """

    path: Path
    model: Model
    options: ExplainOptions
    masks: Mapping[str, Path] | None
    folds: FoldModels | None


@dataclass(frozen=True, eq=False)
class _Beside:
    """What stands beside the map of each image: nearest training images and tests.

    Attributes
    ----------
    training : TrainingImages or None
    neighbours : list of tuple of NeighbourFacts
    checks : list of (ImageChecks or None)
    """

    training: TrainingImages | None
    neighbours: list[tuple[NeighbourFacts, ...]]
    checks: list[ImageChecks | None]

    @classmethod
    def of(
        cls, explanation: Explanation, dataset: ImageDataset, asked: _Asked, notes: list[str], progress: Progress
    ) -> _Beside:
        """Neighbours and tests that are asked for; what cannot be made is noted."""
        options, neighbours = asked.options, [()] * len(explanation)
        training: TrainingImages | str = ""
        if options.neighbours or options.checks:
            training = TrainingImages.of_run(asked.path, asked.model, progress)
        if options.neighbours and isinstance(training, str):
            notes.append(f"The nearest training images are left out: {training}")
        rows = {name: row for row, name in enumerate(dataset.names)}
        explained = dataset.subset([rows[name] for name in explanation.images])
        near = list[tuple[NeighbourFacts, ...]](neighbours)
        if options.neighbours and not isinstance(training, str):
            near = training.near(explained, progress)
        checks: list[ImageChecks | None] = [None] * len(explanation)
        if options.checks:
            tests = ExplanationChecks(asked.model, asked.folds, training, notes, progress)
            checks = list(tests.of(explanation, explained))
        if asked.masks is not None:
            checks = with_masks(checks, explanation, explained, asked.masks, asked.model)
        return cls(None if isinstance(training, str) else training, near, checks)

    def words(self, row: int) -> list[str]:
        """Lines on the tests of an image's map."""
        found = self.checks[row]
        return [] if found is None else found.lines()

    def strip(self, row: int, *, width: int) -> Image.Image | None:
        """The nearest training images in a row; None where there are none."""
        named = self.neighbours[row]
        if self.training is None or not named:
            return None
        pictures = [self.training.picture(one.image) for one in named]
        return neighbour_strip(pictures, [one.label for one in named], width=width)
