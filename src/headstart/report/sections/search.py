"""The section of the search: candidates, effects of their settings, choices and ties."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.heads.spec import KINDS
from headstart.report.context import ReportContext
from headstart.report.document import Block, FigureRow, Plot, ReportTable, Section, Text
from headstart.report.figures.search import search_plots
from headstart.report.locale.messages import ntr, tr
from headstart.report.search_effects import Effect, designs, effects, source_labels
from headstart.report.sections import Drawn, register_section
from headstart.report.sections.optimism import calibration_notes
from headstart.report.text import format as text
from headstart.report.text.search_names import SettingEffects, factor_name, outer_fold_numbers, score_name
from headstart.results.candidates_table import CANDIDATES_FILE, CandidateTable, read_candidates

MAX_TIED = 20
_TABLE_SETTINGS = ("activation", "dropout", "optimizer", "batch_size", "epochs")


@dataclass(frozen=True, eq=False)
class Search:
    """A search, and the effect of each of its settings.

    Attributes
    ----------
    table : CandidateTable
        Candidates of the outer folds.
    found : tuple of (Design, effects of its factors)
        For each kind of head whose settings varied.
    """

    table: CandidateTable
    found: SettingEffects


def analysed(table: CandidateTable) -> Search:
    """The effects of all settings, worked out once for figures and tables."""
    outer = table.of_outer_folds()
    return Search(outer, tuple((design, effects(design)) for design in designs(outer)))


def _recorded(context: ReportContext) -> Search | None:
    """The search that a run recorded; None where it recorded none."""
    path = context.record.folder / CANDIDATES_FILE
    return analysed(read_candidates(path)) if path.is_file() else None


def _plots(context: ReportContext) -> Iterable[Plot]:
    search = context.once(_recorded)
    return () if search is None else search_plots(search.table, search.found)


@register_section("search", after="transferability", plots=_plots)
def recorded_section(context: ReportContext, drawn: Drawn) -> Section | None:
    """The search of the run; None where it recorded none."""
    search = context.once(_recorded)
    if search is None:
        return None
    return search_section(search, drawn, (*context.record.results.search.notes, *calibration_notes(context)))


def search_section(search: Search, drawn: Drawn, notes: Sequence[str] = ()) -> Section:
    """The search in words, figures and tables; readable however many candidates there were.

    `notes` are sentences on settings that the folds are too small for, and on the probabilities that are scored.
    """
    outer = search.table
    pictures = [picture for name, picture in drawn.items() if name.startswith("search_")]
    blocks: list[Block] = [Text(_summary(outer)), Text(_rule(outer), tone="note")]
    blocks += [Text(note, tone="note") for note in notes]
    if outer.halving is not None:
        blocks.append(Text(_halving_note(outer.halving), tone="warning"))
    blocks += [best_table(outer), tied_table(outer), often_tied_table(outer)]
    blocks += [FigureRow((picture,)) for picture in pictures]
    blocks += [effect_table(search.table, search.found)] if search.found else []
    return Section("search", tr("The search"), tuple(blocks))


def _summary(table: CandidateTable) -> str:
    columns = table.columns
    n_folds = len(outer_fold_numbers(table))
    n_candidates = len(np.unique(columns["candidate"]))
    failed = int(columns["failed"].sum())
    failures = (
        tr(
            "{failed} of {n_trials} trials failed and were never chosen.",
            failed=text.count(failed),
            n_trials=text.count(len(table)),
        )
        if failed
        else ""
    )
    tried = tr(
        "{candidates}, {folds}, {inner} each; chosen by {score}.",
        candidates=ntr("{n} candidate", "{n} candidates", n_candidates),
        folds=ntr("{n} outer fold", "{n} outer folds", n_folds),
        inner=ntr("{n} inner fold", "{n} inner folds", table.n_inner),
        score=score_name(table),
    )
    return " ".join(filter(None, (tried, failures, tr("Every trial stands in candidates.parquet."))))


def _rule(table: CandidateTable) -> str:
    return tr(
        "Tied with the winner: candidates whose inner {score} is not told apart from the winner's at 5 % "
        "over all comparisons together (paired over the images of the inner folds, groups drawn as "
        "wholes, widened for shared training images). Cheapest: least time for features, one fit and "
        "1,000 predictions by a rough cost model. A best inner score flatters, because it is the best of "
        "many; the outer score does not.",
        score=score_name(table),
    )


def _halving_note(summary: str) -> str:
    meaning = tr(
        "Means and effects below are of the candidates that reached the last rung: weak "
        "settings had their worst candidates dropped and look better than they are.",
    )
    return f"{summary} {meaning}"


def _rows_of(table: CandidateTable, fold: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    inside = (table.columns["repeat"] == fold[0]) & (table.columns["fold"] == fold[1])
    return np.flatnonzero(inside)


def best_table(table: CandidateTable) -> ReportTable:
    """Preferences of the inner folds for each source of features: the paper's Table 3, over folds."""
    labels = np.array(source_labels(table), dtype=object)
    dense = bool((table.columns["kind"] == "dense").any())
    names = _TABLE_SETTINGS if dense else ()
    rows = tuple(_best_row(table, label, np.flatnonzero(labels == label), names) for label in dict.fromkeys(labels))
    columns = (
        tr("Features"),
        tr("Head"),
        *(text.words(name).capitalize() for name in names),
        tr("Inner {score}", score=score_name(table)),
        tr("Outer {score}", score=score_name(table)),
    )
    caption = tr(
        "Best candidate of each source of features, fold by fold: the value preferred most often, and in how many "
        "folds; mean scores of the folds' best"
    )
    return ReportTable(caption, columns, rows, frozenset(range(1, 2 + len(names))))


