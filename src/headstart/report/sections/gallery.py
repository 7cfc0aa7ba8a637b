"""The images worth looking at: the most confident mistakes and the least confident hits."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence

from PIL import Image

from headstart.errors import ImageError
from headstart.report.context import ReportContext
from headstart.report.document import Block, Gallery, Section, Text, Tile
from headstart.report.explorer import Case, image_explorer, judge_images
from headstart.report.locale.messages import tr
from headstart.report.sections import Drawn, register_section

THUMBNAIL_PIXELS = 160
N_TILES = 12
SMALL_PIXELS = 128
_JPEG_QUALITY = 80
_WEBP_QUALITY = 60


def confident_mistakes(cases: Sequence[Case], limit: int = N_TILES) -> list[Case]:
    """Wrong predictions, the most confident first; ties keep the order of the data."""
    wrong = [case for case in cases if case.label != case.predicted]
    return sorted(wrong, key=lambda case: -case.probability)[:limit]


def unsure_hits(cases: Sequence[Case], limit: int = N_TILES) -> list[Case]:
    """Right predictions, the least confident first; ties keep the order of the data."""
    right = [case for case in cases if case.label == case.predicted]
    return sorted(right, key=lambda case: case.probability)[:limit]


def sure_hits(cases: Sequence[Case], limit: int = N_TILES) -> list[Case]:
    """Right predictions, the most confident first; ties keep the order of the data."""
    right = [case for case in cases if case.label == case.predicted]
    return sorted(right, key=lambda case: -case.probability)[:limit]


@register_section("gallery", after="result")
def gallery_section(context: ReportContext, drawn: Drawn) -> Section:
    """Both walls of images with a word on what they show.

    Without the images the cases are listed by name; where names are to be left out, a case is found by its line in
    ``predictions.csv``.
    """
    everything = judge_images(context.record.predictions)
    cases = [case for case in everything if case.image not in context.pictured]
    show = PictureWall(context)
    mistakes, hits = confident_mistakes(cases), unsure_hits(cases)
    blocks: list[Block] = [Text(_explanation(context), tone="note"), image_explorer(context, everything, show.small)]
    if mistakes:
        blocks.append(Gallery(tr("Most confident mistakes"), tuple(show.tile(case) for case in mistakes)))
    elif all(case.label == case.predicted for case in everything):
        blocks.append(Text(tr("No image was classified wrongly."), tone="good"))
    if hits:
        blocks.append(Gallery(tr("Least confident hits"), tuple(show.tile(case) for case in hits)))
    return Section("gallery", tr("The images: mistakes and close calls"), tuple(blocks))


def _explanation(context: ReportContext) -> str:
    what = tr(
        "Every image here was judged by a model that had not seen it. Mistakes made with confidence often turn out to "
        "be wrong labels."
    )
    if not context.images:
        left_out = tr(
            "Pictures and image names were left out of this report on request; the numbers are lines of "
            "predictions.csv."
        )
        return f"{what} {left_out}"
    if context.dataset is None:
        return f"{what} {tr('The images were not at hand when this report was written, so no pictures are shown.')}"
    return what


class PictureWall:
    """Turns cases into tiles, looking pictures up by name."""

    def __init__(self, context: ReportContext) -> None:
        record, dataset = context.record, context.shown
        self._classes = record.classes
        self._preparation = record.results.backbone.preparation
        self._dataset = dataset
        self._named = context.images
        self._pictured = context.pictured
        self._decodes = context.pictures
        self._rows = {} if dataset is None else {name: row for row, name in enumerate(dataset.names)}

    def tile(self, case: Case) -> Tile:
        """The case with its picture, where there is one to show."""
        true, predicted = self._classes[case.label], self._classes[case.predicted]
        source = self.picture(case.image)
        lines = [
            tr("true: {true}", true=true),
            tr("predicted: {predicted}", predicted=predicted),
            tr("probability {probability}", probability=f"{case.probability:.3f}"),
        ]
        if source is None and self._dataset is not None and self._decodes:
            lines.append(tr("picture not readable in the data set given"))
        title = case.image if self._named else tr("line {line}", line=case.line)
        self._pictured.add(case.image)
        return Tile(
            source,
            title,
            tr("Image {title}, true class {true}, predicted {predicted}", title=title, true=true, predicted=predicted),
            tuple(lines),
        )

    def picture(self, name: str) -> str | None:
        """Picture of an image by its name; None where there is none to show."""
        return self._drawn(name, thumbnail)

    def small(self, name: str) -> str | None:
        """The same, smaller."""
        return self._drawn(name, small_picture)

    def _drawn(self, name: str, draw: Callable[[Image.Image], str]) -> str | None:
        row = self._rows.get(name)
        if self._dataset is None or row is None or not self._decodes:
            return None
        settings = self._preparation
        try:
            return draw(self._dataset.load(row, white_level=settings.white_level, channels=settings.channels))
        except ImageError:
            return None


def thumbnail(picture: Image.Image) -> str:
    """Picture as a JPEG data URI, at most `THUMBNAIL_PIXELS` on its longer side, without any metadata."""
    return _data_uri(picture, THUMBNAIL_PIXELS, "jpeg", quality=_JPEG_QUALITY)


def small_picture(picture: Image.Image) -> str:
    """Picture as a WebP data URI, at most `SMALL_PIXELS` on its longer side, without any metadata."""
    return _data_uri(picture, SMALL_PIXELS, "webp", quality=_WEBP_QUALITY, method=0)


def _data_uri(picture: Image.Image, side: int, kind: str, **options: int) -> str:
    picture.thumbnail((side, side), reducing_gap=2.0)
    picture.info.clear()  # comments and colour profiles would otherwise be written along
    buffer = io.BytesIO()
    picture.save(buffer, format=kind.upper(), **options)
    return f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
