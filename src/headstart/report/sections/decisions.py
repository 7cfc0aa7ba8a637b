"""From probabilities to decisions: calibration before and after, operating point, sets, abstention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from headstart.report.context import ReportContext
from headstart.report.document import Block, FigureRow, Plot, ReportTable, Section, Text
from headstart.report.figures.decisions import calibrates, decision_plots
from headstart.report.locale.messages import mark, tr
from headstart.report.many_classes import first_classes, with_left_out
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.report.text.methods import MethodsPart, MethodsSentence
from headstart.report.text.metric_names import metric_title
from headstart.results.models.calibration import (
    CalibratorFacts,
)
from headstart.results.models.decisions import (
    AbstentionResults,
    ClassCoverage,
    ConformalResults,
    DecisionResults,
    FittedDecisions,
    OperatingPointScores,
)
from headstart.results.models.estimates import EstimateFacts
from headstart.results.read import RunRecord

KIND_WORDS = {
    "none": mark("no calibration"),
    "temperature": mark("temperature"),
    "platt": mark("Platt's sigmoid"),
    "isotonic": mark("isotonic regression"),
}
_CLINICAL_TITLES = {
    "recall": mark("Sensitivity (recall)"),
    "precision": mark("PPV (precision)"),
    "npv": mark("NPV (precision of the other class)"),
}
_ORDER = ("recall", "specificity", "precision", "npv", "accuracy", "balanced_accuracy", "f1", "mcc")


def decision_sentences(context: ReportContext) -> list[MethodsSentence]:
    """How decisions were made and how well; nothing where probabilities were left as they were."""
    decisions = context.record.results.decisions
    if decisions is None:
        return []
    found = []
    if calibrates(decisions):
        found.append(
            tr(
                "Probabilities were calibrated on the inner out-of-fold predictions of each outer training part "
                "({kinds} folds).",
                kinds=kinds_in_folds(decisions),
            )
        )
    point, sets = decisions.operating_point, decisions.conformal
    if point is not None:
        found.append(
            tr(
                "The operating point was set by the rule {rule} on the same predictions and applied to the test part: "
                "sensitivity {sensitivity}, specificity {specificity}.",
                rule=decisions.requested.operating_point,
                sensitivity=text.estimate(point.metrics.recall),
                specificity=text.estimate(point.metrics.specificity),
            )
        )
    if sets is not None:
        found.append(
            tr(
                "Class-conditional conformal prediction sets at a nominal level of {level} held the true class in "
                "a share of {coverage} of the held-out images (mean size {mean_size}).",
                level=text.percent(sets.level),
                coverage=text.estimate(sets.coverage),
                mean_size=text.score(sets.mean_size),
            )
        )
    return [MethodsSentence(MethodsPart.RESULTS, words) for words in found]


def _plots(context: ReportContext) -> Iterable[Plot]:
    return decision_plots(context.record, context.out_of_fold)


@register_section("decisions", after="calibration", plots=_plots, methods=decision_sentences)
def decision_section(context: ReportContext, drawn: Drawn) -> Section | None:
    """The section of decisions, with their scores; None for runs that do not hold any."""
    record = context.record
    decisions = record.results.decisions
    if decisions is None:
        return None
    blocks: list[Block] = [
        Text(_calibration_words(decisions)),
        *_above(drawn, "decision_calibration", _calibration_table(decisions)),
        _fold_table(record, decisions),
    ]
    if decisions.operating_point is not None:
        blocks += _point_blocks(record, decisions, decisions.operating_point.metrics, drawn)
    if decisions.conformal is not None:
        blocks += _set_blocks(record, decisions.conformal)
    blocks += _beside(drawn, "decision_abstention", _abstention_table(decisions.abstention))
    area = decisions.abstention.area
    blocks.append(
        Text(
            tr(
                "The area under the abstention curve, the mean error over all shares answered, is {area}: 0 is "
                "perfect; a certainty that knows nothing has the error of answering everything.",
                area=text.score(area),
            ),
            tone="note",
        )
    )
    return Section("decisions", tr("From probabilities to decisions"), tuple(blocks))


def _above(drawn: Drawn, name: str, table: ReportTable) -> list[Block]:
    """A figure too wide for a table beside it, and the table."""
    return [FigureRow((drawn[name],)), table] if name in drawn else [table]


def _beside(drawn: Drawn, name: str, table: ReportTable) -> list[Block]:
    return [FigureRow((drawn[name],), beside=table)] if name in drawn else [table]


def kinds_in_folds(decisions: DecisionResults) -> str:
    """How often each kind of calibrator was taken, in words."""
    counts = Counter(fold.calibrator.kind for fold in decisions.folds)
    n_folds = len(decisions.folds)
    return text.listed(
        [
            tr("{kind} in {n_times} of {n_folds}", kind=tr(KIND_WORDS.get(kind, kind)), n_times=n, n_folds=n_folds)
            for kind, n in counts.most_common()
        ]
    )


def _calibration_words(decisions: DecisionResults) -> str:
    final = decisions.final.calibrator.kind
    requested = decisions.requested.calibrate
    how = (
        mark(
            "Calibration was chosen by the size of the data on inner predictions for each fold's training images, then "
            "applied to its test images: {kinds} folds."
        )
        if requested == "auto"
        else mark(
            "Calibration was chosen as asked for on inner predictions for each fold's training images, then applied to "
            "its test images: {kinds} folds."
        )
    )
    after = tr(
        "The final model has {kind}. All scores of this page are of the calibrated probabilities, and unless said "
        "otherwise of the most probable class.",
        kind=tr(KIND_WORDS.get(final, final)),
    )
    return f"{tr(how, kinds=kinds_in_folds(decisions))} {after}"


def _calibration_table(decisions: DecisionResults) -> ReportTable:
    rows = tuple(
        (metric_title(name), text.estimate(found.before), text.estimate(found.after))
        for name, found in sorted(decisions.calibration.scores)
    )
    return ReportTable(
        tr("Held-out images, before and after calibration"), (tr("Score"), tr("Before"), tr("After")), rows
    )


def _fold_table(record: RunRecord, decisions: DecisionResults) -> ReportTable:
    repeats, with_point = record.results.protocol.repeats, decisions.operating_point is not None
    named = [
        *((text.fold_name(fold.repeat, fold.fold, repeats), fold) for fold in decisions.folds),
        (tr("final model"), decisions.final),
    ]
    rows = tuple(
        (
            name,
            text.count(entry.n_calibration),
            _calibrator_words(entry.calibrator),
            *([_threshold(entry)] if with_point else []),
            entry.reason,
        )
        for name, entry in named
    )
    columns = (
        tr("Fold"),
        tr("Fitted on images"),
        tr("Calibrator"),
        *([tr("Threshold")] if with_point else []),
        tr("Why"),
    )
    words = frozenset({2, len(columns) - 1})
    return ReportTable(tr("What was fitted where"), columns, rows, words)


def _threshold(entry: FittedDecisions) -> str:
    point = entry.operating_point
    return text.score(None if point is None else point.threshold)


def _calibrator_words(calibrator: CalibratorFacts) -> str:
    words = tr(KIND_WORDS[calibrator.kind])
    if calibrator.kind == "temperature":
        return f"{words} {text.score(1 / calibrator.inverse)}"
    if calibrator.kind == "platt":
        return tr(
            "{words}, slope {slope}, offset {offset}",
            words=words,
            slope=text.score(calibrator.slope),
            offset=text.score(calibrator.offset),
        )
    return (
        tr("{words}, {n_points} points", words=words, n_points=text.count(calibrator.n_points))
        if calibrator.kind == "isotonic"
        else words
    )


def _point_blocks(
    record: RunRecord, decisions: DecisionResults, metrics: OperatingPointScores, drawn: Drawn
) -> list[Block]:
    rule = decisions.requested.operating_point
    scores: dict[str, EstimateFacts] = dict(metrics)
    rows = tuple(
        (
            tr(_CLINICAL_TITLES[name]) if name in _CLINICAL_TITLES else metric_title(name),
            text.judged(scores[name].value),
            text.interval_of(scores[name].value, scores[name].ci95),
        )
        for name in _ORDER
    )
    table = ReportTable(
        tr("Scores at the operating point {rule}", rule=rule), (tr("Score"), tr("Value"), tr("95 % interval")), rows
    )
    positive = record.classes[record.positive or 0]
    words = Text(
        tr(
            "Operating point {rule}: an image is predicted {positive} from a probability on that follows "
            "this rule on inner predictions; the final model's is {threshold}. The scores below, and the "
            "column `predicted` of predictions.csv, are of these predicted classes on held-out images; a "
            "rule met on few images is met on others only roughly. PPV and NPV hold for classes as frequent "
            "as here.",
            rule=rule,
            positive=positive,
            threshold=_threshold(decisions.final),
        )
    )
    return [words, *_beside(drawn, "decision_operating_point", table)]


def _set_blocks(record: RunRecord, found: ConformalResults) -> list[Block]:
    level, n_folds = found.level, found.n_folds
    covered = [found.per_class[name].coverage.value for name in record.classes]
    listed = first_classes(len(covered), lambda code: 1.0 if (share := covered[code]) is None else share)
    rows = [
        (name, text.estimate(entry.coverage), text.count(entry.min_n_calibration), _remark(entry, n_folds))
        for name, entry in ((name, found.per_class[name]) for name in (record.classes[code] for code in listed))
    ]
    rows.append((tr("all classes"), text.estimate(found.coverage), text.missing(), ""))
    columns = (tr("Class"), tr("Coverage (95 % interval)"), tr("Calibration images, fewest"), tr("Remark"))
    caption = with_left_out(
        tr(
            "How often the prediction set holds the true class; asked for: {level} of each class",
            level=text.percent(level),
        ),
        len(covered),
        listed,
        mark("Of {n_classes} classes the {n_shown} of lowest coverage; the others stand in results.json"),
    )
    sizes = tuple((text.count(size), text.percent(share)) for size, share in enumerate(found.share_of_size))
    words = Text(
        tr(
            "Prediction sets at {level}, class by class: mean size {mean_size} of {n_classes}. {form} A class of fewer "
            "than {min_calibration_size} calibration images has too few for the level and is in every set. The "
            "level is proven only for heads that never saw them; here the heads that calibrate are those of "
            "the inner folds, so it is nominal, and the coverage is measured.",
            level=text.percent(level),
            mean_size=text.score(found.mean_size),
            n_classes=len(record.classes),
            form=_form_words(record),
            min_calibration_size=found.min_calibration_size,
        )
    )
    shown = (
        sizes
        if len(sizes) <= 12
        else (*sizes[:11], (tr("{n} or more", n=11), text.percent(sum(found.share_of_size[11:]))))
    )
    return [
        words,
        ReportTable(caption, columns, tuple(rows), frozenset({3})),
        ReportTable(tr("Size of the sets"), (tr("Classes in the set"), tr("Share of images")), shown),
    ]


def _form_words(record: RunRecord) -> str:
    """What a set looks like: of ordered classes an interval."""
    if record.results.task.ordered:
        return tr(
            "A set of several classes says that the image could be any of them, and is filled up to an interval of the "
            "ordered classes, which holds one class at least."
        )
    return tr(
        "A set of several classes says that the image could be any of them, an empty one that it is unlike the images "
        "of every class."
    )


def _remark(entry: ClassCoverage, n_folds: int) -> str:
    silent = entry.uninformative_folds
    return (
        ""
        if not silent
        else tr(
            "too few images in {silent} of {n_folds} folds: in every set there, which says nothing",
            silent=silent,
            n_folds=n_folds,
        )
    )


def _abstention_table(found: AbstentionResults) -> ReportTable:
    rows = tuple(
        (text.percent(point.answered), text.score(point.certainty), text.estimate(point.accuracy))
        for point in found.points
    )
    columns = (tr("Images answered"), tr("From a highest probability of"), tr("Accuracy (95 % interval)"))
    return ReportTable(tr("Leaving the least certain images to a person"), columns, rows)