def _best_row(
    table: CandidateTable, label: str, rows: np.ndarray[Any, np.dtype[np.int64]], names: Sequence[str]
) -> tuple[str, ...]:
    columns = table.columns
    best = [found for fold in outer_fold_numbers(table) if (found := _best_of(table, rows, fold)) is not None]
    if not best:
        return (label, *[text.missing()] * (len(names) + 3))
    cells = [_preferred([columns[name][row] for row in best]) for name in ("kind", *names)]
    inner = text.score(float(np.mean(columns["inner_score"][best])))
    judged = [float(columns["outer_score"][row]) for row in best if np.isfinite(columns["outer_score"][row])]
    outer = text.score(float(np.mean(judged))) if judged else text.missing()
    if 0 < len(judged) < len(best):
        outer = ntr("{score} ({n} fold)", "{score} ({n} folds)", len(judged), score=outer)
    return (label, *cells, inner, outer)


def _best_of(table: CandidateTable, rows: np.ndarray[Any, np.dtype[np.int64]], fold: tuple[int, int]) -> int | None:
    """Row of the best rank among these rows of a fold; None where none has a rank."""
    here = np.intersect1d(rows, _rows_of(table, fold))
    ranks = np.where(np.isfinite(table.columns["rank"][here]), table.columns["rank"][here], np.inf)
    return int(here[np.argmin(ranks)]) if here.size and np.isfinite(ranks.min()) else None


def _preferred(values: Sequence[Any]) -> str:
    """The most frequent value and in how many of the folds; a dash where the kind of head has no such setting."""
    counted = Counter(_shown(value) for value in values)
    value, times = counted.most_common(1)[0]
    return value if len(values) == 1 or value == "–" else f"{value} ({times}/{len(values)})"


