"""`explain`: maps of what speaks for a class in images, their neighbours and tests, as pictures and numbers."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.errors import HeadstartError, ImageError, InputError
from headstart.explain.activation import activation_maps, activation_page, chosen_stages
from headstart.explain.class_maps import explain
from headstart.explain.neighbours import nearest
from headstart.explain.panels import png, stacked
from headstart.explain.pictures import explained_picture, neighbour_strip, share_for
from headstart.features.extract import extract_features, with_content_hashes
from headstart.model import load_model
from headstart.progress import Progress, Silent
from headstart.results.models.explanations import ExplainedImage, Explanations, NeighbourFacts, PictureFacts
from headstart.results.models.split import RunSplit
from headstart.storage import write_bytes
from headstart.study.execution import run_folder as files
from headstart.workflow.job.audit import reopen_pictures
from headstart.workflow.job.sources import open_cache
from headstart.workflow.options.explain import ExplainOptions
from headstart.workflow.predict import images_to_predict

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from headstart.data import ImageDataset
    from headstart.explain.explanation import Explanation
    from headstart.model import Model

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
    device : str, optional
    progress : Progress, optional

    Returns
    -------
    ExplainedFiles

    Raises
    ------
    InputError
        For a class, stage or method that the model has not, or an output that holds something else; nothing is
        written then.
    BundleError, RunError, DataError, StorageError
    """
    options, progress, folder = options or ExplainOptions(), progress or Silent(), Path(output)
    known = load_model(model, device=device)
    dataset = images_to_predict(known, inputs)
    old = _pictures_of(folder)
    stages = _stages(known, options)
    explanation = explain(
        known,
        dataset,
        target=options.target,
        against=options.against,
        method=options.method,
        stage=None if options.activation and options.method != "sharp" else options.stage,
        progress=progress,
    )
    notes = list(explanation.notes)
    near = _Neighbours.of(Path(model), known, notes, progress) if options.neighbours else None
    looks_like = [()] * len(explanation) if near is None else near.of_images(dataset, explanation.images, progress)
    notes += [f"{name} could not be read: {reason}" for name, reason in explanation.unreadable]
    for name in old:
        (folder / name).unlink(missing_ok=True)
    found = []
    with progress.task("Pictures", len(explanation), "images") as advance:
        for row, neighbours in enumerate(looks_like):
            name = f"{row + 1:03d}-{_stem(explanation.images[row])}"
            picture = _draw(folder / f"{name}.png", explanation, row, near, neighbours)
            if stages:
                _draw_stages(folder / f"{name}-stages.png", known, explanation, row, stages)
            found.append(_facts(explanation, row, picture, neighbours))
            advance(1)
    document = Explanations(n_images=len(found), images=tuple(found), notes=tuple(notes))
    document.write(folder / Explanations.file_name)
    return ExplainedFiles(document, len(explanation.unreadable))


def _pictures_of(folder: Path) -> list[str]:
    """Pictures that an earlier call left in the folder, to be replaced.

    Raises
    ------
    InputError
        When the folder is a run's, or holds something else.
    """
    inside = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    belongs_to_run = any((place / files.RUN_FILE).is_file() for place in (folder, folder.parent))
    if folder.is_file() or belongs_to_run or (inside and Explanations.file_name not in inside):
        raise InputError(
            f"{folder} is no folder for explanations: it is a file, or holds something else. Name a new folder."
        )
    if not inside:
        return []
    named = [one.picture.file for one in Explanations.read(folder / Explanations.file_name).images if one.picture]
    return [*named, *(f"{Path(name).stem}-stages.png" for name in named)]


def _stages(model: Model, options: ExplainOptions) -> tuple[str, ...]:
    """Stages whose activations are drawn."""
    if not options.activation:
        return ()
    return chosen_stages(model.backbone, model.preparation.size, () if options.stage is None else (options.stage,))


def _stem(image: str) -> str:
    """A name for a file from that of an image: its letters and digits."""
    return re.sub(r"[^\w-]+", "-", Path(image).stem)[:_MAX_NAME].strip("-") or "image"


