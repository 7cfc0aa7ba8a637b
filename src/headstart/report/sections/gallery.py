"""The images worth looking at: the most confident mistakes and the least confident hits."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headstart.data.images.decode import WHITE_LEVEL
from headstart.errors import ImageError
from headstart.report.context import ReportContext
from headstart.report.document import Block, Gallery, Section, Text, Tile
from headstart.report.sections import Drawn, register_section
from headstart.results.prediction_table import PredictionTable

if TYPE_CHECKING:
    from headstart.data import ImageDataset

THUMBNAIL_PIXELS = 160
N_TILES = 12
_JPEG_QUALITY = 80


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
    names, first, rows = np.unique(np.array(predictions.images), return_index=True, return_inverse=True)
    sums = np.zeros((len(names), predictions.probabilities.shape[1]))
    np.add.at(sums, rows, predictions.probabilities)
    means = sums / np.bincount(rows)[:, None]
    return [
        Case(str(names[i]), int(first[i]) + 2, int(predictions.labels[first[i]]), int(best), float(means[i, best]))
        for i, best in sorted(enumerate(means.argmax(axis=1)), key=lambda pair: first[pair[0]])
    ]


def confident_mistakes(cases: Sequence[Case], limit: int = N_TILES) -> list[Case]:
    """Wrong predictions, the most confident first; ties keep the order of the data."""
    wrong = [case for case in cases if case.label != case.predicted]
    return sorted(wrong, key=lambda case: -case.probability)[:limit]


def unsure_hits(cases: Sequence[Case], limit: int = N_TILES) -> list[Case]:
    """Right predictions, the least confident first; ties keep the order of the data."""
    right = [case for case in cases if case.label == case.predicted]
    return sorted(right, key=lambda case: case.probability)[:limit]


@register_section("gallery", after="audit")
def gallery_section(context: ReportContext, drawn: Drawn) -> Section:
    """Both walls of images with a word on what they show.

    Without the images the cases are listed by name; where names are to be left out, a case is found by its line in
    ``predictions.csv``.
    """
    cases = judge_images(context.record.predictions)
    show = PictureWall(context)
    mistakes, hits = confident_mistakes(cases), unsure_hits(cases)
    blocks: list[Block] = [Text(_explanation(context), tone="note")]
    if mistakes:
        blocks.append(Gallery("Most confident mistakes", tuple(show.tile(case) for case in mistakes)))
    else:
        blocks.append(Text("No image was classified wrongly.", tone="good"))
    if hits:
        blocks.append(Gallery("Least confident hits", tuple(show.tile(case) for case in hits)))
    return Section("gallery", "Mistakes and close calls", tuple(blocks))


def _explanation(context: ReportContext) -> str:
    what = (
        "Every image was judged by a model that had not seen it. Mistakes made with confidence often turn out to be "
        "wrong labels."
    )
    if not context.images:
        return (
            f"{what} Pictures and image names were left out of this report on request; the numbers are lines of "
            "predictions.csv."
        )
    if context.dataset is None:
        return f"{what} The images were not at hand when this report was written, so no pictures are shown."
    return what


class PictureWall:
    """Turns cases into tiles, looking pictures up by name."""

    def __init__(self, context: ReportContext) -> None:
        record, dataset = context.record, context.shown
        self._classes = record.classes
        self._preparation = record.results.backbone.preparation
        self._dataset = dataset
        self._named = context.images
        self._rows = {} if dataset is None else {name: row for row, name in enumerate(dataset.names)}

    def tile(self, case: Case) -> Tile:
        """The case with its picture, where there is one to show."""
        true, predicted = self._classes[case.label], self._classes[case.predicted]
        source = self.picture(case.image)
        lines = [f"true: {true}", f"predicted: {predicted}", f"probability {case.probability:.3f}"]
        if source is None and self._dataset is not None:
            lines.append("picture not readable in the data set given")
        title = case.image if self._named else f"line {case.line}"
        return Tile(source, title, f"Image {title}, true class {true}, predicted {predicted}", tuple(lines))

    def picture(self, name: str) -> str | None:
        """Picture of an image by its name; None where there is none to show."""
        row = self._rows.get(name)
        if self._dataset is None or row is None:
            return None
        try:
            return thumbnail(
                self._dataset, row, white_level=self._preparation.white_level, channels=self._preparation.channels
            )
        except ImageError:
            return None


def thumbnail(
    dataset: ImageDataset, row: int, *, white_level: int = WHITE_LEVEL, channels: Sequence[str] | None = None
) -> str:
    """Picture as a JPEG data URI, at most `THUMBNAIL_PIXELS` on its longer side, without any metadata.

    Raises
    ------
    ImageError
        When the image cannot be read.
    """
    picture = dataset.load(row, white_level=white_level, channels=channels)
    picture.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS), reducing_gap=2.0)
    picture.info.clear()  # comments and colour profiles would otherwise be written along
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=_JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
