"""Which figures a search gets, and the words around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from headstart.report.document import Plot
from headstart.report.figures import search as figures
from headstart.report.search_effects import Design, Effect, cell_means, pairs
from headstart.report.sections.search_words import KINDS, Found, factor_name, is_greater_better, score_name, undecided
from headstart.report.text import format as text
from headstart.study.candidates_table import CandidateTable

MAX_FACTORS = 6
MAX_EFFECT_ROWS = 60


def search_plots(table: CandidateTable, found: Found) -> list[Plot]:
    """The effects of all settings, then a figure of heatmaps for each kind of head with two settings or more."""
    if not found:
        return []
    maps = [_heatmaps(table, design, made) for design, made in found if len(design.factors) > 1]
    return [_effects_plot(table, found), *maps]


def _effects_plot(table: CandidateTable, found: Found) -> Plot:
    several = len({design.kind for design, _ in found}) > 1
    groups = [
        _group(f"{KINDS[design.kind]}: {factor_name(factor)}" if several else factor_name(factor), made)
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
    title = (
        f"Inner {score_name(table)} depends most on {first}: {span:.3f} between the best of its values and the worst"
    )
    cut = f" The {len(shown)} settings that move it most are drawn." if len(shown) < len(groups) else ""
    return Plot(
        "search_effects",
        figures.effects(
            [group for group in groups if group.heading in shown],
            score=score_name(table),
            greater_is_better=is_greater_better(table),
            title=title,
        ),
        f"Dot plot of the effect of every setting. {title}. The numbers stand in the table below.",
        "Each dot: mean score with this value less the mean over the setting's values, all other settings and the "
        "outer fold held alike (least squares; in a full grid plain means). Lines: 95 % of draws of outer folds and of "
        "combinations of the other settings, with replacement; they tell how far an effect hangs on these. Orange: "
        f"best.{undecided([design for design, _ in found])}{cut}",
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
    kept = replace(design, factors=tuple(design.factors[place] for place in chosen))
    panels = []
    for one, other in pairs(kept):
        rows, columns = (one, other) if len(one.levels) >= len(other.levels) else (other, one)
        means, _ = cell_means(kept, rows, columns)
        panels.append(figures.Panel((factor_name(rows), factor_name(columns)), (rows.levels, columns.levels), means))
    best, worst = _extremes(panels, greater_is_better=is_greater_better(table))
    title = f"{KINDS[design.kind]} heads: best pair {best}; worst {worst}"
    n_rows, n_folds = len(design.scores), len(np.unique(design.folds))
    cut = f" Of {len(design.factors)} settings the {MAX_FACTORS} that move the score most." if len(spans) > 6 else ""
    return Plot(
        f"search_pairs_{design.kind}",
        figures.heatmaps(panels, score=score_name(table), greater_is_better=is_greater_better(table), title=title),
        f"Heatmaps of mean inner {score_name(table)} for every pair of settings. {title}.",
        f"Each cell: mean over all other settings and {text.plural(n_folds, 'outer fold')}, "
        f"{text.count(n_rows)} scores in all. Colours span the middle 90 % of the cells; a grey cell holds no "
        f"candidate.{undecided([design])}{cut}",
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
