"""Images unlike anything seen: the threshold, the share of held-out images flagged, the farthest of them."""

from __future__ import annotations

from headstart.report.context import ReportContext
from headstart.report.document import Block, ReportTable, Section, Text
from headstart.report.locale.messages import mark, tr
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.report.text.methods import MethodsPart, MethodsSentence
from headstart.results.models.novelty import FittedNovelty, NoveltyResults
from headstart.results.read import RunRecord

MEASURE_WORDS = {
    "knn": mark("the distance to the nearest training image"),
    "mahalanobis": mark("the Mahalanobis distance from the training images, their covariance shrunk"),
}


def novelty_sentences(context: ReportContext) -> list[MethodsSentence]:
    """How unlike images are told; nothing where that was not asked for."""
    found = context.record.results.novelty
    if found is None:
        return []
    words = tr(
        "Images unlike the training images were flagged by {measure} in the features of the {head}, with a "
        "conformal threshold for a rate of {rate} from distances between inner folds; of the held-out images a "
        "share of {flagged} was flagged.",
        measure=tr(MEASURE_WORDS[found.measure]),
        head=_measured_by(context.record),
        rate=text.percent(found.rate),
        flagged=text.estimate(found.flagged),
    )
    return [MethodsSentence(MethodsPart.RESULTS, words)]


@register_section("novelty", after="decisions", methods=novelty_sentences)
def novelty_section(context: ReportContext, drawn: Drawn) -> Section | None:
    """The section of novelty; None for runs without."""
    found = context.record.results.novelty
    if found is None:
        return None
    blocks: list[Block] = [Text(_words(context.record, found)), _fold_table(context.record, found)]
    if context.images and found.farthest:
        blocks.append(_far_table(found))
    if found.holds_training_features:
        blocks.append(Text(tr("The model holds the features of training images for these distances."), tone="note"))
    return Section("novelty", tr("Images unlike anything seen"), tuple(blocks))


def _measured_by(record: RunRecord) -> str:
    """The head in whose features distances are measured, in words."""
    if record.results.ensemble is not None:
        return tr("weightiest head on frozen features")
    return tr("chosen candidate") if record.results.fine_tuning is None else tr("best candidate on frozen features")


def _words(record: RunRecord, found: NoveltyResults) -> str:
    return tr(
        "A new image is flagged as unlike the training images by {measure}, in the features of the "
        "{measured_by}. Images of the same kind, taken in the same way, are flagged at a rate of {rate} "
        "or a little less; of the held-out images of this run {flagged} were. What a flagged image is "
        "predicted to be should be looked at by a person. That an image is not flagged does not mean "
        "that its prediction is right.",
        measure=tr(MEASURE_WORDS[found.measure]),
        measured_by=_measured_by(record),
        rate=text.percent(found.rate),
        flagged=text.estimate(found.flagged),
    )


def _fold_table(record: RunRecord, found: NoveltyResults) -> ReportTable:
    repeats = record.results.protocol.repeats
    rows = [
        (
            *_fitted(text.fold_name(one.repeat, one.fold, repeats), one),
            tr("{n_flagged} of {n_test}", n_flagged=f"{one.n_flagged:,}", n_test=f"{one.n_test:,}"),
        )
        for one in found.folds
    ]
    rows.append((*_fitted(tr("final model"), found.final), text.missing()))
    columns = (
        tr("Fold"),
        tr("Images measured"),
        tr("Groups"),
        tr("Flagged beyond a distance of"),
        tr("Held-out images flagged"),
    )
    return ReportTable(tr("Distances from the training images"), columns, tuple(rows))


def _fitted(name: str, one: FittedNovelty) -> tuple[str, ...]:
    limit = tr("never: too few") if one.threshold is None else text.score(one.threshold)
    return name, text.count(one.n_calibration), text.count(one.n_groups), limit


def _far_table(found: NoveltyResults) -> ReportTable:
    rows = tuple((one.image, one.label, text.score(one.distance), text.score(one.p_value)) for one in found.farthest)
    columns = (tr("Image"), tr("Label"), tr("Distance"), "p")
    return ReportTable(tr("Held-out images farthest from the others: worth a look"), columns, rows, frozenset({1}))