def _shown(value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "–"
    return f"{value:g}" if isinstance(value, float | int) else str(value)


def tied_table(table: CandidateTable) -> ReportTable:
    """For each outer fold: winner, how many are tied with it, the cheapest of those, inner and outer score."""
    columns, labels = table.columns, source_labels(table)
    n_repeats = len({repeat for repeat, _ in outer_fold_numbers(table)})
    rows = []
    for repeat, fold in outer_fold_numbers(table):
        here = _rows_of(table, (repeat, fold))
        winner = int(here[np.flatnonzero(columns["rank"][here] == 1)[0]])
        cheapest = int(here[np.flatnonzero(columns["cheapest"][here])[0]])
        n_tied, n_ranked = int(columns["tied"][here].sum()), int(np.isfinite(columns["rank"][here]).sum())
        rows.append(
            (
                text.fold_name(repeat, fold, n_repeats),
                _candidate_label(table, winner, labels),
                tr("{n_tied} of {n_ranked}", n_tied=text.count(n_tied), n_ranked=text.count(n_ranked)),
                _candidate_label(table, cheapest, labels),
                _ratio(columns["cost"][winner], columns["cost"][cheapest]),
                text.score(float(columns["inner_score"][winner])),
                _known(columns["outer_score"][winner]),
            )
        )
    score = score_name(table)
    names = (
        tr("Fold"),
        tr("Winner"),
        tr("Tied"),
        tr("Cheapest tied"),
        tr("Cost, winner : cheapest"),
        tr("Inner {score}", score=score),
        tr("Outer {score}", score=score),
    )
    return ReportTable(
        tr("Winner, candidates tied with it, and the cheapest of those"), names, tuple(rows), frozenset({1, 3})
    )


def _ratio(cost: float, least: float) -> str:
    return f"{cost / least:.1f} : 1" if least > 0 else text.missing()


def _known(value: float) -> str:
    return text.score(float(value)) if np.isfinite(value) else text.missing()


def _candidate_label(table: CandidateTable, row: int, labels: Sequence[str]) -> str:
    several = len(set(labels)) > 1
    head = str(table.columns["label"][row])
    return f"{labels[row]}: {head}" if several else head


def often_tied_table(table: CandidateTable) -> ReportTable:
    """Candidates tied with the winner in most folds, cheapest first among equals."""
    columns, labels = table.columns, source_labels(table)
    n_folds = len(outer_fold_numbers(table))
    times = Counter(columns["candidate"][columns["tied"]].tolist())
    first = {int(number): row for row, number in reversed(list(enumerate(columns["candidate"].tolist())))}
    ranked = sorted(times, key=lambda number: (-times[number], columns["cost"][first[number]], number))
    rows = tuple(
        (
            _candidate_label(table, first[number], labels),
            tr("{times} of {n_folds}", times=times[number], n_folds=n_folds),
            _seconds(columns["cost"][first[number]]),
            text.score(_mean_score(table, number)),
        )
        for number in ranked[:MAX_TIED]
    )
    caption = tr(
        "Tied with the winner in most folds, cheapest first ({n_rows} of {n_ranked} ever tied)",
        n_rows=len(rows),
        n_ranked=f"{len(ranked):,}",
    )
    return ReportTable(
        caption,
        (tr("Candidate"), tr("Folds"), tr("Rough cost"), tr("Mean inner {score}", score=score_name(table))),
        rows,
        frozenset(),
    )


def _seconds(value: float) -> str:
    return text.duration(float(value)) if value >= 0.1 else tr("{value} ms", value=f"{1000 * value:.0f}")


def _mean_score(table: CandidateTable, number: int) -> float | None:
    scores = table.columns["inner_score"][table.columns["candidate"] == number]
    known = scores[np.isfinite(scores)]
    return float(known.mean()) if known.size else None


def effect_table(table: CandidateTable, found: SettingEffects) -> ReportTable:
    """The numbers of the effect plot."""
    rows = [
        (f"{KINDS[design.kind].title}: {factor_name(factor)}", effect.level, f"{effect.value:+.4f}", _bounds(effect))
        for design, lists in found
        for factor, made in zip(design.factors, lists, strict=True)
        for effect in made
    ]
    names = (tr("Setting"), tr("Value"), tr("Effect on inner {score}", score=score_name(table)), tr("95 % interval"))
    return ReportTable(tr("Effect of every value of every setting"), names, tuple(rows), frozenset({1}))


def _bounds(effect: Effect) -> str:
    return (
        tr("{low} to {high}", low=f"{effect.low:+.4f}", high=f"{effect.high:+.4f}")
        if np.isfinite(effect.low)
        else text.missing()
    )
