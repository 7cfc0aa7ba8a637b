"""The split: scheme, seed, hash and how the classes fell on the folds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from headstart.data.split.automatic import USUAL
from headstart.report.context import ReportContext
from headstart.report.document import Block, Bullets, ReportTable, Section
from headstart.report.locale.messages import mark, ntr, tr
from headstart.report.many_classes import MAX_CLASSES
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.report.text.methods import MethodsPart, MethodsSentence
from headstart.report.text.metric_names import metric_in_sentence, metric_title, ordered_metrics
from headstart.results.models.candidates import IgnoredGroups
from headstart.results.models.run_results import ProtocolFacts, RunResults
from headstart.results.read import RunRecord

_RULE_OF_PROVISIONAL = ", for a provisional answer"
"""How the rule of a provisional split ends in ``results.json``."""


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
        rule = tr("The scheme was taken by the size of the data: {rule}.", rule=protocol.split_rule)
        words = f"{words} {rule}"
    return (MethodsSentence(MethodsPart.PROTOCOL, words),)


def _provisional(results: RunResults) -> str:
    """A first answer of one head on one holdout, so that nobody takes it for the result of the whole job."""
    protocol = results.protocol
    fold = results.folds[0]
    return tr(
        "The answer is provisional: nothing was chosen, and the head was fitted on {fitted} and judged once on "
        "{judged}, in {where} {identity}.",
        fitted=ntr("{n} image", "{n} images", fold.n_train),
        judged=ntr("{n} other", "{n} others", fold.n_test),
        where=protocol.split_rule.removesuffix(_RULE_OF_PROVISIONAL) or tr("one holdout"),
        identity=_identity(protocol),
    )


def _holdout(results: RunResults, shape: str, score: str, *, choice: bool) -> str:
    """The parts of a holdout split: training and validation fit what the test part judges; validation chooses it."""
    protocol = results.protocol
    train, validation, test = (float(part) for part in shape.split("/"))
    fitted = _fitted_and_judged(results, f"{train + validation:g}", f"{test:g}")
    where = _partitions(protocol)
    if not choice:
        return tr(
            "It was fitted {fitted}, in {where} {identity}.", fitted=fitted, where=where, identity=_identity(protocol)
        )
    return tr(
        "After training on {train} % of the images, one candidate was chosen by {score} on another {validation} %; it "
        "was then fitted on both parts together, that is {fitted}, in {where} {identity}.",
        train=f"{train:g}",
        score=score,
        validation=f"{validation:g}",
        fitted=fitted,
        where=where,
        identity=_identity(protocol),
    )


def _fitted_and_judged(results: RunResults, both: str, test: str) -> str:
    """The shares that were fitted on and judged, with the numbers of images where one fold has them."""
    if len(results.folds) != 1:
        return tr("on {both} % of the images and judged once on the remaining {test} %", both=both, test=test)
    return tr(
        "on {both} % of the images ({n_fitted}) and judged once on the remaining {test} % ({n_judged})",
        both=both,
        test=test,
        n_fitted=f"{results.folds[0].n_train:,}",
        n_judged=f"{results.folds[0].n_test:,}",
    )


def _partitions(protocol: ProtocolFacts) -> str:
    if protocol.own_folds:
        return tr("a partition whose test images the data name")
    if protocol.repeats == 1:
        return tr("a stratified partition")
    return tr("{repeats} stratified partitions, drawn anew and averaged", repeats=protocol.repeats)


def _cross_validation(results: RunResults, shape: str, score: str, *, choice: bool) -> str:
    """With outer folds of the user nothing is claimed of their balance; the inner ones are drawn by class always.

    Outer folds of which some train only are written ``2of5``.
    """
    outer, _, inner = shape.partition("x")
    judging, _, outer = outer.rpartition("of")
    protocol = results.protocol
    tuned = results.fine_tuning is not None
    scheme = _scheme(outer, nested=choice or tuned, own=protocol.own_folds)
    if judging:
        scheme = tr("{scheme}, of which {judging} judged", scheme=scheme, judging=judging)
    if protocol.repeats == 2:
        scheme = tr("{scheme}, drawn twice", scheme=scheme)
    elif protocol.repeats > 2:
        scheme = tr("{scheme}, drawn {repeats} times", scheme=scheme, repeats=f"{protocol.repeats:,}")
    words = tr("Performance was estimated by {scheme} {identity}.", scheme=scheme, identity=_identity(protocol))
    if not choice:
        return words
    chosen = mark("The choice was made on {folds} of the training part alone, by {score}.")
    if tuned:
        chosen = mark("The choice among heads was made on {folds} of the training part alone, by {score}.")
    folds = _choosing(int(inner))
    return f"{words} {tr(chosen, folds=folds, score=score)}"


def _choosing(n_inner: int) -> str:
    """Inner folds in words."""
    return tr("one held-out part") if n_inner == 1 else ntr("{n} inner fold", "{n} inner folds", n_inner)


def _scheme(outer: str, *, nested: bool, own: bool) -> str:
    if nested and own:
        return tr("nested cross-validation with {outer} outer folds as given by the user", outer=outer)
    if nested:
        return tr("stratified nested cross-validation with {outer} outer folds", outer=outer)
    if own:
        return tr("cross-validation with {outer} outer folds as given by the user", outer=outer)
    return tr("stratified cross-validation with {outer} outer folds", outer=outer)


def _identity(protocol: ProtocolFacts) -> str:
    return tr("(seed {seed}, split {hash})", seed=protocol.seed, hash=protocol.split_hash[:12])


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
