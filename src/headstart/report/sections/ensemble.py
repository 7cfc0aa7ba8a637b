"""The section of the ensemble: its members, what one less would cost, and the gain over the best candidate alone."""

from __future__ import annotations

from headstart.report.context import ReportContext
from headstart.report.document import Block, ReportTable, Section, Text
from headstart.report.locale.messages import ntr, tr
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.report.text.methods import MethodsPart, MethodsSentence
from headstart.report.text.metric_names import metric_in_sentence, metric_title
from headstart.results.models.ensemble import EnsembleResults

CARUANA = (
    "R. Caruana, A. Niculescu-Mizil, G. Crew, A. Ksikes. Ensemble selection from libraries of models. ICML 2004. "
    "DOI 10.1145/1015330.1015432."
)


def ensemble_sentences(context: ReportContext) -> list[MethodsSentence]:
    """How the ensemble was selected and accepted; nothing where none was requested."""
    found = context.record.results.ensemble
    if found is None:
        return []
    words = tr(
        "In every outer fold an ensemble of at most {max_members} of the candidates tried was selected greedily with "
        "replacement on inner predictions, by {metric}, and kept only where ensembles selected on some of the inner "
        "images predicted the others better than the best candidate of the same selection ({times_kept} of {n_folds} "
        "outer folds).",
        max_members=found.max_members,
        metric=metric_in_sentence(found.choose_by),
        times_kept=found.times_kept,
        n_folds=len(found.folds),
    )
    return [MethodsSentence(MethodsPart.MODEL, words, (CARUANA,))]


@register_section("ensemble", after="fine-tuning", methods=ensemble_sentences)
def ensemble_section(context: ReportContext, drawn: Drawn) -> Section | None:
    """Members, costs and gain; None where no ensemble was requested."""
    found = context.record.results.ensemble
    if found is None:
        return None
    blocks: list[Block] = [Text(_summary(found)), _gain_table(found), _fold_table(found)]
    if found.final.kept:
        blocks += [_member_table(found), *_price(found)]
    return Section("ensemble", tr("Ensemble"), tuple(blocks))


def _summary(found: EnsembleResults) -> str:
    kept = tr(
        "An ensemble was kept in {times_kept} of {n_folds} outer folds.",
        times_kept=found.times_kept,
        n_folds=len(found.folds),
    )
    final = (
        tr("The final model is one: {reason}.", reason=found.final.reason)
        if found.final.kept
        else tr("The final model is its best candidate alone: {reason}.", reason=found.final.reason)
    )
    how = tr(
        "Members are selected one by one, each the one with which the mean of the probabilities scores best on inner "
        "predictions. Such a score flatters, so an ensemble is kept only where, on inner images that took no part in a "
        "selection, it is better than the best candidate of that selection. Test images decided nothing."
    )
    return f"{kept} {final} {how}"


def _gain_table(found: EnsembleResults) -> ReportTable:
    rows = []
    for name, row in found.against_single.metrics.items():
        gain = text.difference(row.difference, row.ci95)
        rows.append((metric_title(name), text.judged(row.b), text.judged(row.a), *gain))
    columns = (
        tr("Score"),
        tr("Best candidate alone"),
        tr("With the ensemble"),
        tr("Difference"),
        tr("95 % interval, paired"),
    )
    return ReportTable(tr("What the ensemble brought, on the same test images"), columns, tuple(rows), frozenset({0}))


def _fold_table(found: EnsembleResults) -> ReportTable:
    metric = metric_in_sentence(found.choose_by)
    several = len({fold.repeat for fold in found.folds})
    rows = [
        (
            text.fold_name(fold.repeat, fold.fold, several),
            text.listed([f"{one.weight:.2g} x {one.label}" for one in fold.members]) or tr("none: the best alone"),
            f"{text.score(fold.single_score)} / {text.score(fold.score)}",
            f"{text.score(fold.accepted_single_score)} / {text.score(fold.accepted_score)}",
            fold.reason,
        )
        for fold in found.folds
    ]
    columns = (
        tr("Outer fold"),
        tr("Members"),
        tr("{metric} where selected, alone / together", metric=metric.capitalize()),
        tr("where accepted, alone / together"),
        tr("Why"),
    )
    return ReportTable(tr("The ensemble of every outer fold"), columns, tuple(rows), frozenset({0, 1, 4}))


def _member_table(found: EnsembleResults) -> ReportTable:
    final = found.final
    rows = [
        (one.label, f"{one.weight:.3g}", text.score(one.score_without), _cost(one.score_without, final.score))
        for one in final.members
    ]
    metric = metric_in_sentence(found.choose_by)
    columns = (
        tr("Member of the final model"),
        tr("Weight"),
        tr("Inner {metric} without it", metric=metric),
        tr("Difference"),
    )
    title = tr(
        "What one member less would cost (inner {metric} of all: {score})", metric=metric, score=text.score(final.score)
    )
    return ReportTable(title, columns, tuple(rows), frozenset({0}))


def _cost(without: float | None, together: float | None) -> str:
    return text.missing() if without is None or together is None else f"{without - together:+.3f}"


def _price(found: EnsembleResults) -> list[Block]:
    price = found.price
    if price is None:
        return []
    passes = ntr("{n} forward pass", "{n} forward passes", price.forward_passes)
    words = tr(
        "A prediction by the final model takes {passes} of each image, roughly {seconds} s on one core; "
        "its first member alone would take {seconds_alone} s.",
        passes=passes,
        seconds=f"{price.seconds:.2g}",
        seconds_alone=f"{price.seconds_alone:.2g}",
    )
    return [Text(words, tone="note")]
