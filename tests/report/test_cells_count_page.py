"""Figures and tables of a count of cells."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.cells.counting.shares import FieldCount, count_class
from headstart.cells.micrographs.plate import PlatePosition
from headstart.report.cells_count import wells_table
from headstart.report.figures.cells_count import share_plot
from headstart.results.models.cells_count import CellsCountResults
from headstart.results.writers.cells_count import counted_facts


def results(values):
    """Wells of two fields with these values of the columns x and drug."""
    fields = [
        FieldCount(f"A{well:02d}_f{number}", PlatePosition("", f"A{well:02d}", str(number)), 20, 4 + well % 12)
        for well in range(1, len(values) + 1)
        for number in (1, 2)
    ]
    count = count_class(fields)

    def about(plate, well):
        return {"x": f"{values[int(well[1:]) - 1]:g}", "drug": "none"} if well else {}

    return CellsCountResults(
        format=1,
        headstart="0",
        classes=("living", "dead"),
        counted="dead",
        n_cells=40 * len(values),
        n_counted=sum(one.counted for one in fields),
        images=tuple(counted_facts(one, about) for one in count.images),
        wells=tuple(counted_facts(one, about) for one in count.wells),
        likeness=count.alike.correlation,
        likeness_freedom=count.alike.freedom,
        known=None,
        dose_column=None,
        time_column="x",
        skipped=(),
        notes=(),
    )


def dots(values):
    """Places of the wells' dots, and whether the axis is logarithmic."""
    plot = share_plot(results(values), "x", kind="time")
    (axes,) = plot.figure.axes
    return np.array(axes.lines[1].get_xdata()), axes.get_xscale()


def test_dots_of_one_level_are_equally_far_apart_on_the_axis():
    places, scale = dots([6, 6, 6, 48, 48, 48])
    assert scale == "linear"
    gaps = np.diff(places.reshape(2, 3), axis=1)
    assert gaps == pytest.approx(gaps[0, 0])
    assert places.reshape(2, 3).mean(axis=1) == pytest.approx([6, 48])


def test_dots_of_doses_are_equally_far_apart_on_a_logarithmic_axis():
    places, scale = dots([0.3, 0.3, 30, 30])
    assert scale == "symlog"
    low, high = places.reshape(2, 2)
    assert high / 30 == pytest.approx(low / 0.3)
    assert low[1] > 1.05 * low[0]


@pytest.mark.parametrize("last", [3, 40])
def test_a_crowded_level_does_not_reach_the_next(last):
    places, scale = dots([1] * 40 + [2] * 40 + [last])
    assert scale == ("symlog" if last == 40 else "linear")
    assert 0 < places[:40].min() < places[:40].max() < places[40:80].min()


@pytest.mark.parametrize(
    ("values", "words"), [([6, 48], "25 % at x 6, 30 % at 48 (2 wells)"), ([5, 5], "28 % at x 5 (2 wells)")]
)
def test_the_title_tells_the_shares_at_both_ends(values, words):
    plot = share_plot(results(values), "x", kind="time")
    assert f"dead cells: {words}" in plot.alt


def test_words_about_the_wells_are_aligned_as_words():
    table = wells_table(results([6, 48]))
    assert table.columns[:3] == ("well", "x", "drug")
    assert table.text_columns == {2}
