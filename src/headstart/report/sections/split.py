"""The split: scheme, seed, hash and how the classes fell on the folds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from headstart.data.split.automatic import USUAL
from headstart.errors import plural
from headstart.report.context import ReportContext
from headstart.report.document import Block, Bullets, ReportTable, Section
from headstart.report.locale.messages import tr
from headstart.report.many_classes import MAX_CLASSES
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.report.text.methods import MethodsPart, MethodsSentence
from headstart.report.text.metric_names import metric_in_sentence, metric_title, ordered_metrics
from headstart.results.models.candidates import IgnoredGroups
from headstart.results.models.run_results import ProtocolFacts, RunResults
from headstart.results.read import RunRecord


def split_sentences(context: ReportContext) -> tuple[MethodsSentence, ...]:
    """Sentence of the methods on the split and the score that chose."""
    results = context.record.results
    protocol = results.protocol
    if results.provisional:
        return (MethodsSentence(MethodsPart.PROTOCOL, _provisional(results)),)
    kind, _, shape = protocol.scheme.partition(":")
    describe = _holdout if kind == "holdout" else _cross_validation
    score = metric_in_sentence(protocol.choose_by)
    words = describe(results, shape, score, choice=results.search.n_candidates > 1)
    if protocol.split_rule and protocol.scheme != USUAL:
        words = f"{words} The scheme was taken by the size of the data: {protocol.split_rule}."
    return (MethodsSentence(MethodsPart.PROTOCOL, words),)


def _provisional(results: RunResults) -> str:
    """A first answer of one head on one holdout, so that nobody takes it for the result of the whole job."""
    protocol = results.protocol
    where = protocol.split_rule.removesuffix(", for a provisional answer") or "one holdout"
    fold = results.folds[0]
    return (
        f"The answer is provisional: nothing was chosen, and the head was fitted on {plural(fold.n_train, 'image')} "
        f"and judged once on {plural(fold.n_test, 'other')}, in {where} {_identity(protocol)}."
    )


def _holdout(results: RunResults, shape: str, score: str, *, choice: bool) -> str:
    """The parts of a holdout split: training and validation fit what the test part judges; validation chooses it."""
    protocol = results.protocol
    train, validation, test = (float(part) for part in shape.split("/"))
    n_fitted, n_judged = "", ""
    if len(results.folds) == 1:
        n_fitted, n_judged = (f" ({n:,})" for n in (results.folds[0].n_train, results.folds[0].n_test))
    fitted = (
        f"on {train + validation:g} % of the images{n_fitted} and judged once on the remaining {test:g} %{n_judged}"
    )
    repeats = protocol.repeats
    where = "a stratified partition" if repeats == 1 else f"{repeats} stratified partitions, drawn anew and averaged"
    if protocol.own_folds:
        where = "a partition whose test images the data name"
    lead = (
        f"After training on {train:g} % of the images, one candidate was chosen by {score} on another "
        f"{validation:g} %; it was then fitted on both parts together, that is {fitted},"
        if choice
        else f"It was fitted {fitted},"
    )
    return f"{lead} in {where} {_identity(protocol)}."


def _cross_validation(results: RunResults, shape: str, score: str, *, choice: bool) -> str:
    """With outer folds of the user nothing is claimed of their balance; the inner ones are drawn by class always."""
    outer, _, inner = shape.partition("x")
    protocol = results.protocol
    own = protocol.own_folds
    tuned = results.fine_tuning is not None
    scheme = "nested cross-validation" if choice or tuned else "cross-validation"
    drawn, folds = ("", "outer folds as given by the user") if own else ("stratified ", "outer folds")
    often = "twice" if protocol.repeats == 2 else f"{protocol.repeats:,} times"
    repeats = f", drawn {often}" if protocol.repeats > 1 else ""
    what = "among heads was" if tuned else "was"
    folds_inside = f"{inner} inner fold{'' if inner == '1' else 's'}"
    chosen = f" The choice {what} made on {folds_inside} of the training part alone, by {score}." if choice else ""
    return f"Performance was estimated by {drawn}{scheme} with {outer} {folds}{repeats} {_identity(protocol)}.{chosen}"


def _identity(protocol: ProtocolFacts) -> str:
    return f"(seed {protocol.seed}, split {protocol.split_hash[:12]})"


@register_section("split", after="labels", methods=split_sentences)
def split_section(context: ReportContext, drawn: Drawn) -> Section:
    """Scheme, seed, hash and how the classes fell on the folds."""
    record = context.record
    protocol = record.results.protocol
    rows = (
        (tr("Scheme"), protocol.scheme),
        *([(tr("By the size of the data"), protocol.split_rule)] if protocol.split_rule else []),
        (tr("Outer folds"), tr("as given by the user") if protocol.own_folds else tr("drawn by headstart")),
        (tr("Repeats"), text.count(protocol.repeats)),
        (tr("Seed"), str(protocol.seed)),
        (tr("Chosen by"), metric_title(protocol.choose_by)),
        (tr("Split hash"), protocol.split_hash),
    )
    facts = ReportTable(tr("The split, also in split.json"), (tr("Item"), tr("Value")), rows, frozenset({1}))
    blocks: list[Block] = [facts, _fold_counts(record)]
    if record.split.notes:
        blocks.append(Bullets(record.split.notes))
    ignored = record.results.optimism_from_ignored_groups
    if ignored:
        blocks.append(_ignored_groups_table(ignored))
    return Section("split", tr("The split"), tuple(blocks))


def _fold_counts(record: RunRecord) -> ReportTable:
    """Test images of every class in every fold."""
    predictions = record.predictions
    codes = range(len(record.classes))
    many = len(codes) > MAX_CLASSES
    named = (tr("Fewest of a class"), tr("Most of a class")) if many else record.classes
    rows = []
    for fold in record.results.folds:
        inside = (predictions.repeat == fold.repeat) & (predictions.fold == fold.fold)
        tested = np.bincount(predictions.labels[inside], minlength=len(codes))
        counts = [text.count(int(count)) for count in ((tested.min(), tested.max()) if many else tested)]
        name = text.fold_name(fold.repeat, fold.fold, record.results.protocol.repeats)
        rows.append((name, text.count(fold.n_train), text.count(fold.n_test), *counts))
    return ReportTable(
        tr("Test images of every class by fold"), (tr("Fold"), tr("Train"), tr("Test"), *named), tuple(rows)
    )


def _ignored_groups_table(ignored: Mapping[str, IgnoredGroups]) -> ReportTable:
    """Table of the scores that a split which ignores the groups would have claimed."""
    rows = tuple(
        (
            metric_title(name),
            text.judged(ignored[name].groups_kept),
            text.judged(ignored[name].groups_ignored),
            text.judged(ignored[name].difference),
        )
        for name in ordered_metrics(ignored)
    )
    columns = (tr("Metric"), tr("Groups kept"), tr("Groups ignored"), tr("Difference"))
    caption = tr("Optimism from ignoring groups: what a split that ignores them would have claimed")
    return ReportTable(caption, columns, rows)
