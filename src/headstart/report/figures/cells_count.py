"""Figures of a count of cells: its share over dose and time, and how well the model counts where the truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from headstart.errors import plural
from headstart.report.document import Plot
from headstart.report.figures.style import BLUE, GREY, INK, ORANGE, new_figure, set_title, styled
from headstart.results.models.cells_count import AgreementFacts, CellsCountResults, CountedFacts, KnownFacts, ShareFacts

Floats = NDArray[np.float64]
_WIDE: Final = 20
"""Doses whose largest is so many times the smallest above 0 are shown on a logarithmic axis."""
_APART: Final = 0.014
"""Distance of two dots of one level, as a share of the axis."""
_APART_SHARE: Final = 0.08
"""The same on a logarithmic axis, as a share of the level."""


def shown_share(one: CountedFacts) -> ShareFacts | None:
    """The corrected share, or the one as called where there is no correction; None without cells."""
    return one.corrected if one.corrected is not None else one.called


def share_plot(results: CellsCountResults, column: str, *, kind: str) -> Plot | None:
    """Share in every well over its dose or time; None where no well with cells has a value.

    Parameters
    ----------
    results : CellsCountResults
    column : str
        Column of the table of wells.
    kind : {"dose", "time"}
    """
    wells = [(one, share) for one in results.wells if one.about.get(column) and (share := shown_share(one)) is not None]
    if not wells:
        return None
    x = np.array([float(one.about[column]) for one, _ in wells])
    y = np.array([100 * share.value for _, share in wells])
    ends = np.array([[100 * end for end in share.ci95] for _, share in wells])
    levels = np.unique(x)
    means = np.array([y[x == level].mean() for level in levels])
    shares = f"{means[0]:.0f} % at {column} {levels[0]:g}"
    if len(levels) > 1:
        shares += f", {means[-1]:.0f} % at {levels[-1]:g}"
    title = f"{results.counted} cells: {shares} ({plural(len(wells), 'well')})"
    with styled():
        figure = new_figure(6.4, 4.2)
        axes = figure.add_subplot()
        axes.plot(levels, means, color=BLUE, zorder=2, label="mean of the wells")
        axes.errorbar(
            _apart(x), y, yerr=[y - ends[:, 0], ends[:, 1] - y], fmt="o", color=BLUE, ecolor=GREY, markersize=4,
            elinewidth=0.9, capsize=2, zorder=3, label=f"a well, {_what(results)}, with 95 %",
        )  # fmt: skip
        if results.known is not None:
            raw = [100 * one.called.value if one.called is not None else np.nan for one, _ in wells]
            axes.plot(_apart(x), raw, "x", color=ORANGE, markersize=4, zorder=4, label="as called")
        _axes(axes, x, column, results.counted)
        axes.legend(loc="best")
        set_title(figure, title)
    caption = "Each dot is a well; its interval knows that cells of one field are alike" + (
        " and that the model errs. Crosses: the share as the model called it." if results.known else "."
    )
    return Plot(kind, figure, f"Share of {results.counted} cells over {column}. {title}.", caption)


def agreement_plot(results: CellsCountResults) -> Plot | None:
    """Bland and Altman's figure of the model's own out-of-fold counts; None where the truth is not known."""
    known = results.known
    if known is None or known.agreement is None:
        return None
    called = known.agreement
    title = f"As called {_bias(called)}"
    if known.corrected_agreement is not None:
        title += f"; corrected {_bias(known.corrected_agreement)}"
    with styled():
        figure = new_figure(8.4, 3.9)
        left = figure.add_subplot(1, 2, 1)
        _differences(left, known.truth, known.called, called, labels=(results.counted, "as called"))
        if known.corrected_agreement is not None:
            right = figure.add_subplot(1, 2, 2, sharey=left)
            _differences(
                right, known.truth, known.corrected, known.corrected_agreement, labels=(results.counted, "corrected")
            )
        set_title(figure, title)
    caption = (
        f"{plural(called.n, 'group')} of cells with known classes, predicted out of fold. Solid: mean difference "
        "with its 95 % interval. Dashed: limits between which 95 % of the groups lie. Corrected: by the errors in all "
        "other groups."
    )
    return Plot("agreement", figure, f"Differences of counted and true shares. {title}.", caption)


def _bias(found: AgreementFacts) -> str:
    low, high = found.limits
    return f"{100 * found.bias:+.1f} points on average, limits {100 * low:+.1f} to {100 * high:+.1f}"


def _differences(
    axes: Axes,
    truth: Sequence[float],
    shares: Sequence[float | None],
    found: AgreementFacts,
    *,
    labels: tuple[str, str],
) -> None:
    true, measured = np.array(truth), np.array([np.nan if share is None else share for share in shares])
    axes.plot(100 * (true + measured) / 2, 100 * (measured - true), "o", color=BLUE, markersize=3.5, alpha=0.6)
    axes.axhspan(*(100 * end for end in found.bias_ci95), color=ORANGE, alpha=0.2, linewidth=0)
    axes.axhline(100 * found.bias, color=ORANGE)
    for limit in found.limits:
        axes.axhline(100 * limit, color=ORANGE, linestyle="--", linewidth=1)
    axes.axhline(0, color=INK, linewidth=0.6)
    axes.set_xlim(-2, 102)
    axes.set_xlabel(f"Mean of counted and true share of {labels[0]} (%)")
    axes.set_ylabel(f"Counted less true (points), {labels[1]}")
    axes.grid(True, axis="y")


def _axes(axes: Axes, x: Floats, column: str, counted: str) -> None:
    above = x[x > 0]
    if _is_logarithmic(x):
        axes.set_xscale("symlog", linthresh=float(above.min()), linscale=0.5)
        levels = np.unique(x)
        ticks = levels if len(levels) <= 12 else levels[:: int(np.ceil(len(levels) / 12))]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)
        axes.set_xlim(-0.3 * float(above.min()) if x.min() == 0 else 0.7 * float(above.min()), 1.4 * float(x.max()))
    axes.set_ylim(-3, 103)
    axes.set_xlabel(column)
    axes.set_ylabel(f"{counted} (% of the cells)")
    axes.grid(True, axis="y")


def _apart(x: Floats) -> Floats:
    """Places of the dots: those of one level side by side, equally far on the axis, so that every interval is seen.

    A level keeps to half of the way to the next.
    """
    levels, of_dot, n_dots = np.unique(x, return_inverse=True, return_counts=True)
    before = np.array([np.count_nonzero(of_dot[:row] == level) for row, level in enumerate(of_dot)])
    place = before - (n_dots[of_dot] - 1) / 2
    n_gaps = max(int(n_dots.max()) - 1, 1)
    if _is_logarithmic(x):
        above = levels[levels > 0]
        room = min(0.5, float((above[1:] / above[:-1]).min() - 1) / 2)
        return x + min(_APART_SHARE, room / n_gaps) * np.where(x > 0, x, above[0]) * place
    room = float(np.diff(levels).min()) / 2 if len(levels) > 1 else 1.0
    return x + min(_APART * float(np.ptp(levels)) or 1.0, room / n_gaps) * place


def _is_logarithmic(x: Floats) -> bool:
    above = x[x > 0]
    return bool(len(above) and above.max() / above.min() >= _WIDE and x.min() >= 0)


def _what(results: CellsCountResults) -> str:
    corrected = any(one.corrected is not None for one in results.wells)
    return "corrected" if corrected else "as called"


def known_rows(known: KnownFacts) -> tuple[tuple[str, str, str], ...]:
    """The model's error rates, as rows of a table."""
    return tuple(
        (
            name,
            f"{rate.value:.1%}",
            f"{rate.right:,.0f} of {rate.n:,.0f}, worth {rate.effective_n:,.0f} independent cells",
        )
        for name, rate in (("sensitivity", known.sensitivity), ("specificity", known.specificity))
    )
