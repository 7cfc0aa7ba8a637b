"""The figures of a search: a heatmap for every pair of settings, and the effect of each setting with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from headstart.heads.spec import KINDS
from headstart.report.document import Plot
from headstart.report.figures import style
from headstart.report.figures.labels import told_apart
from headstart.report.locale.messages import mark, ntr, tr
from headstart.report.search_effects import Design, Effect, cell_means, pairs
from headstart.report.text import format as text
from headstart.report.text.search_names import (
    SettingEffects,
    factor_name,
    is_greater_better,
    score_name,
    undecided,
)
from headstart.results.candidates_table import CandidateTable

Floats = NDArray[np.float64]
MAX_FACTORS = 6
MAX_EFFECT_ROWS = 60
MAX_NUMBERED_LEVELS = 8
MAX_LEVEL = 16
_PANEL_INCHES = 2.9
_CELL_INCHES = 0.36
_ROW_INCHES = 0.235


@dataclass(frozen=True, eq=False)
class Panel:
    """One pair of settings: names, values and mean scores of shape (row values, column values), nan where empty."""

    names: tuple[str, str]
    levels: tuple[tuple[str, ...], tuple[str, ...]]
    means: Floats


@dataclass(frozen=True, eq=False)
class EffectGroup:
    """One setting: its heading, its values, and their effects with 95 % intervals, each of shape (values,)."""

    heading: str
    levels: tuple[str, ...]
    values: Floats
    low: Floats
    high: Floats


def search_plots(table: CandidateTable, found: SettingEffects) -> list[Plot]:
    """The effects of all settings, then a figure of heatmaps for each kind of head with two settings or more."""
    if not found:
        return []
    maps = [_heatmaps(table, design, made) for design, made in found if len(design.factors) > 1]
    return [_effects_plot(table, found), *maps]


def _effects_plot(table: CandidateTable, found: SettingEffects) -> Plot:
    several = len({design.kind for design, _ in found}) > 1
    groups = [
        _group(f"{KINDS[design.kind].title}: {factor_name(factor)}" if several else factor_name(factor), made)
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
    title = tr(
        "Inner {score} depends most on {first}: {span} between the best of its values and the worst",
        score=score_name(table),
        first=first,
        span=f"{span:.3f}",
    )
    cut = (
        tr("The {n_shown} settings that move it most are drawn.", n_shown=len(shown))
        if len(shown) < len(groups)
        else ""
    )
    return Plot(
        "search_effects",
        effects(
            [group for group in groups if group.heading in shown],
            score=score_name(table),
            greater_is_better=is_greater_better(table),
            title=title,
        ),
        tr("Dot plot of the effect of every setting. {title}. The numbers stand in the table below.", title=title),
        _sentences(
            tr(
                "Each dot: mean score with this value less the mean over the setting's values, all other "
                "settings and the outer fold held alike (least squares; in a full grid plain means). Lines: 95 % "
                "of draws of outer folds and of combinations of the other settings, with replacement; they tell "
                "how far an effect hangs on these. Orange: best."
            ),
            undecided([design for design, _ in found]),
            cut,
        ),
    )


def _sentences(*sentences: str) -> str:
    return " ".join(filter(None, sentences))


def _group(heading: str, made: Sequence[Effect]) -> EffectGroup:
    values, low, high = (np.array([getattr(effect, name) for effect in made]) for name in ("value", "low", "high"))
    return EffectGroup(heading, tuple(effect.level for effect in made), values, low, high)


def _span(values: Floats) -> float:
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
        panels.append(Panel((factor_name(rows), factor_name(columns)), (rows.levels, columns.levels), means))
    best, worst = _extremes(panels, greater_is_better=is_greater_better(table))
    title = tr("{kind} heads: best pair {best}; worst {worst}", kind=KINDS[design.kind].title, best=best, worst=worst)
    n_rows, n_folds = len(design.scores), len(np.unique(design.folds))
    cut = (
        tr(
            "Of {n_factors} settings the {n_shown} that move the score most.",
            n_factors=len(design.factors),
            n_shown=MAX_FACTORS,
        )
        if len(spans) > 6
        else ""
    )
    return Plot(
        f"search_pairs_{design.kind}",
        heatmaps(panels, score=score_name(table), greater_is_better=is_greater_better(table), title=title),
        tr("Heatmaps of mean inner {score} for every pair of settings. {title}.", score=score_name(table), title=title),
        _sentences(
            tr(
                "Each cell: mean over all other settings and {folds}, {n_rows} scores in all. Colours span the middle "
                "90 % of the cells; a grey cell holds no candidate.",
                folds=ntr("{n} outer fold", "{n} outer folds", n_folds),
                n_rows=text.count(n_rows),
            ),
            undecided([design]),
            cut,
        ),
    )


def _extremes(panels: Sequence[Panel], *, greater_is_better: bool) -> tuple[str, str]:
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


def _cell(panel: Panel, place: tuple[int, ...], *, value: float) -> str:
    (row, column), names = place, panel.names
    return tr(
        "{setting} {value} with {other} {other_value} ({score})",
        setting=names[0],
        value=panel.levels[0][row],
        other=names[1],
        other_value=panel.levels[1][column],
        score=text.score(value),
    )


@style.styled()
def heatmaps(panels: Sequence[Panel], *, score: str, greater_is_better: bool, title: str) -> Figure:
    """Mean inner score for every pair of values, one panel per pair of settings, one colour scale for all.

    Bright is better, whichever way the score runs. The scale spans the middle 90 % of the cells, so that a setting
    that failed badly does not make all others look alike.

    Parameters
    ----------
    panels : sequence of Panel
    score : str
        Name of the score, for the colour bar.
    greater_is_better : bool
    title : str
        The finding.
    """
    n_columns = min(3, len(panels))
    rows = [panels[start : start + n_columns] for start in range(0, len(panels), n_columns)]
    heights = [0.75 + _CELL_INCHES * max(len(panel.levels[0]) for panel in row) for row in rows]
    figure = style.new_figure(max(4.6, _PANEL_INCHES * n_columns + 0.4), sum(heights) + 1.1)
    grid = figure.subplots(len(rows), n_columns, squeeze=False, height_ratios=heights)
    cells = np.concatenate([panel.means[np.isfinite(panel.means)] for panel in panels])
    scale = Normalize(*_limits(cells), clip=True)
    colours = colormaps["cividis" if greater_is_better else "cividis_r"]
    decimals = _decimals(cells)
    for axes, panel in zip(grid.flat, panels, strict=False):
        _draw_panel(axes, panel, scale, colours, decimals)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_axis_off()
    bar = figure.colorbar(
        ScalarMappable(scale, colours), ax=grid, location="bottom", shrink=0.5, aspect=40, pad=0.01, extend="both"
    )
    bar.set_label(
        tr("Mean inner {score} (higher and brighter is better)", score=score)
        if greater_is_better
        else tr("Mean inner {score} (lower and brighter is better)", score=score)
    )
    style.set_title(figure, title)
    return figure


def _limits(cells: Floats) -> tuple[float, float]:
    low, high = (float(value) for value in np.quantile(cells, [0.05, 0.95]))
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _decimals(cells: Floats) -> int:
    """Decimals that tell the middle half of the cells apart, from 2 to 4."""
    spread = float(np.subtract(*np.quantile(cells, [0.75, 0.25])))
    return int(np.clip(np.ceil(-np.log10(max(spread, 1e-9))) + 1, 2, 4))


def _draw_panel(axes: Axes, panel: Panel, scale: Normalize, colours: Colormap, decimals: int) -> None:
    shown = np.ma.masked_invalid(panel.means)
    axes.set_facecolor(style.PALE)
    axes.imshow(shown, cmap=colours, norm=scale, aspect="auto")
    row_levels, column_levels = (told_apart(levels, MAX_LEVEL) for levels in panel.levels)
    steep = max(map(len, column_levels)) * len(column_levels) > 22
    axes.set_xticks(
        range(len(column_levels)), column_levels, rotation=35 if steep else 0, ha="right" if steep else "center"
    )
    axes.set_yticks(range(len(row_levels)), row_levels)
    axes.tick_params(length=0, labelsize=8)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(panel.names[1], fontsize=8.5)
    axes.set_ylabel(panel.names[0], fontsize=8.5)
    if len(column_levels) <= MAX_NUMBERED_LEVELS:
        _write_means(axes, panel.means, scale, colours, decimals)


def _write_means(axes: Axes, means: Floats, scale: Normalize, colours: Colormap, decimals: int) -> None:
    size = 8.0 if means.shape[1] <= 4 else 6.2 if means.shape[1] <= 6 else 5.0
    for (row, column), value in np.ndenumerate(means):
        if np.isfinite(value):
            red, green, blue, _ = colours(scale(float(value)))
            ink = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
            axes.text(column, row, f"{value:.{decimals}f}", ha="center", va="center", color=ink, fontsize=size)


@style.styled()
def effects(groups: Sequence[EffectGroup], *, score: str, greater_is_better: bool, title: str) -> Figure:
    """Effect of every value of every setting on the inner score, settings below one another.

    Parameters
    ----------
    groups : sequence of EffectGroup
    score : str
        Name of the score.
    greater_is_better : bool
    title : str
        The finding.
    """
    n_rows = sum(len(group.levels) + 1 for group in groups)
    figure = style.new_figure(6.4, 1.3 + _ROW_INCHES * n_rows)
    axes = figure.subplots()
    labels: list[str] = []
    headings = set()
    for group in groups:
        headings.add(len(labels))
        labels.append(group.heading)
        for place, level in enumerate(told_apart(group.levels, MAX_LEVEL)):
            _draw_effect(axes, group, place, len(labels), greater_is_better=greater_is_better)
            labels.append(level)
    axes.axvline(0, color=style.GREY, linewidth=1, linestyle=(0, (4, 3)))
    axes.set_yticks(range(n_rows), labels)
    for height in headings:
        axes.get_yticklabels()[height].set_fontweight("bold")
    axes.set(ylim=(n_rows - 0.4, -0.6))
    axes.tick_params(axis="y", length=0, labelsize=8.5)
    axes.grid(True, axis="x")
    axis = mark("Effect on inner {score} (further left is better), 95 % interval")
    if greater_is_better:
        axis = mark("Effect on inner {score} (further right is better), 95 % interval")
    figure.supxlabel(tr(axis, score=score), fontsize=9.5)
    style.set_title(figure, title)
    return figure


def _draw_effect(axes: Axes, group: EffectGroup, place: int, height: int, *, greater_is_better: bool) -> None:
    """A dot and its interval: orange for the best value of the setting, blue for the others."""
    best = np.argmax(group.values) if greater_is_better else np.argmin(group.values)
    colour = style.ORANGE if place == best else style.BLUE
    value, low, high = group.values[place], group.low[place], group.high[place]
    axes.plot(value, height, "D" if place == best else "o", color=colour, markersize=4.5)
    if np.isfinite(low):
        axes.plot([low, high], [height, height], color=colour, linewidth=1.6)
