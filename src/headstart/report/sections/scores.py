"""Every score with its interval and its spread over the folds; the same by class."""

from __future__ import annotations

import math

from headstart.report.context import ReportContext
from headstart.report.document import ReportTable, Section, Text
from headstart.report.locale.messages import mark, ntr, tr
from headstart.report.many_classes import first_classes, with_left_out
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.report.text.methods import MethodsPart, MethodsSentence
from headstart.report.text.metric_names import metric_in_sentence, metric_title, ordered_metrics
from headstart.results.models.estimates import EstimateFacts
from headstart.results.read import RunRecord

# By the authors as the interval's method names them in its reference; any other reference is cited as it stands.
_KNOWN_REFERENCES = {
    "Nadeau & Bengio": (
        "C. Nadeau, Y. Bengio. Inference for the Generalization Error. Machine Learning 52, 239-281, "
        "2003. DOI 10.1023/A:1024068626366."
    ),
    "Bates, Hastie": (
        "S. Bates, T. Hastie, R. Tibshirani. Cross-Validation: What Does It Estimate and How Well Does It "
        "Do It? Journal of the American Statistical Association 119(546), 1434-1445, 2024. "
        "DOI 10.1080/01621459.2023.2197686."
    ),
    "Franco, Little, Louis, Slud": (
        "C. Franco, R. J. A. Little, T. A. Louis, E. V. Slud. Comparative Study of "
        "Confidence Intervals for Proportions in Complex Sample Surveys. Journal of Survey Statistics and Methodology "
        "7(3), 2019. PMC6690503."
    ),
}
_SECONDARY = ("accuracy", "balanced_accuracy", "recall", "specificity", "mcc", "roc_auc")


def score_sentences(context: ReportContext) -> tuple[MethodsSentence, ...]:
    """The scores with their intervals, and the method of these."""
    results = context.record.results
    interval = results.protocol.interval
    told = mark("The 95 % intervals speak of {speaks_of}; method: {method}, {resamples} of {groups}.")
    if results.task.groups_given is False:
        told = mark(
            "The 95 % intervals speak of {speaks_of}; method: {method}, {resamples} of {groups} (an image without "
            "copies is one by itself)."
        )
    words = tr(
        told,
        speaks_of=_lower_first(interval.speaks_of.rstrip(".")),
        method=interval.method.rstrip("."),
        resamples=ntr("{n} resample", "{n} resamples", interval.n_resamples),
        groups=ntr("{n} group", "{n} groups", interval.n_groups),
    )
    return (
        MethodsSentence(MethodsPart.RESULTS, _score_words(context.record)),
        MethodsSentence(MethodsPart.INTERVALS, words, interval_references(interval.reference)),
    )


def interval_references(named: str) -> tuple[str, ...]:
    """References of an interval's method in full; `named` holds their short forms, parted by semicolons."""
    parts = [part.strip() for part in named.split(";")]
    return tuple(dict.fromkeys(_spelled_out(part) for part in parts if part))


def _spelled_out(reference: str) -> str:
    known = [entry for authors, entry in _KNOWN_REFERENCES.items() if authors in reference]
    return known[0] if known else f"{reference.rstrip('.')}."


def _score_words(record: RunRecord) -> str:
    results = record.results
    first = results.headline.metric
    entries = results.metrics
    names = [first, *(name for name in ordered_metrics(entries) if name in _SECONDARY and name != first)]
    scores = [f"{metric_in_sentence(name)} {text.estimate(entries[name])}" for name in names if name in entries]
    images, listed = ntr("{n} image", "{n} images", record.n_judged), text.listed(scores)
    positive = results.task.positive
    if positive is None:
        return tr(
            "On {images} held out from training, the results were (95 % interval): {scores}.",
            images=images,
            scores=listed,
        )
    return tr(
        "On {images} held out from training with {positive} as the positive class, the results were (95 % interval): "
        "{scores}.",
        images=images,
        positive=repr(positive),
        scores=listed,
    )


def _lower_first(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


@register_section("scores", after="question", methods=score_sentences)
def scores_section(context: ReportContext, drawn: Drawn) -> Section:
    """Every metric with its interval and its spread over the folds; the same by class."""
    record = context.record
    metrics = record.results.metrics
    rows = tuple(
        (
            metric_title(name),
            text.judged(metrics[name].value),
            text.interval_of(metrics[name].value, metrics[name].ci95),
            text.interval_of(metrics[name].value, None)
            if metrics[name].fold_sd is None
            else text.score(metrics[name].fold_sd),
        )
        for name in ordered_metrics(metrics)
    )
    overall = ReportTable(
        tr("Scores on held-out images, n = {n_judged}", n_judged=f"{record.n_judged:,}"),
        (tr("Metric"), tr("Value"), tr("95 % interval"), tr("SD across folds")),
        rows,
    )
    interval = record.results.protocol.interval
    reference = f" ({interval.reference.rstrip('.')})" if interval.reference else ""
    note = tr(
        "The 95 % intervals speak of {speaks_of}. Method: {method}. The SD across folds shows "
        "how much single folds differ; it is no interval.",
        speaks_of=interval.speaks_of.rstrip("."),
        method=f"{interval.method.rstrip('.')}{reference}",
    )
    return Section("scores", tr("Scores"), (overall, _class_table(record), Text(note, tone="note")))


def _class_table(record: RunRecord) -> ReportTable:
    per_class = record.results.per_class
    names = ordered_metrics({name for scores in per_class.values() for name in scores.metrics})
    found = [per_class[name].metrics["recall"].value for name in record.classes]
    shown = first_classes(len(found), lambda code: math.inf if (value := found[code]) is None else value)
    rows = tuple(
        (
            name,
            text.count(per_class[name].support),
            *(_two_lines(per_class[name].metrics[metric]) for metric in names),
        )
        for name in (record.classes[code] for code in shown)
    )
    columns = (tr("Class"), tr("Support"), *(metric_title(name) for name in names))
    caption = with_left_out(
        tr("By class, each against the others: value, and its 95 % interval below"),
        len(found),
        shown,
        mark(
            "Of {n_classes} classes the {n_shown} of lowest recall; the others stand in results.json, under per_class"
        ),
    )
    return ReportTable(caption, columns, rows)


def _two_lines(entry: EstimateFacts) -> str:
    """An estimate with its interval below it."""
    return text.judged(entry.value) + (f"\n{text.interval(entry.ci95)}" if entry.ci95 else "")
