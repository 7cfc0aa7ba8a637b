"""Classes of the cells of micrographs, called by a model that was fitted on such cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headstart.cells.crops.dataset import crop_dataset
from headstart.cells.crops.recipe import CropRecipe
from headstart.cells.micrographs.segmented import SegmentedMicrograph
from headstart.errors import ImageError
from headstart.model import Model, Prediction
from headstart.progress import Progress, Silent

CELLS_AT_ONCE: Final = 1024
"""Cells that are waited for before the model sees them, so that its batches are full whatever a micrograph holds."""
PIXELS_AT_ONCE: Final = 100_000_000
"""Pixels of micrographs that wait at most, where cells are few and pictures large."""


@dataclass(frozen=True, eq=False)
class CalledMicrograph:
    """A micrograph whose cells have classes.

    Attributes
    ----------
    segmented : SegmentedMicrograph
    classes : tuple of str
        Class of every cell, by rising label.
    probabilities : ndarray of shape (n_cells, n_classes), float64
        In the order of the model's classes.
    """

    segmented: SegmentedMicrograph
    classes: tuple[str, ...]
    probabilities: NDArray[np.float64]

    @property
    def name(self) -> str:
        """Name of the micrograph."""
        return self.segmented.name

    @property
    def labels(self) -> NDArray[np.int32]:
        """Label image: 0 the background, 1 to the number of cells."""
        return self.segmented.segmentation.labels

    def rows(self) -> list[dict[str, Any]]:
        """One row for each cell: micrograph, label, class, place and measurements."""
        table = self.segmented.table
        return [
            {
                "image": self.name,
                "label": int(table.label[row]),
                "class": name,
                "y": float(table.y[row]),
                "x": float(table.x[row]),
                **{column: float(values[row]) for column, values in table.columns.items()},
            }
            for row, name in enumerate(self.classes)
        ]

    def class_image(self, counted: str) -> NDArray[np.uint8]:
        """Image of classes: 0 the background, 1 cells of other classes, 2 cells of the one counted."""
        codes = np.array([0, *(1 + (name == counted) for name in self.classes)], dtype=np.uint8)
        return np.asarray(codes[self.labels])


def call_cells(
    model: Model,
    micrographs: Iterable[SegmentedMicrograph],
    recipe: CropRecipe,
    *,
    progress: Progress | None = None,
) -> Iterator[CalledMicrograph]:
    """Micrographs with the classes of their cells, in their order; few are held at once.

    Parameters
    ----------
    model : Model
    micrographs : iterable of SegmentedMicrograph
    recipe : CropRecipe
        How the cells that the model was fitted on were cut out.
    progress : Progress, optional
        Is told once what the model has to say of itself.
    """
    model = replace(model, batch_of_one=None)  # a cell's probability does not depend on where the cells were divided
    noted: Progress | None = progress
    waiting: list[SegmentedMicrograph] = []
    for one in micrographs:
        waiting.append(one)
        n_cells, n_pixels = sum(len(each.table) for each in waiting), sum(each.labels.size for each in waiting)
        if n_cells >= CELLS_AT_ONCE or n_pixels >= PIXELS_AT_ONCE:
            yield from _called(model, waiting, recipe, noted)
            waiting, noted = [], None
    yield from _called(model, waiting, recipe, noted)


def _called(
    model: Model, micrographs: list[SegmentedMicrograph], recipe: CropRecipe, progress: Progress | None
) -> Iterator[CalledMicrograph]:
    with_cells = [one for one in micrographs if len(one.table)]
    predictions: Iterator[Prediction] = iter(())
    if with_cells:
        dataset = crop_dataset(with_cells, recipe, measured=model.table is not None)
        predictions = model.predict_each(dataset, progress=_Notes(progress))
    for one in micrographs:
        own = [next(predictions) for _ in range(len(one.table))]
        for prediction in own:
            if prediction.error is not None:
                raise ImageError(prediction.image, prediction.error)
        probabilities = np.array([prediction.probabilities for prediction in own], dtype=np.float64)
        classes = tuple(str(prediction.predicted) for prediction in own)
        yield CalledMicrograph(one, classes, probabilities.reshape(len(own), len(model.classes)))


class _Notes:
    """Progress of which only the notes are told: bars are those of the micrographs."""

    def __init__(self, progress: Progress | None) -> None:
        silent = Silent()
        self.task, self.stage, self.expect = silent.task, silent.stage, silent.expect
        self.note = silent.note if progress is None else progress.note


def is_counted(called: CalledMicrograph, counted: str) -> list[bool]:
    """Whether each cell is of the class that is counted."""
    return [name == counted for name in called.classes]


def probability_columns(model: Model, called: CalledMicrograph) -> dict[str, Any]:
    """Probability of each class for every cell."""
    return {name: called.probabilities[:, code] for code, name in enumerate(model.classes)}
