"""The section on the search: what was tried, what each setting did, what was chosen, what could not be told apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.metrics import find_metric
from headstart.report import search_figures as figures
from headstart.report import text
from headstart.report.document import Block, Picture, Pictures, Plot, Section, Table, Text
from headstart.report.effects import (
    SOURCE,
    Design,
    Effect,
    Factor,
    cell_means,
    designs,
    effects,
    pairs,
    source_labels,
)
from headstart.report.names import metric_in_sentence
from headstart.study.records import CandidateTable

MAX_FACTORS = 6
MAX_EFFECT_ROWS = 60
MAX_TIED = 20
_KINDS = {"dense": "Dense", "logistic": "Logistic", "knn": "kNN", "svm": "SVM", "ridge": "Ridge", "lda": "LDA"}
_TABLE_SETTINGS = ("activation", "dropout", "optimizer", "batch_size", "epochs")


@dataclass(frozen=True, eq=False)
class Search:
    """A search, and what each setting did in it.

    Attributes
    ----------
    table : CandidateTable
        Of the outer folds.
    found : tuple of (Design, effects of its factors)
        For each kind of head whose settings varied.
    """

    table: CandidateTable
    found: tuple[tuple[Design, list[list[Effect]]], ...]


def analysed(table: CandidateTable) -> Search:
    """The effects of all settings, worked out once for figures and tables."""
    outer = table.of_outer_folds()
    return Search(outer, tuple((design, effects(design)) for design in designs(outer)))


def search_plots(search: Search) -> list[Plot]:
    """The effects of all settings, then a figure of heatmaps for each kind of head with two settings or more."""
    if not search.found:
        return []
    maps = [_heatmaps(search.table, design, made) for design, made in search.found if len(design.factors) > 1]
    return [_effects_plot(search.table, search.found), *maps]


def _effects_plot(table: CandidateTable, found: Sequence[tuple[Design, list[list[Effect]]]]) -> Plot:
    several = len({design.kind for design, _ in found}) > 1
    groups = [
        _group(f"{_KINDS[design.kind]}: {_name(factor)}" if several else _name(factor), made)
        for design, lists in found
        for factor, made in zip(design.factors, lists, strict=True)
    ]
    by_range = sorted(groups, key=lambda group: -_span(group.values))
    shown: set[str] = set()
    n_rows = 0
    for group in by_range:
        n_rows += len(group.levels) + 1
        if n_rows <= MAX_EFFECT_ROWS or not shown:
            shown.add(group.heading)
    first, span = by_range[0].heading.replace(": ", " "), _span(by_range[0].values)
    title = f"Inner {_score(table)} depends most on {first}: {span:.3f} between the best of its values and the worst"
    cut = f" The {len(shown)} settings that move it most are drawn." if len(shown) < len(groups) else ""
    return Plot(
        "search_effects",
        figures.effects(
            [group for group in groups if group.heading in shown],
            score=_score(table),
            greater_is_better=_greater(table),
            title=title,
        ),
        f"Dot plot of the effect of every setting. {title}. The numbers stand in the table below.",
        "Each dot: mean score with this value less the mean over the setting's values, all other settings and the "
        "outer fold held alike (least squares; in a full grid plain means). Lines: 95 % of draws of outer folds and of "
        "combinations of the other settings, with replacement; they tell how far an effect hangs on these. Orange: "
        f"best.{_goes_with([design for design, _ in found])}{cut}",
    )


def _group(heading: str, made: Sequence[Effect]) -> figures.EffectGroup:
    values, low, high = (np.array([getattr(effect, name) for effect in made]) for name in ("value", "low", "high"))
    return figures.EffectGroup(heading, tuple(effect.level for effect in made), values, low, high)


def _span(values: figures.Floats) -> float:
    return float(values.max() - values.min())


def _heatmaps(table: CandidateTable, design: Design, made: Sequence[Sequence[Effect]]) -> Plot:
    """Heatmaps of every pair among the settings that move the score most."""
    spans = [_span(np.array([effect.value for effect in group])) for group in made]
    chosen = sorted(sorted(range(len(spans)), key=lambda place: -spans[place])[:MAX_FACTORS])
    kept = Design(
        design.kind,
        tuple(design.factors[place] for place in chosen),
        design.scores,
        design.folds,
    )
    panels = []
    for one, other in pairs(kept):
        rows, columns = (one, other) if len(one.levels) >= len(other.levels) else (other, one)
        means, _ = cell_means(kept, rows, columns)
        panels.append(figures.Panel((_name(rows), _name(columns)), (rows.levels, columns.levels), means))
    best, worst = _extremes(panels, greater_is_better=_greater(table))
    title = f"{_KINDS[design.kind]} heads: best pair {best}; worst {worst}"
    n_rows, n_folds = len(design.scores), len(np.unique(design.folds))
    cut = f" Of {len(design.factors)} settings the {MAX_FACTORS} that move the score most." if len(spans) > 6 else ""
    return Plot(
        f"search_pairs_{design.kind}",
        figures.heatmaps(panels, score=_score(table), greater_is_better=_greater(table), title=title),
        f"Heatmaps of mean inner {_score(table)} for every pair of settings. {title}.",
        f"Each cell: mean over all other settings and {text.plural(n_folds, 'outer fold')}, "
        f"{text.count(n_rows)} scores in all. Colours span the middle 90 % of the cells; a grey cell holds no "
        f"candidate.{_goes_with([design])}{cut}",
    )


def _extremes(panels: Sequence[figures.Panel], *, greater_is_better: bool) -> tuple[str, str]:
    """The best and the worst pair of values in words."""
    sign = 1.0 if greater_is_better else -1.0
    cells = [
        (sign * float(value), panel, place)
        for panel in panels
        for place, value in np.ndenumerate(panel.means)
        if np.isfinite(value)
    ]
    ranked = sorted(cells, key=lambda cell: -cell[0])
    best, worst = (_cell(*cell[1:], value=sign * cell[0]) for cell in (ranked[0], ranked[-1]))
    return best, worst


def _cell(panel: figures.Panel, place: tuple[int, ...], *, value: float) -> str:
    (row, column), names = place, panel.names
    return f"{names[0]} {panel.levels[0][row]} with {names[1]} {panel.levels[1][column]} ({text.score(value)})"


def search_section(search: Search, drawn: Mapping[str, Picture]) -> Section:
    """The search in words, figures and tables; readable however many candidates there were."""
    outer = search.table
    pictures = [picture for name, picture in drawn.items() if name.startswith("search_")]
    blocks: list[Block] = [Text(_summary(outer)), Text(_rule(outer), tone="note")]
    if outer.halving is not None:
        blocks.append(Text(_halving_note(outer.halving), tone="warning"))
    blocks += [_best_table(outer), _tied_table(outer), _always_tied(outer)]
    blocks += [Pictures((picture,)) for picture in pictures]
    blocks += [_effect_table(search)] if search.found else []
    return Section("search", "The search", tuple(blocks))


def _summary(table: CandidateTable) -> str:
    columns = table.columns
    n_folds = len(_folds(table))
    n_candidates = len(np.unique(columns["candidate"]))
    failed = int(columns["failed"].sum())
    failures = (
        f" {text.count(failed)} of {text.count(len(table))} trials failed and were never chosen." if failed else ""
    )
    return (
        f"{text.plural(n_candidates, 'candidate')}, {text.plural(n_folds, 'outer fold')}, {table.n_inner} inner folds "
        f"each; chosen by {_score(table)}.{failures} Every trial stands in candidates.parquet."
    )


def _rule(table: CandidateTable) -> str:
    return (
        f"Tied with the winner: candidates whose inner {_score(table)} is not told apart from the winner's at 5 % over "
        "all comparisons together (paired over the images of the inner folds, groups drawn as wholes, widened for "
        "shared training images). Cheapest: least time for features, one fit and 1,000 predictions by a rough cost "
        "model. A best inner score flatters, because it is the best of many; the outer score does not."
    )


def _halving_note(summary: str) -> str:
    return (
        f"{summary} Means and effects below are of the candidates that reached the last rung: weak settings had their "
        "worst candidates dropped and look better than they are."
    )


def _folds(table: CandidateTable) -> list[tuple[int, int]]:
    pairs_found = zip(table.columns["repeat"].tolist(), table.columns["fold"].tolist(), strict=True)
    return list(dict.fromkeys(pairs_found))


def _rows_of(table: CandidateTable, fold: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    inside = (table.columns["repeat"] == fold[0]) & (table.columns["fold"] == fold[1])
    return np.flatnonzero(inside)


def _best_table(table: CandidateTable) -> Table:
    """Per source of features, what the inner folds preferred: the paper's Table 3, over folds."""
    labels = np.array(source_labels(table), dtype=object)
    dense = bool((table.columns["kind"] == "dense").any())
    names = _TABLE_SETTINGS if dense else ()
    rows = tuple(_best_row(table, label, np.flatnonzero(labels == label), names) for label in dict.fromkeys(labels))
    columns = (
        "Features",
        "Head",
        *(text.words(name).capitalize() for name in names),
        f"Inner {_score(table)}",
        f"Outer {_score(table)}",
    )
    caption = (
        "Best candidate of each source of features, fold by fold: the value preferred most often, and in how many "
        "folds; mean scores of the folds' best"
    )
    return Table(caption, columns, rows, frozenset(range(1, 2 + len(names))))


