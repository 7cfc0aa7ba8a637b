"""What spoke for a class in the most telling images, what they look like, and a map of all images."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from typing import Final

from PIL import Image, UnidentifiedImageError

from headstart.report.context import ReportContext
from headstart.report.document import Block, Gallery, Plot, Section, Text, Tile
from headstart.report.figures.image_map import image_map_plot
from headstart.report.sections import Drawn, figure_row, register_section
from headstart.report.text import format as text
from headstart.report.text.methods import MethodsPart, MethodsSentence
from headstart.results.damage import damaged
from headstart.results.models.explanations import ExplainedImage, Explanations

FOLDER: Final = "explanations"
_WIDTH: Final = 560
_QUALITY: Final = 80
_HEADINGS: Final = {"hit": "Sure hits", "miss": "Sure mistakes", "doubtful": "Doubtful images"}
_METHODS: Final = {"sharp": "LayerCAM", "exact": "exact shares of the score", "occlusion": "occlusion"}
LAYERCAM: Final = (
    "P.-T. Jiang, C.-B. Zhang, Q. Hou, M.-M. Cheng, Y. Wei. LayerCAM: Exploring Hierarchical Class Activation Maps for "
    "Localization. IEEE Transactions on Image Processing 30, 5875-5888, 2021. DOI 10.1109/TIP.2021.3089943."
)


def _explanations(context: ReportContext) -> Explanations | None:
    """The explanations of a run, once they are checked against it; None where there are none."""
    path = context.record.folder / FOLDER / Explanations.file_name
    if not path.is_file():
        return None
    found, record = Explanations.read(path), context.record
    classes, images = set(record.classes), set(record.split.images)
    for number, one in enumerate(found.images):
        named = {one.predicted, one.target, *filter(None, (one.label, one.against)), *(n.label for n in one.neighbours)}
        if not named <= classes or not {one.image, *(n.image for n in one.neighbours)} <= images:
            damaged(path, f"images[{number}] names a class or an image that is not the run's")
    if found.map is not None and len(found.map.points) != len(record.split.images):
        damaged(path, f"map.points holds {len(found.map.points)} points for {len(record.split.images)} images")
    return found


def _plots(context: ReportContext) -> Iterable[Plot]:
    found = context.once(_explanations)
    if found is not None and found.map is not None and context.record.split.labels is not None:
        yield image_map_plot(context.record, found.map)


def explanation_sentences(context: ReportContext) -> list[MethodsSentence]:
    """How places that speak for a class were found; nothing where nothing was explained."""
    found = context.once(_explanations)
    methods = {} if found is None else dict.fromkeys(one.method for one in found.images)
    if not methods:
        return []
    named = text.listed([_METHODS.get(name, name) for name in methods])
    words = f"Places that speak for a class were found by {named}, in models that had not seen the image."
    return [MethodsSentence(MethodsPart.MODEL, words, (LAYERCAM,) if "sharp" in methods else ())]


@register_section("explanations", after="gallery", plots=_plots, methods=explanation_sentences)
def explanation_section(context: ReportContext, drawn: Drawn) -> Section | None:
    """Explained images by their kind, then the map of all images; None for a run without explanations."""
    found = context.once(_explanations)
    if found is None:
        return None
    blocks: list[Block] = [Text(_how_to_read(context, found), tone="note")]
    for kind, heading in _HEADINGS.items():
        tiles = tuple(_tile(context, one) for one in found.images if one.kind == kind)
        if tiles:
            blocks.append(Gallery(heading, tiles, wide=True))
    if found.notes:
        blocks.append(Text(" ".join(found.notes), tone="note"))
    return Section("explanations", "What spoke for a class", (*blocks, *figure_row(drawn, "image_map")))


def _how_to_read(context: ReportContext, found: Explanations) -> str:
    how = (
        "Each image was explained by the model of its outer fold, which had not seen it: orange speaks for the class "
        "named, violet against it, grey for neither. All maps of a class have one scale, in units of the spread of "
        "their model's scores; the strongest 1 % of their places have the full colour. A map shows where the model "
        "looked, not that it was right to look there; one that convinces proves nothing. "
        "`headstart explain RUN IMAGES -o FOLDER --checks` tests how far maps may be trusted."
    )
    if not context.images:
        return f"{how} Pictures and image names were left out of this report on request."
    if found.images and all(one.picture is None for one in found.images):
        return f"{how} No pictures were kept."
    return how


def _tile(context: ReportContext, one: ExplainedImage) -> Tile:
    told = f"{one.target} against {one.against or 'the rest'}"
    spoken = f"What speaks for {told}" if one.share_for else f"Nothing speaks for {told}"
    share = "" if one.share_for is None else f": {100 * one.share_for:.0f}\N{NO-BREAK SPACE}% of the heat"
    lines = [f"true: {one.label}, predicted: {one.predicted} ({one.probability:.3f})", f"{spoken}{share}"]
    if one.neighbours:
        lines.append(f"looks like {_neighbours(context, one)}")
    title = one.image if context.images else f"line {_line(context, one.image)}"
    return Tile(_picture(context, one), title, f"Image {title} and its map: {spoken.lower()}", tuple(lines))


def _neighbours(context: ReportContext, one: ExplainedImage) -> str:
    if context.images:
        return text.listed([f"{near.image} ({near.label})" for near in one.neighbours])
    return text.listed([f"an image of {near.label}" for near in one.neighbours])


def _line(context: ReportContext, image: str) -> int:
    """Line of ``predictions.csv`` that an image first stands on."""
    return context.record.predictions.images.index(image) + 2


def _picture(context: ReportContext, one: ExplainedImage) -> str | None:
    """Image, map and scale as a JPEG data URI; None where pictures are left out, or this one cannot be read."""
    if one.picture is None or not context.images:
        return None
    try:
        with Image.open(context.record.folder / FOLDER / one.picture.file, formats=("PNG",)) as page:
            cut = page.convert("RGB").crop(one.picture.box)
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError):
        return None
    cut.thumbnail((_WIDTH, _WIDTH))
    buffer = io.BytesIO()
    cut.save(buffer, format="JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
