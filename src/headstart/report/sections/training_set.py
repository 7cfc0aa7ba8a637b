"""The section on what was done to the training rows: balancing, views and a contact sheet of them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.augment import View, view_from_json
from headstart.data import ImageResize
from headstart.data.images.samples import preview
from headstart.errors import ImageError
from headstart.report.context import ReportContext
from headstart.report.document import Block, Gallery, ReportTable, Section, Text, Tile
from headstart.report.locale.messages import mark, ntr, tr
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.report.text.methods import MethodsPart, MethodsSentence
from headstart.report.text.metric_names import metric_in_sentence
from headstart.results.models.candidates import TrainingSetSummary
from headstart.results.read import RunRecord

if TYPE_CHECKING:
    from headstart.data import ImageDataset

N_IMAGES = 3
SIDE_PIXELS = 112
_QUALITY = 80
_BALANCING = {
    "weights": mark("class weights"),
    "oversample": mark("random oversampling"),
    "undersample": mark("random undersampling"),
    "smote": mark("SMOTE in the space of features"),
    "borderline-smote": mark("Borderline-SMOTE in the space of features"),
    "views": mark("views of the smaller classes"),
    "smote-windows": mark("SMOTE on windows before they are drawn"),
}


def training_set_sentences(context: ReportContext) -> list[MethodsSentence]:
    """Sentences of the methods on balancing and augmentation; none where there was neither."""
    search = context.record.results.search
    rows = search.training_sets
    balance = [tr(_BALANCING.get(name, name)) for name in dict.fromkeys(row.balance for row in rows) if name != "none"]
    augment = [
        ntr(
            "{policy}, {n} view of each, itself among them",
            "{policy}, {n} views of each, itself among them",
            len(search.views.get(name, ())),
            policy=name,
        )
        for name in dict.fromkeys(row.augment for row in rows)
        if name != "none"
    ]
    found = []
    if balance:
        found.append(
            tr(
                "Uneven classes were balanced within training folds alone ({balance}).",
                balance=text.listed(balance, limit=20),
            )
        )
    if augment:
        trained = tr("Heads were trained on views of the images too ({views}).", views="; ".join(augment))
        mean = tr("Such heads predict the mean over the views of an image.") if any(row.tta for row in rows) else ""
        found.append(" ".join(filter(None, (trained, mean))))
    if found and len(rows) > 1:
        named = "; ".join(row.label or tr("as it is") for row in rows)
        found.append(tr("{n_ways} ways to make the training set competed: {ways}.", n_ways=len(rows), ways=named))
    return [MethodsSentence(MethodsPart.TRAINING, words) for words in found]


@register_section("training", after="candidates", methods=training_set_sentences)
def training_set_section(context: ReportContext, drawn: Drawn) -> Section | None:
    """Balancing and views of the training images, how often each was chosen, and a contact sheet of the views.

    None where training images were taken as they are.
    """
    record = context.record
    search = record.results.search
    rows = search.training_sets
    if not any(row.label for row in rows):
        return None
    blocks: list[Block] = [Text(_summary(rows)), _table(record, rows)]
    for policy, listed in search.views.items():
        if context.shown is not None:
            views = [view_from_json(view.model_dump(mode="json")) for view in listed]
            blocks.append(_contact_sheet(record, policy, views, context.shown))
    return Section("training", tr("What was done to the training images"), tuple(blocks))


def _summary(rows: Sequence[TrainingSetSummary]) -> str:
    rule = (
        tr("The inner folds chose among these training sets as they chose among heads.")
        if len(rows) > 1
        else tr("Every candidate was trained in this way.")
    )
    made_up = tr(
        "Whatever is made up (repeated rows, lines of SMOTE, views) is made inside a training "
        "fold from its own rows, and a guard stops the run should one of them, or an image it was made "
        "of, be judged.",
    )
    return f"{rule} {made_up}"


def _table(record: RunRecord, rows: Sequence[TrainingSetSummary]) -> ReportTable:
    n_folds = len(record.results.folds)
    metric = metric_in_sentence(record.results.protocol.choose_by)
    cells = tuple(
        (
            row.label or tr("nothing"),
            row.balance,
            row.augment,
            tr("mean over views") if row.tta else tr("image alone"),
            text.score(row.inner_score),
            tr("{times_chosen} of {n_folds}", times_chosen=row.times_chosen, n_folds=n_folds),
        )
        for row in rows
    )
    columns = (
        tr("Training set"),
        tr("Balancing"),
        tr("Views"),
        tr("Predicted from"),
        tr("Best inner {metric}, mean", metric=metric),
        tr("Chosen in folds"),
    )
    return ReportTable(tr("Training sets that competed"), columns, cells, frozenset({1, 2, 3}))


def _contact_sheet(record: RunRecord, policy: str, views: Sequence[View], dataset: ImageDataset) -> Block:
    """Some images in a row with their views."""
    preparation = ImageResize.from_settings(record.results.backbone.preparation.model_dump())
    tiles: list[Tile] = []
    for row in _spread(len(dataset)):
        try:
            pixels, mark = dataset.prepared(row, preparation), dataset.content_hash(row)
        except ImageError:
            continue
        name = dataset.names[row]
        for number, view in enumerate(views):
            shown = pixels if view.is_identity else view.apply(pixels, mark)
            title = (
                tr("as it is")
                if view.is_identity
                else (view.symmetry or "").replace("_", " ") or tr("view {number}", number=number)
            )
            tiles.append(Tile(_thumbnail(shown), title, f"{name}, {title}", (name,)))
    return Gallery(
        tr(
            "Views of {policy}, {n_views} of each image: do they leave the class as it is?",
            policy=policy,
            n_views=len(views),
        ),
        tuple(tiles),
    )


def _spread(n: int) -> list[int]:
    return sorted(set(np.linspace(0, n - 1, min(N_IMAGES, n)).round().astype(int).tolist()))


def _thumbnail(pixels: np.ndarray[Any, np.dtype[Any]]) -> str:
    picture = preview(pixels)
    picture.thumbnail((SIDE_PIXELS, SIDE_PIXELS))
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