def _best_row(
    table: CandidateTable, label: str, rows: np.ndarray[Any, np.dtype[np.int64]], names: Sequence[str]
) -> tuple[str, ...]:
    columns = table.columns
    best = [found for fold in _folds(table) if (found := _best_of(table, rows, fold)) is not None]
    if not best:
        return (label, *["n/a"] * (len(names) + 3))
    cells = [_preferred([columns[name][row] for row in best]) for name in ("kind", *names)]
    inner = text.score(float(np.mean(columns["inner_score"][best])))
    judged = [float(columns["outer_score"][row]) for row in best if np.isfinite(columns["outer_score"][row])]
    outer = text.score(float(np.mean(judged))) if judged else text.MISSING
    partly = f" ({text.plural(len(judged), 'fold')})" if 0 < len(judged) < len(best) else ""
    return (label, *cells, inner, outer + partly)


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


def _tied_table(table: CandidateTable) -> Table:
    """For each outer fold: winner, how many are tied with it, the cheapest of those, inner and outer score."""
    columns, labels = table.columns, source_labels(table)
    n_repeats = len({repeat for repeat, _ in _folds(table)})
    rows = []
    for repeat, fold in _folds(table):
        here = _rows_of(table, (repeat, fold))
        winner = int(here[np.flatnonzero(columns["rank"][here] == 1)[0]])
        cheapest = int(here[np.flatnonzero(columns["cheapest"][here])[0]])
        n_tied, n_ranked = int(columns["tied"][here].sum()), int(np.isfinite(columns["rank"][here]).sum())
        rows.append(
            (
                text.fold_name({"repeat": repeat, "fold": fold}, n_repeats),
                _candidate_label(table, winner, labels),
                f"{text.count(n_tied)} of {text.count(n_ranked)}",
                _candidate_label(table, cheapest, labels),
                _ratio(columns["cost"][winner], columns["cost"][cheapest]),
                text.score(float(columns["inner_score"][winner])),
                _known(columns["outer_score"][winner]),
            )
        )
    score = _score(table)
    names = ("Fold", "Winner", "Tied", "Cheapest tied", "Cost, winner : cheapest", f"Inner {score}", f"Outer {score}")
    return Table("Winner, candidates tied with it, and the cheapest of those", names, tuple(rows), frozenset({1, 3}))


