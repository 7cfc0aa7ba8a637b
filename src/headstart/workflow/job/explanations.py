"""Explanations of a fit: its twelve most telling images, by models that had not seen them, and a map of all images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.errors import HeadstartError
from headstart.heads.arithmetic import standardised
from headstart.results.models.explanations import (
    ExplainedImage,
    Explanations,
    ImageMapFacts,
    NeighbourFacts,
    PictureFacts,
)
from headstart.storage import write_bytes
from headstart.study.table_block import beside
from headstart.workflow.job.bundle import fold_model, fold_model_source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data import ImageDataset
    from headstart.explain import Explanation
    from headstart.explain.telling import TellingImage
    from headstart.model import Model
    from headstart.study.fold_result import FoldResult
    from headstart.study.run import StudyResult
    from headstart.workflow.job.fold_extractors import FoldExtractors
    from headstart.workflow.job.job import Job

N_NEIGHBOURS: Final = 3
_DIGITS: Final = 6
_OF_ENSEMBLE: Final = (
    "Predictions are those of an ensemble; the maps explain its member of the largest weight that sees the network."
)


@dataclass(frozen=True, eq=False)
class _Explained:
    """A telling image with its explanation by the model of its fold.

    Attributes
    ----------
    telling : TellingImage
    fold : int
    explanation : Explanation
    place : int
        Number of the image in it.
    neighbours : tuple of NeighbourFacts
    unit : float
        Spread of the explained score over the images that the fold judged: heads of other folds may give scores a
        hundred times as large.
    """

    telling: TellingImage
    fold: int
    explanation: Explanation
    place: int
    neighbours: tuple[NeighbourFacts, ...]
    unit: float

    @property
    def target(self) -> str:
        """Class that the map speaks for."""
        return self.explanation.targets[self.place]

    @property
    def relative_map(self) -> NDArray[np.float64]:
        """The map (height, width) in units of its model."""
        return np.asarray(self.explanation.maps[self.place] / self.unit)


@dataclass(frozen=True, eq=False)
class ExplanationWork:
    """What explanations of a fit are made from.

    Attributes
    ----------
    job : Job
    dataset : ImageDataset
    study : StudyResult
    extractors : FoldExtractors
    """

    job: Job
    dataset: ImageDataset
    study: StudyResult
    extractors: FoldExtractors

    def write(self, folder: Path, *, images: bool) -> None:
        """Explain the most telling images and write pictures and numbers, ``explanations.json`` last.

        Parameters
        ----------
        folder : Path
        images : bool
            False writes no picture: images of patients.

        Raises
        ------
        StorageError
            When the disk refuses.
        """
        from headstart.explain.telling import N_TELLING

        notes: list[str] = []
        with self.job.progress.task("Explanations", min(N_TELLING, len(self.dataset)), "images") as advance:
            explained = list(self._explained(notes, advance))
        limits = _limits(explained)
        _remove_pictures(folder)
        found = []
        for number, one in enumerate(explained, start=1):
            limit = limits[one.target] * one.unit
            picture = self._draw(folder / f"{number:02d}.png", one, limit) if images else None
            found.append(self._facts(one, limit, picture))
        document = Explanations(n_images=len(found), images=tuple(found), map=self._map(), notes=tuple(notes))
        document.write(folder / Explanations.file_name)

    def _explained(self, notes: list[str], advance: Callable[[int], None]) -> Iterator[_Explained]:
        """Telling images in their order, each by the model of the fold that judged it; none without a network."""
        from headstart.explain.telling import telling_images

        if all(source.extractor.backbone.is_absent for source in self.job.sources):
            notes.append(
                "Heads see an array of numbers and nothing of the pictures, so no place of an image has a share."
            )
            return
        folds = [result for result in self.study.folds if result.outer.repeat == 0]
        rows = np.concatenate([result.outer.test for result in folds])
        judged = np.concatenate([result.probabilities for result in folds])
        order = np.argsort(rows, kind="stable")
        chosen = telling_images(self.study.data.labels[rows[order]], judged[order])
        chosen_rows = rows[order][[one.row for one in chosen]].tolist()
        found: dict[int, _Explained] = {}
        for result in folds:
            places = [place for place, row in enumerate(chosen_rows) if row in set(result.outer.test.tolist())]
            if places:
                told = [chosen[place] for place in places]
                explained = self._of_fold(result, told, [chosen_rows[place] for place in places], notes)
                found |= dict(zip(places, explained, strict=False))  # none where the model cannot be explained
                advance(len(places))
        yield from (found[place] for place in sorted(found))

    def _of_fold(
        self, result: FoldResult, told: Sequence[TellingImage], rows: Sequence[int], notes: list[str]
    ) -> list[_Explained]:
        """Images of one outer fold, none where its model cannot be explained, which is noted."""
        from headstart.explain import explain

        model = fold_model(self.job, self.study, result, self.extractors, batch_size=len(rows))
        classes = self.dataset.classes
        pictures = self.dataset.subset(rows)
        try:
            explanation = explain(
                model,
                pictures,
                target=[classes[one.predicted] for one in told],
                against=[classes[_other(one)] for one in told],
                method=_quick_method(model),
            )
        except HeadstartError as error:
            notes.append(f"Outer fold {result.outer.fold} is not explained: {error}")
            return []
        notes += [note for note in explanation.notes if note not in notes]
        if result.ensemble is not None and result.ensemble.is_kept and _OF_ENSEMBLE not in notes:
            notes.append(_OF_ENSEMBLE)
        source = fold_model_source(self.job, self.study, result)
        neighbours = self._neighbours(result, source, rows)
        units = self._units(result, model, source, explanation)
        return [
            _Explained(one, result.outer.fold, explanation, place, near, unit)
            for place, (one, near, unit) in enumerate(zip(told, neighbours, units, strict=True))
        ]

    def _units(self, result: FoldResult, model: Model, source: int, explanation: Explanation) -> list[float]:
        """Spread of each image's explained score over all images that the fold judged."""
        from headstart.explain.contrast import contrast_weights

        if model.unlocked is not None:  # the features of these images by the tuned network are not at hand
            return [float(np.abs(explanation.scores).mean()) or 1.0] * len(explanation)
        data = self.study.data.of_fold(result.outer).of_source(source)
        rows = beside(data.features[0], data.table)[result.outer.test]
        scores = model.head.class_scores().values(standardised(rows, model.head.arrays))
        pairs = zip(explanation.targets, explanation.against, strict=True)
        weights = [contrast_weights(explanation.classes, model.head, *pair) for pair in pairs]
        return [float((scores @ weight).std()) or 1.0 for weight in weights]

    def _neighbours(self, result: FoldResult, source: int, rows: Sequence[int]) -> list[tuple[NeighbourFacts, ...]]:
        """The nearest training images of the fold for each of some rows."""
        from headstart.explain.neighbours import nearest

        features = self.study.data.of_fold(result.outer).features[source]
        found = nearest(features[list(rows)], features[result.outer.train], n_neighbours=N_NEIGHBOURS)
        labels, names = self.study.data.labels, self.dataset.names
        return [
            tuple(
                NeighbourFacts(
                    image=names[row], label=self.dataset.classes[int(labels[row])], distance=round(distance, _DIGITS)
                )
                for row, distance in zip(result.outer.train[near].tolist(), distances.tolist(), strict=True)
            )
            for near, distances in zip(found.rows, found.distances, strict=True)
        ]

    def _facts(self, one: _Explained, limit: float, picture: PictureFacts | None) -> ExplainedImage:
        from headstart.explain.pictures import share_for

        classes, explanation, place = self.dataset.classes, one.explanation, one.place
        return ExplainedImage(
            image=explanation.images[place],
            kind=one.telling.kind,
            label=classes[one.telling.label],
            predicted=classes[one.telling.predicted],
            probability=one.telling.probability,
            fold=one.fold,
            target=one.target,
            against=explanation.against[place],
            method=explanation.method,
            stage=explanation.stage,
            score=round(float(explanation.scores[place]), _DIGITS),
            limit=round(limit, _DIGITS),
            share_for=share_for(explanation.maps[place]),
            neighbours=one.neighbours,
            picture=picture,
        )

    def _draw(self, path: Path, one: _Explained, limit: float) -> PictureFacts:
        from headstart.explain.panels import png
        from headstart.explain.pictures import explained_picture

        classes, telling = self.dataset.classes, one.telling
        words = (
            one.explanation.images[one.place],
            f"{telling.kind}: {classes[telling.label]}, predicted {classes[telling.predicted]} "
            f"({telling.probability:.2f}) by the model of outer fold {one.fold}",
            f"What speaks for {one.target}, against {one.explanation.against[one.place]}",
        )
        drawn = explained_picture(one.explanation, one.place, limit=limit, words=words)
        write_bytes(path, png(drawn.page))
        return PictureFacts(file=path.name, box=drawn.box)

    def _map(self) -> ImageMapFacts | None:
        """A map of all images by the features of the final model; None for too few images, or none."""
        from headstart.explain.neighbours import image_map

        final = self.study.final
        source = self.study.plan.source_of(final.chosen)
        features = self.study.data.of_fold(final.outer).features[source]
        if len(features) < 3 or not features.shape[1]:
            return None
        found = image_map(features)
        return ImageMapFacts(
            projection=found.projection,
            explained=None if found.explained is None else round(min(found.explained, 1.0), _DIGITS),
            features=self.job.sources[source].spec.label,
            points=tuple((round(x, 3), round(y, 3)) for x, y in found.points.tolist()),
        )


