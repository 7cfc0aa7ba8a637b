"""Everything that was tried, the failures too."""

from __future__ import annotations

from collections.abc import Iterable

from headstart.report.context import ReportContext
from headstart.report.document import Block, Plot, ReportTable, Section, Text
from headstart.report.figures.candidates import candidate_plots, sorted_candidates
from headstart.report.locale.messages import ntr, tr
from headstart.report.sections import Drawn, figure_row, register_section
from headstart.report.text import format as text
from headstart.report.text.head_names import head_in_sentence
from headstart.report.text.methods import MethodsPart, MethodsSentence
from headstart.report.text.metric_names import metric_in_sentence
from headstart.results.read import RunRecord

MAX_LISTED = 100
"""Candidates that the page lists; all of a larger search stand in candidates.parquet."""


def candidate_sentences(context: ReportContext) -> tuple[MethodsSentence, ...]:
    """How many candidates were trained, of which kinds."""
    search = context.record.results.search
    n_candidates = search.n_candidates
    kinds = text.listed([head_in_sentence(kind) for kind in sorted(set(search.kinds))], limit=20)
    if n_candidates > 1 and search.n_points > n_candidates:
        words = tr(
            "{n_candidates} candidates, drawn at random from {n_points}, ({kinds}) were trained on these features.",
            n_candidates=f"{n_candidates:,}",
            n_points=f"{search.n_points:,}",
            kinds=kinds,
        )
    elif n_candidates > 1:
        words = tr(
            "{n_candidates} candidates ({kinds}) were trained on these features.",
            n_candidates=f"{n_candidates:,}",
            kinds=kinds,
        )
    else:
        words = tr("One head ({kinds}) was trained on these features.", kinds=kinds)
    if search.halving:
        halved = tr("Successive halving on the inner folds dropped the weaker candidates early.")
        words = f"{words} {halved}"
    return (MethodsSentence(MethodsPart.PROTOCOL, words),)


def _plots(context: ReportContext) -> Iterable[Plot]:
    return candidate_plots(context.record)


@register_section("candidates", after="folds", plots=_plots, methods=candidate_sentences)
def candidates_section(context: ReportContext, drawn: Drawn) -> Section:
    """Everything that was tried, the failures too."""
    record, results = context.record, context.record.results
    search, n_choices = results.search, ntr("{n} choice", "{n} choices", len(results.folds))
    how = Text(
        tr(
            "{candidates} competed in {n_choices}, by {metric} on inner folds; no test image took part in "
            "any of them. Final model: {label}.",
            candidates=ntr("{n} candidate", "{n} candidates", search.n_candidates),
            n_choices=n_choices,
            metric=metric_in_sentence(results.protocol.choose_by),
            label=results.final_model.label,
        )
    )
    dropped = (Text(search.halving),) if search.halving else ()
    blocks: tuple[Block, ...] = (how, *dropped, *figure_row(drawn, "candidates"), _candidate_table(record))
    return Section("candidates", tr("Everything that was tried"), blocks)


def _candidate_table(record: RunRecord) -> ReportTable:
    """One row per candidate; where another score than log loss chose, a column for it."""
    choose_by = record.results.protocol.choose_by
    other = () if choose_by == "log_loss" else (tr("Inner {metric}", metric=metric_in_sentence(choose_by)),)
    rows = tuple(
        (
            entry.label,
            text.words(entry.kind),
            text.plain(entry.settings),
            *(text.score(entry.inner_score) for _ in other),
            _spread(entry.inner_log_loss, entry.inner_log_loss_sd),
            text.count(entry.times_chosen),
        )
        for entry in sorted_candidates(record.results)[:MAX_LISTED]
    )
    columns = (tr("Candidate"), tr("Kind"), tr("Settings"), *other, tr("Inner log loss, mean ± SD"), tr("Times chosen"))
    n_all = record.results.search.n_candidates
    caption = (
        ntr("The one candidate", "All {n} candidates, best first", n_all)
        if len(rows) == n_all
        else tr("The best {n_shown} of {n_all} candidates, best first", n_shown=len(rows), n_all=f"{n_all:,}")
    )
    return ReportTable(caption, columns, rows, frozenset({1, 2}))


def _spread(mean: float | None, deviation: float | None) -> str:
    return text.score(mean) if mean is None or deviation is None else f"{text.score(mean)} ± {text.score(deviation)}"