def _draw(
    path: Path,
    explanation: Explanation,
    row: int,
    near: _Neighbours | None,
    neighbours: Sequence[NeighbourFacts],
) -> PictureFacts:
    at = f", {explanation.method} map" + (f" at {explanation.stage}" if explanation.stage else "")
    target, against = explanation.targets[row], explanation.against[row] or "the rest"
    predicted = explanation.predicted[row]
    probability = explanation.probabilities[row][explanation.classes.index(predicted)]
    words = (
        explanation.images[row],
        f"predicted {predicted} ({probability:.2f})",
        f"What speaks for {target}, against {against}{at}",
    )
    drawn = explained_picture(explanation, row, limit=explanation.limits[target], words=words)
    whole = drawn.page
    if near is not None and neighbours:
        labels = [one.label for one in neighbours]
        strip = neighbour_strip([near.picture(one.image) for one in neighbours], labels, width=whole.width)
        whole = stacked([whole, strip])
    write_bytes(path, png(whole))
    return PictureFacts(file=path.name, box=drawn.box)


def _draw_stages(path: Path, model: Model, explanation: Explanation, row: int, stages: Sequence[str]) -> None:
    from headstart.data.images.samples import preview

    pixels = explanation.pixels[row : row + 1]
    (found,) = activation_maps(model.backbone, pixels, stages=stages, n_threads=model.engine.n_threads)
    write_bytes(path, png(activation_page(preview(pixels[0]), found, title=explanation.images[row])))


def _facts(
    explanation: Explanation, row: int, picture: PictureFacts, neighbours: Sequence[NeighbourFacts]
) -> ExplainedImage:
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
        neighbours=tuple(neighbours),
        picture=picture,
    )


@dataclass(frozen=True, eq=False)
class _Neighbours:
    """Training images of a run with their features.

    Attributes
    ----------
    model : Model
    dataset : ImageDataset
        With content hashes.
    labels : mapping of str to str
        Label of every training image by its name.
    features : ndarray of shape (n_training, n_features), float32
    """

    model: Model
    dataset: ImageDataset
    labels: Mapping[str, str]
    features: NDArray[np.float32]

    @classmethod
    def of(cls, path: Path, model: Model, notes: list[str], progress: Progress) -> _Neighbours | None:
        """Training images of the run at a path; None, and a note of the reason, where they are not at hand."""
        left_out = "The nearest training images are left out"
        if not (path / files.RUN_FILE).is_file():
            notes.append(f"{left_out}: a bundle does not hold its training images. Give the run in its place.")
            return None
        if model.unlocked is not None:
            notes.append(f"{left_out}: the model was fine-tuned, and no features of its training images are kept.")
            return None
        split = RunSplit.read(path / files.SPLIT_FILE)
        try:
            dataset = reopen_pictures((files.read_run(path).get("source") or {}).get("data"), split.images)
            labels = dict(zip(split.images, split.labels or (), strict=True))
            kept = dataset.subset([row for row, name in enumerate(dataset.names) if name in labels])
            hashed = with_content_hashes(kept)
            features = extract_features(hashed, model.extractor, cache=open_cache("default"), progress=progress)
        except (HeadstartError, ValueError) as error:
            notes.append(f"{left_out}: {error}")
            return None
        return cls(model, hashed, labels, features)

    def of_images(
        self, dataset: ImageDataset, names: Sequence[str], progress: Progress
    ) -> list[tuple[NeighbourFacts, ...]]:
        """The nearest training images of each image that could be read; the image itself is none of them."""
        rows = {name: row for row, name in enumerate(dataset.names)}
        asked = with_content_hashes(dataset.subset([rows[name] for name in names]))
        features = extract_features(asked, self.model.extractor, progress=progress)
        same = np.array(asked.hashes or ())[:, None] == np.array(self.dataset.hashes or ())[None, :]
        found = nearest(features, self.features, left_out=same)
        return [
            tuple(
                NeighbourFacts(
                    image=self.dataset.names[row],
                    label=self.labels[self.dataset.names[row]],
                    distance=round(distance, _DIGITS),
                )
                for row, distance in zip(of_image.tolist(), distances.tolist(), strict=True)
                if np.isfinite(distance)
            )
            for of_image, distances in zip(found.rows, found.distances, strict=True)
        ]

    def picture(self, name: str) -> Image.Image | None:
        """Picture of a training image; None where it can no longer be read."""
        from headstart.data.images.samples import preview

        try:
            return preview(self.dataset.prepared(self.dataset.names.index(name), self.model.preparation))
        except ImageError:
            return None