def forget_pictures(folder: Path) -> None:
    """Remove the pictures of explanations that were made before they were forbidden; their numbers stay.

    Raises
    ------
    RunError
        When ``explanations.json`` is damaged.
    StorageError
        When the disk refuses.
    """
    path = folder / Explanations.file_name
    if not path.is_file():
        return
    found = Explanations.read(path)
    images = tuple(one.model_copy(update={"picture": None}) for one in found.images)
    found.model_copy(update={"images": images}).write(path)
    _remove_pictures(folder)


def _remove_pictures(folder: Path) -> None:
    for picture in folder.glob("*.png"):
        picture.unlink()


def _other(one: TellingImage) -> int:
    """Class that the predicted one is told from: of a miss the true one, else the second in probability."""
    return one.label if one.label != one.predicted else one.runner_up


def _quick_method(model: Model) -> str:
    """The method of one forward pass and a little: sharp maps, or exact ones for a head that has no gradient."""
    return "exact" if model.head.class_scores().gradient is None else "sharp"


def _limits(explained: Sequence[_Explained]) -> dict[str, float]:
    """Value in full colour for each class, in units of the models."""
    from headstart.explain.explanation import full_colour

    maps: dict[str, list[NDArray[np.float64]]] = {}
    for one in explained:
        maps.setdefault(one.target, []).append(one.relative_map.ravel())  # networks may take pictures of other sizes
    return {target: full_colour(np.concatenate(values)) for target, values in maps.items()}
