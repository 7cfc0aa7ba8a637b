"""The section of fine-tuning: stages unlocked, losses, and the gain over frozen features."""

from __future__ import annotations

from collections.abc import Iterable

from headstart.report.context import ReportContext
from headstart.report.document import Block, Plot, ReportTable, Section, Text
from headstart.report.figures.finetuning import PLOT, finding, finetuning_plots, panel_title
from headstart.report.locale.messages import mark, ntr, tr
from headstart.report.sections import Drawn, figure_row, register_section
from headstart.report.text import format as text
from headstart.report.text.methods import MethodsPart, MethodsSentence
from headstart.report.text.metric_names import metric_in_sentence, metric_title
from headstart.results.models.finetuning import FineTuningCandidate, FineTuningResults


def _plots(context: ReportContext) -> Iterable[Plot]:
    return finetuning_plots(context.record)


def finetuning_sentences(context: ReportContext) -> list[MethodsSentence]:
    """What was fine-tuned, how that was chosen, and how often; nothing where nothing was."""
    found = context.record.results.fine_tuning
    if found is None:
        return []
    competed = mark("They competed with {candidates}.")
    if found.n_views > 1:
        competed = mark(
            "They competed with {candidates}; each image in {n_views} views, over which predictions are averaged."
        )
    sentences = [tr(competed, candidates="; ".join(map(_candidate_words, found.candidates)), n_views=found.n_views)]
    if any(candidate.start == "pretrained" for candidate in found.candidates):
        sentences.append(tr("Fine-tuning started from a linear head on the frozen features."))
    sentences.append(
        tr(
            "In every outer fold one inner holdout chose the number of epochs, which training to take and whether "
            "any, by {metric}; what was chosen was then trained on all training images of the fold.",
            metric=metric_in_sentence(found.choose_by),
        )
    )
    sentences.append(
        ntr(
            "A trained network was chosen in {times} of {n} outer fold.",
            "A trained network was chosen in {times} of {n} outer folds.",
            len(found.folds),
            times=found.times_chosen,
        )
    )
    return [MethodsSentence(MethodsPart.PROTOCOL, " ".join(sentences))]


def _candidate_words(candidate: FineTuningCandidate) -> str:
    return tr(
        "{candidate} at most (batches of {batch_size}, learning rate {learning_rate})",
        candidate=candidate.label,
        batch_size=candidate.batch_size,
        learning_rate=f"{candidate.learning_rate:g}",
    )


@register_section("fine-tuning", after="training", plots=_plots, methods=finetuning_sentences)
def finetuning_section(context: ReportContext, drawn: Drawn) -> Section | None:
    """The section of fine-tuning; None where nothing was fine-tuned."""
    found = context.record.results.fine_tuning
    if not found:
        return None
    blocks: list[Block] = [Text(_summary(found)), *figure_row(drawn, PLOT)]
    same = Text(
        tr("Every fold kept frozen features, so the run's predictions are theirs: there is no gain to speak of.")
    )
    blocks += [_gain_table(found) if found.times_chosen else same, _fold_table(found)]
    if found.signs:
        blocks.append(Text(tr("Warning signs: {signs}.", signs="; ".join(found.signs))))
    else:
        blocks.append(Text(tr("The losses show no warning sign of overfitting.")))
    return Section("fine-tuning", tr("Fine-tuning"), tuple(blocks))


def _summary(found: FineTuningResults) -> str:
    labels = "; ".join(candidate.label for candidate in found.candidates)
    n_views = found.n_views
    tried = (
        tr("Tried: {labels}.", labels=labels)
        if n_views == 1
        else tr(
            "Tried: {labels}, each image in {n_views} views, over which predictions are averaged.",
            labels=labels,
            n_views=n_views,
        )
    )
    how = tr(
        "Training starts from a linear head on frozen features. In every outer fold the number of epochs, the depth "
        "and whether to fine-tune at all were chosen on one inner holdout; the candidate chosen was then trained on "
        "all training images of the fold. Test images decided nothing."
    )
    return f"{finding(found)}. {tried} {how}"


def _gain_table(found: FineTuningResults) -> ReportTable:
    rows = []
    for name, row in found.against_frozen.metrics.items():
        gain = text.difference(row.difference, row.ci95)
        rows.append((metric_title(name), text.judged(row.b), text.judged(row.a), *gain))
    columns = (
        tr("Score"),
        tr("Frozen features alone"),
        tr("With fine-tuning"),
        tr("Difference"),
        tr("95 % interval, paired"),
    )
    return ReportTable(tr("What fine-tuning brought, on the same test images"), columns, tuple(rows), frozenset({0}))


def _fold_table(found: FineTuningResults) -> ReportTable:
    metric = metric_in_sentence(found.choose_by)
    rows = []
    for fold in found.folds:
        tried = [(tr("diverged") if one.failed else text.score(one.holdout)) for one in fold.tried]
        chosen = tr("frozen features") if fold.chosen is None else found.candidates[fold.chosen].label
        epochs = "" if fold.epochs is None else str(fold.epochs)
        rows.append((panel_title(fold), text.score(fold.frozen_holdout), ", ".join(tried), chosen, epochs))
    columns = (
        tr("Outer fold"),
        tr("Holdout {metric}, frozen", metric=metric),
        tr("fine-tuned"),
        tr("Chosen"),
        tr("Epochs"),
    )
    return ReportTable(tr("What the inner holdouts said"), columns, tuple(rows), frozenset({0, 3}))
