"""Measured cells against scikit-image and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import regionprops

from headstart.cells.measure import INTENSITY, SHAPE, measure_cells
from headstart.errors import InputError


def two_cells():
    rows, columns = np.indices((40, 50))
    labels = np.zeros((40, 50), dtype=np.int32)
    labels[((rows - 12) / 6) ** 2 + ((columns - 14) / 10) ** 2 <= 1] = 1
    labels[(rows - 28) ** 2 + (columns - 36) ** 2 <= 49] = 2
    return labels, np.random.default_rng(0).uniform(0, 100, labels.shape)


def test_columns_agree_with_scikit_image():
    labels, plane = two_cells()
    table = measure_cells(labels, {"dapi": plane})
    for row, region in enumerate(regionprops(labels, plane)):
        assert (table.y[row], table.x[row]) == pytest.approx(region.centroid)
        assert table.box[row].tolist() == list(region.bbox)
        expected = {
            "area": region.area,
            "major_axis": region.axis_major_length,
            "minor_axis": region.axis_minor_length,
            "eccentricity": region.eccentricity,
            "extent": region.extent,
            "mean_dapi": region.intensity_mean,
            "max_dapi": region.intensity_max,
            "min_dapi": region.intensity_min,
            "std_dapi": plane[labels == row + 1].std(),
            "sum_dapi": plane[labels == row + 1].sum(),
        }
        for name, value in expected.items():
            assert table.columns[name][row] == pytest.approx(value, rel=1e-5), name


def test_perimeter_and_form_factor_of_a_disk():
    rows, columns = np.indices((60, 60))
    disk = ((rows - 30) ** 2 + (columns - 30) ** 2 <= 20**2).astype(np.int32)
    found = measure_cells(disk, {}).columns
    assert found["perimeter"][0] == pytest.approx(2 * np.pi * 20, rel=0.04)
    assert found["form_factor"][0] == pytest.approx(1, abs=0.06)


def test_lengths_in_micrometres():
    labels, plane = two_cells()
    pixels, micrometres = (measure_cells(labels, {"dapi": plane}, pixel_um=size) for size in (None, 0.5))
    assert micrometres.columns["area"] == pytest.approx(pixels.columns["area"] / 4)
    assert micrometres.columns["major_axis"] == pytest.approx(pixels.columns["major_axis"] / 2)


def test_names_and_order_of_the_columns():
    labels, plane = two_cells()
    table = measure_cells(labels, {"a": plane, "b": plane})
    assert tuple(table.columns) == (*SHAPE, *(f"{name}_{channel}" for channel in "ab" for name in INTENSITY))
    assert all(np.isfinite(column).all() for column in table.columns.values())


def test_no_cells_give_an_empty_table():
    table = measure_cells(np.zeros((5, 5), dtype=np.int32), {"dapi": np.ones((5, 5))})
    assert len(table) == 0
    assert all(len(column) == 0 for column in table.columns.values())


def test_channel_of_another_size_is_refused():
    labels, plane = two_cells()
    with pytest.raises(InputError, match="Channel 'dapi' has the shape"):
        measure_cells(labels, {"dapi": plane[:-1]})
