"""What spoke for a class in the most telling images, what they look like, and a map of all images."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from typing import Final

from PIL import Image, UnidentifiedImageError

from headstart.report.context import ReportContext
from headstart.report.document import Block, Gallery, Plot, ReportTable, Section, Text, Tile, Walls
from headstart.report.explained import FOLDER, explanations_of
from headstart.report.explorer import judge_images
from headstart.report.figures.image_map import image_map_plot
from headstart.report.locale.messages import mark, tr
from headstart.report.sections import Drawn, figure_row, register_section
from headstart.report.sections.gallery import PictureWall, confident_mistakes, sure_hits
from headstart.report.text import format as text
from headstart.report.text.methods import MethodsPart, MethodsSentence
from headstart.results.models.explanations import ExplainedImage, Explanations

N_OF_A_KIND: Final = 4
_WIDTH: Final = 560
_QUALITY: Final = 80
_HEADINGS: Final = {"hit": mark("Sure hits"), "miss": mark("Sure mistakes"), "doubtful": mark("Doubtful images")}
_METHODS: Final = {
    "sharp": mark("LayerCAM"),
    "exact": mark("exact shares of the score"),
    "occlusion": mark("occlusion"),
}
_LEFT_OUT: Final = mark("Pictures and image names were left out of this report on request.")
LAYERCAM: Final = (
    "P.-T. Jiang, C.-B. Zhang, Q. Hou, M.-M. Cheng, Y. Wei. LayerCAM: Exploring Hierarchical Class Activation Maps for "
    "Localization. IEEE Transactions on Image Processing 30, 5875-5888, 2021. DOI 10.1109/TIP.2021.3089943."
)


def _plots(context: ReportContext) -> Iterable[Plot]:
    found = context.once(explanations_of)
    if found is not None and found.map is not None and context.record.split.labels is not None:
        yield image_map_plot(context.record, found.map)


def explanation_sentences(context: ReportContext) -> list[MethodsSentence]:
    """How places that speak for a class were found; nothing where nothing was explained."""
    found = context.once(explanations_of)
    methods = {} if found is None else dict.fromkeys(one.method for one in found.images)
    if not methods:
        return []
    named = text.listed([tr(_METHODS.get(name, name)) for name in methods])
    words = tr(
        "Places that speak for a class were found by {named}, in models that had not seen the image.", named=named
    )
    return [MethodsSentence(MethodsPart.MODEL, words, (LAYERCAM,) if "sharp" in methods else ())]


def telling_blocks(context: ReportContext) -> tuple[Block, ...]:
    """Twelve telling images: sure hits, mistakes of the class that matters first, doubtful ones.

    With what speaks for a class in each where the run was explained; else as they are.
    """
    found = context.once(explanations_of)
    walls = _plain_walls(context) if found is None or not found.images else _explained_walls(context, found)
    if not walls:
        return ()
    words = tr("Each image here was judged by a model that had not seen it.")
    if found is not None and found.images:
        words = f"{words} {tr('Beside it: orange speaks for the class named, violet against it.')}"
    return Walls(walls), Text(" ".join(filter(None, (words, _pictures_missing(context)))), tone="note")


def _explained_walls(context: ReportContext, found: Explanations) -> tuple[Gallery, ...]:
    walls = []
    for kind, heading in _HEADINGS.items():
        ones = [one for one in found.images if one.kind == kind]
        shown = sorted(ones, key=lambda one: not _matters(context, one.label))
        if shown:
            walls.append(Gallery(tr(heading), tuple(_tile(context, one) for one in shown), wide=True))
    return tuple(walls)


def _plain_walls(context: ReportContext) -> tuple[Gallery, ...]:
    cases, classes, wall = judge_images(context.record.predictions), context.record.classes, PictureWall(context)
    mistakes = sorted(
        confident_mistakes(cases, len(cases)), key=lambda case: not _matters(context, classes[case.label])
    )
    doubtful = [case for case in sorted(cases, key=lambda case: case.probability) if case not in mistakes[:N_OF_A_KIND]]
    hits = [case for case in sure_hits(cases) if case not in doubtful[:N_OF_A_KIND]]
    chosen = zip(_HEADINGS.values(), (hits, mistakes, doubtful), strict=True)
    return tuple(
        Gallery(tr(heading), tuple(wall.tile(case) for case in found[:N_OF_A_KIND]))
        for heading, found in chosen
        if found
    )


def _matters(context: ReportContext, label: str | None) -> bool:
    """Whether a class is the one that matters: the positive one; without one, all do."""
    positive = context.record.results.task.positive
    return positive is None or label == positive


def _pictures_missing(context: ReportContext) -> str:
    if not context.images:
        return tr(_LEFT_OUT)
    return "" if context.dataset is not None else tr("The images were not at hand when this report was written.")


@register_section("explanations", after="gallery", plots=_plots, methods=explanation_sentences)
def explanation_section(context: ReportContext, drawn: Drawn) -> Section | None:
    """What spoke for a class in the explained images, then the map of all; None for a run without explanations."""
    found = context.once(explanations_of)
    if found is None:
        return None
    blocks: list[Block] = [Text(_how_to_read(context, found), tone="note")]
    if found.images:
        blocks.append(_table(context, found))
    if found.notes:
        blocks.append(Text(" ".join(found.notes), tone="note"))
    return Section("explanations", tr("What spoke for a class"), (*blocks, *figure_row(drawn, "image_map")))


def _table(context: ReportContext, found: Explanations) -> ReportTable:
    rows = tuple(
        (
            _title(context, one),
            one.label or text.missing(),
            one.predicted,
            text.score(one.probability),
            _told(one),
            text.missing() if one.share_for is None else text.percent(one.share_for),
            _neighbours(context, one) if one.neighbours else text.missing(),
        )
        for one in found.images
    )
    columns = (
        tr("Image"),
        tr("True"),
        tr("Predicted"),
        tr("Probability"),
        tr("Heat for"),
        tr("Share of the heat"),
        tr("Nearest training images"),
    )
    return ReportTable(
        tr("The explained images; their pictures stand at the top"), columns, rows, frozenset({1, 2, 4, 6})
    )


def _how_to_read(context: ReportContext, found: Explanations) -> str:
    how = tr(
        "Each image here was explained by the model of its outer fold, which had not seen it: orange speaks for the "
        "class named, violet against it, grey for neither. All maps of a class have one scale, in units of the spread "
        "of their model's scores; the strongest 1 % of their places have the full colour. A map shows where the model "
        "looked, not that it was right to look there; one that convinces proves nothing. "
        "`headstart explain RUN IMAGES -o FOLDER --checks` tests how far maps may be trusted."
    )
    if not context.images:
        return f"{how} {tr(_LEFT_OUT)}"
    if found.images and all(one.picture is None for one in found.images):
        return f"{how} {tr('No pictures were kept.')}"
    return how


def _tile(context: ReportContext, one: ExplainedImage) -> Tile:
    title = _title(context, one)
    shown = mark("Image {title} and its map: what speaks for {target}")
    if not one.share_for:
        shown = mark("Image {title} and its map: nothing speaks for {target}")
    lines = (
        tr(
            "true: {label}, predicted: {predicted} ({probability})",
            label=one.label,
            predicted=one.predicted,
            probability=f"{one.probability:.3f}",
        ),
    )
    context.pictured.add(one.image)
    return Tile(_picture(context, one), title, tr(shown, title=title, target=_told(one)), lines)


def _told(one: ExplainedImage) -> str:
    return tr("{target} against {against}", target=one.target, against=one.against or tr("the rest"))


def _title(context: ReportContext, one: ExplainedImage) -> str:
    return one.image if context.images else tr("line {line}", line=_line(context, one.image))


def _neighbours(context: ReportContext, one: ExplainedImage) -> str:
    if context.images:
        return text.listed([f"{near.image} ({near.label})" for near in one.neighbours])
    return text.listed([tr("an image of {label}", label=near.label) for near in one.neighbours])


def _line(context: ReportContext, image: str) -> int:
    """Line of ``predictions.csv`` that an image first stands on."""
    return context.record.predictions.images.index(image) + 2


def _picture(context: ReportContext, one: ExplainedImage) -> str | None:
    """Image, map and scale as a JPEG data URI; None where pictures are left out, or this one cannot be read."""
    if one.picture is None or not context.images or not context.pictures:
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
