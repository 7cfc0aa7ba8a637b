"""The section of the ensemble: its members, what one less would cost, and the gain over the best candidate alone."""

from __future__ import annotations

from headstart.report.context import ReportContext
from headstart.report.document import Block, ReportTable, Section, Text
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
    words = (
        f"In every outer fold an ensemble of at most {found.max_members} of the candidates tried was selected greedily "
        f"with replacement on inner predictions, by {metric_in_sentence(found.choose_by)}, and kept only where "
        "ensembles selected on some of the inner images predicted the others better than the best candidate of the "
        f"same selection ({found.times_kept} of {len(found.folds)} outer folds)."
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
    return Section("ensemble", "Ensemble", tuple(blocks))


def _summary(found: EnsembleResults) -> str:
    final = "The final model is one" if found.final.kept else "The final model is its best candidate alone"
    return (
        f"An ensemble was kept in {found.times_kept} of {len(found.folds)} outer folds. {final}: {found.final.reason}. "
        "Members are selected one by one, each the one with which the mean of the probabilities scores best on inner "
        "predictions. Such a score flatters, so an ensemble is kept only where, on inner images that took no part in a "
        "selection, it is better than the best candidate of that selection. Test images decided nothing."
    )


def _gain_table(found: EnsembleResults) -> ReportTable:
    rows = []
    for name, row in found.against_single.metrics.items():
        gain = text.difference(row.difference, row.ci95)
        rows.append((metric_title(name), text.judged(row.b), text.judged(row.a), *gain))
    columns = ("Score", "Best candidate alone", "With the ensemble", "Difference", "95 % interval, paired")
    return ReportTable("What the ensemble brought, on the same test images", columns, tuple(rows), frozenset({0}))


def _fold_table(found: EnsembleResults) -> ReportTable:
    metric = metric_in_sentence(found.choose_by)
    several = len({fold.repeat for fold in found.folds})
    rows = [
        (
            text.fold_name(fold.repeat, fold.fold, several),
            text.listed([f"{one.weight:.2g} x {one.label}" for one in fold.members]) or "none: the best alone",
            f"{text.score(fold.single_score)} / {text.score(fold.score)}",
            f"{text.score(fold.accepted_single_score)} / {text.score(fold.accepted_score)}",
            fold.reason,
        )
        for fold in found.folds
    ]
    columns = (
        "Outer fold",
        "Members",
        f"{metric.capitalize()} where selected, alone / together",
        "where accepted, alone / together",
        "Why",
    )
    return ReportTable("The ensemble of every outer fold", columns, tuple(rows), frozenset({0, 1, 4}))


def _member_table(found: EnsembleResults) -> ReportTable:
    final = found.final
    rows = [
        (one.label, f"{one.weight:.3g}", text.score(one.score_without), _cost(one.score_without, final.score))
        for one in final.members
    ]
    metric = metric_in_sentence(found.choose_by)
    columns = ("Member of the final model", "Weight", f"Inner {metric} without it", "Difference")
    title = f"What one member less would cost (inner {metric} of all: {text.score(final.score)})"
    return ReportTable(title, columns, tuple(rows), frozenset({0}))


def _cost(without: float | None, together: float | None) -> str:
    return text.MISSING if without is None or together is None else f"{without - together:+.3f}"


def _price(found: EnsembleResults) -> list[Block]:
    price = found.price
    if price is None:
        return []
    passes = "1 forward pass" if price.forward_passes == 1 else f"{price.forward_passes:,} forward passes"
    words = (
        f"A prediction by the final model takes {passes} of each image, roughly {price.seconds:.2g} s on one core; its "
        f"first member alone would take {price.seconds_alone:.2g} s."
    )
    return [Text(words, tone="note")]