def _ratio(cost: float, least: float) -> str:
    return f"{cost / least:.1f} : 1" if least > 0 else text.MISSING


def _known(value: float) -> str:
    return text.score(float(value)) if np.isfinite(value) else text.MISSING


def _candidate_label(table: CandidateTable, row: int, labels: Sequence[str]) -> str:
    several = len(set(labels)) > 1
    head = str(table.columns["label"][row])
    return f"{labels[row]}: {head}" if several else head


def _always_tied(table: CandidateTable) -> Table:
    """Candidates tied with the winner in most folds, cheapest first among equals."""
    columns, labels = table.columns, source_labels(table)
    n_folds = len(_folds(table))
    times = Counter(columns["candidate"][columns["tied"]].tolist())
    first = {int(number): row for row, number in reversed(list(enumerate(columns["candidate"].tolist())))}
    ranked = sorted(times, key=lambda number: (-times[number], columns["cost"][first[number]], number))
    rows = tuple(
        (
            _candidate_label(table, first[number], labels),
            f"{times[number]} of {n_folds}",
            _seconds(columns["cost"][first[number]]),
            text.score(_mean_score(table, number)),
        )
        for number in ranked[:MAX_TIED]
    )
    caption = f"Tied with the winner in most folds, cheapest first ({len(rows)} of {len(ranked):,} ever tied)"
    return Table(caption, ("Candidate", "Folds", "Rough cost", f"Mean inner {_score(table)}"), rows, frozenset())


def _seconds(value: float) -> str:
    return text.duration(float(value)) if value >= 0.1 else f"{1000 * value:.0f} ms"


def _mean_score(table: CandidateTable, number: int) -> float | None:
    scores = table.columns["inner_score"][table.columns["candidate"] == number]
    known = scores[np.isfinite(scores)]
    return float(known.mean()) if known.size else None


def _effect_table(search: Search) -> Table:
    """The numbers of the effect plot."""
    rows = [
        (f"{_KINDS[design.kind]}: {_name(factor)}", effect.level, f"{effect.value:+.4f}", _bounds(effect))
        for design, lists in search.found
        for factor, made in zip(design.factors, lists, strict=True)
        for effect in made
    ]
    names = ("Setting", "Value", f"Effect on inner {_score(search.table)}", "95 % interval")
    return Table("Effect of every value of every setting", names, tuple(rows), frozenset({1}))


def _bounds(effect: Effect) -> str:
    return f"{effect.low:+.4f} to {effect.high:+.4f}" if np.isfinite(effect.low) else text.MISSING


def _name(factor: Factor) -> str:
    return "features" if factor.name == SOURCE else text.words(factor.name)


def _goes_with(found: Sequence[Design]) -> str:
    """Which settings cannot be told from others, as a sentence with a space before it; empty where none."""
    joined = [(factor, other) for design in found for factor in design.factors for other in factor.goes_with]
    told = [f"each {_name(factor)} has its own {text.words(other)}" for factor, other in joined]
    return f" Not told apart: {text.listed(list(dict.fromkeys(told)))}." if told else ""


def _score(table: CandidateTable) -> str:
    return metric_in_sentence(table.metric)


def _greater(table: CandidateTable) -> bool:
    return find_metric(table.metric).greater_is_better
