"""Cells found in pictures whose truth is known."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import ConvexHull
from skimage.morphology import reconstruction

from headstart.cells.segmentation import scale
from headstart.cells.segmentation.foreground import OPENING, opened
from headstart.cells.segmentation.hull import hull_areas
from headstart.cells.segmentation.label_image import Contacts, Runs, as_labels, largest_pieces
from headstart.cells.segmentation.outline import BRIGHTNESS_QUANTILE, cell_brightness
from headstart.cells.segmentation.scale import area_radius, spread_windows
from headstart.cells.segmentation.segment import given_labels, segment
from headstart.cells.segmentation.watershed import distance_maxima
from headstart.errors import InputError


def disks(centres, radius=9.0, shape=(160, 160), bright=200.0, seed=0):
    """Noisy picture of round cells on uneven ground, with their true label image; the later cell lies on top."""
    rows, columns = np.indices(shape)
    truth = np.zeros(shape, dtype=np.int32)
    picture = 20 + 0.1 * rows
    for number, (y, x) in enumerate(centres, start=1):
        inside = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
        truth[inside] = number
        picture[inside] = bright
    return picture + np.random.default_rng(seed).normal(0, 4, shape), truth


APART = [(30, 30), (30, 100), (80, 60), (120, 120), (125, 35)]


def matched(truth, found, iou=0.5):
    """Number of true cells that a found one covers by that intersection over union."""
    n = 0
    for number in range(1, truth.max() + 1):
        cell = truth == number
        for other in np.unique(found[cell][found[cell] > 0]):
            union = np.count_nonzero(cell | (found == other))
            n += np.count_nonzero(cell & (found == other)) > iou * union
    return n


@pytest.mark.parametrize("method", ["local", "otsu", "adaptive"])
def test_cells_apart_are_found_by_every_method(method):
    picture, truth = disks(APART)
    found = segment(picture, method=method)
    assert found.n_cells == len(APART)
    assert matched(truth, found.labels, 0.75) == len(APART)
    assert found.labels.dtype == np.int32
    assert not found.notes


def test_radius_is_estimated():
    picture, _ = disks(APART)
    assert segment(picture).radius == pytest.approx(9.0, rel=0.08)


def test_touching_cells_are_told_apart():
    picture, truth = disks([(40, 40), (40, 56), (110, 90), (110, 106), (96, 98)])
    found = segment(picture)
    assert found.n_cells == 5
    assert matched(truth, found.labels) == 5


def test_pieces_of_one_long_cell_are_joined():
    rows, columns = np.indices((120, 160))
    picture = 10 + 150.0 * (((rows - 60) / 9) ** 2 + ((columns - 80) / 26) ** 2 <= 1)
    picture += 150.0 * ((rows - 25) ** 2 + (columns - 30) ** 2 <= 81)
    found = segment(picture + np.random.default_rng(1).normal(0, 3, picture.shape), diameter=20)
    assert found.n_cells == 2


def test_halo_of_a_bright_cell_is_trimmed():
    rows, columns = np.indices((120, 120))
    distance = np.hypot(rows - 60, columns - 40)
    picture = 10 + 1000 * (distance <= 9) + 150 * np.exp(-np.maximum(distance - 9, 0) / 4)
    picture += 150 * (np.hypot(rows - 60, columns - 90) <= 9)
    found = segment(picture, diameter=18)
    bright = int(found.labels[60, 40])
    assert np.count_nonzero(found.labels == bright) < 1.3 * np.pi * 9**2


def test_dark_speck_inside_a_cell_is_no_hole():
    picture, _ = disks([(40, 40), (90, 100)])
    picture[38:41, 38:41] = 30
    found = segment(picture, diameter=18)
    assert found.n_cells == 2
    assert (found.labels[36:43, 36:43] == found.labels[40, 34]).all()


def test_same_bytes_again_and_whole_numbers_as_floats():
    picture, _ = disks(APART)
    whole = np.rint(picture).astype(np.uint16)
    first, again, floats = segment(whole), segment(whole), segment(whole.astype(np.float64))
    np.testing.assert_array_equal(first.labels, again.labels)
    np.testing.assert_array_equal(first.labels, floats.labels)


def test_tiles_give_what_the_whole_gives():
    centres = [(y + 6 * ((x // 40) % 2), x) for y in range(30, 270, 40) for x in range(30, 270, 40)]
    picture, _ = disks(centres, shape=(300, 300))
    whole, tiled = segment(picture), segment(picture, tile=120)
    assert whole.n_cells == tiled.n_cells == len(centres)
    assert matched(whole.labels, tiled.labels, 0.95) >= 0.995 * len(centres)


@pytest.mark.parametrize("picture", [np.full((64, 64), 7), np.zeros((64, 64), np.uint8)], ids=["flat", "black"])
def test_nothing_in_a_flat_picture(picture):
    found = segment(picture)
    assert found.n_cells == 0
    assert "nothing stands out" in found.notes[0]


def test_nothing_in_noise():
    noise = np.random.default_rng(0).normal(100, 5, (128, 128))
    assert segment(noise).n_cells == 0
    assert segment(noise, diameter=12).n_cells == 0


def test_one_giant_cell():
    picture, truth = disks([(80, 80)], radius=60)
    found = segment(picture)
    assert found.n_cells == 1
    assert matched(truth, found.labels, 0.75) == 1


def test_saturated_and_inverted_pictures_are_noted():
    picture, _ = disks(APART)
    assert any("inverted" in note for note in segment(250 - picture).notes)
    assert any("overexposed" in note for note in segment(np.minimum(picture, 150)).notes)


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (np.zeros((8, 8, 3)), "choose a channel"),
        (np.where(np.eye(32) > 0, np.nan, 1.0), "32 pixels are no finite number"),
        (np.zeros((0, 0)), "too few"),
        (np.full((9, 9), "a"), "expected numbers"),
    ],
)
def test_what_is_no_plane_is_refused(picture, words):
    with pytest.raises(InputError, match=words):
        segment(picture)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"diameter": -3}, "diameter is -3"),
        ({"diameter": 10, "pixel_um": 0.0}, "pixel size is 0"),
        ({"diameter": 0.1, "pixel_um": 1.0}, "at least 1 pixel"),
        ({"method": "locl"}, "Did you mean 'local'"),
        ({"tile": 2}, "too small"),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        segment(disks(APART)[0], **options)


def test_diameter_in_micrometres():
    picture, _ = disks(APART)
    assert segment(picture, 9.0, 0.5).radius == 9.0


def test_label_images_of_other_tools():
    labels = np.array([[0, 7, 7], [900_000, 0, 7]], dtype=np.uint32)
    found = given_labels(labels, (2, 3))
    assert found.labels.tolist() == [[0, 1, 1], [2, 0, 1]]
    assert (found.method, found.n_cells, found.radius) == ("given", 2, None)
    with pytest.raises(InputError, match="3 x 2 pixels for a micrograph of 2 x 3"):
        given_labels(labels.T, (2, 3))
    with pytest.raises(InputError, match="whole numbers"):
        given_labels(labels.astype(float), (2, 3))
    with pytest.raises(InputError, match="least here is -1"):
        given_labels(np.array([[-1, 2]]), (1, 2))


def test_label_image_without_background():
    assert as_labels(np.array([[3, 3], [8, 3]])).tolist() == [[1, 1], [2, 1]]


def test_largest_piece_of_every_label():
    labels = np.array([[1, 0, 1, 1], [0, 0, 2, 0]], dtype=np.int32)
    assert largest_pieces(labels).tolist() == [[0, 0, 1, 1], [0, 0, 2, 0]]


def test_seeds_are_those_of_a_reconstruction():
    mask = ndimage.gaussian_filter(np.random.default_rng(3).normal(size=(90, 90)), 3) > 0
    distance = ndimage.distance_transform_edt(mask).astype(np.float32)
    steps = np.floor(distance / 0.4).astype(np.int32)
    slow, _ = ndimage.label(steps > reconstruction(np.maximum(steps - 1, 0), steps), np.ones((3, 3)))
    np.testing.assert_array_equal(distance_maxima(distance, 0.4), slow)
    assert slow.max() > 20


def test_contacts_are_pixels_side_by_side():
    contacts = Contacts.find(np.array([[1, 2], [0, 2], [3, 2]], dtype=np.int32))
    pairs, which = contacts.pairs()
    assert pairs.tolist() == [[1, 2], [2, 3]]
    assert np.bincount(which).tolist() == [1, 1]


def blobs(seed, shape=(90, 110), sigma=3.0):
    return ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma) > 0


@pytest.mark.parametrize("radius", [3.0, 5.0, 12.0, 33.7])
def test_opening_is_that_by_distances(radius):
    mask, reach = blobs(1), OPENING * radius
    expected = mask
    if reach >= 1:
        inside = ndimage.distance_transform_edt(np.pad(mask, 40, constant_values=True))[40:-40, 40:-40] > reach
        expected = ndimage.distance_transform_edt(~inside) <= reach if inside.any() else np.zeros_like(mask)
    np.testing.assert_array_equal(opened(mask, radius), expected)


def test_opening_of_all_and_of_nothing():
    for value in (False, True):
        np.testing.assert_array_equal(opened(np.full((12, 9), value), 8.0), value)


def test_hulls_of_unions_are_those_of_all_corners():
    labels = ndimage.label(blobs(2))[0].astype(np.int32)
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    groups = np.array([[1, 2], [3, 1], [labels.max(), 4]])
    runs = Runs.find(labels)
    places, member = runs.of(groups.ravel())
    areas = hull_areas(runs, places, member // 2, len(groups))
    for group, area in zip(groups, areas, strict=True):
        pixels = np.argwhere(np.isin(labels, group))
        hull = ConvexHull((pixels[:, None] + corners).reshape(-1, 2))
        assert area == pytest.approx(hull.volume, rel=1e-12)


def test_runs_are_the_pixels_of_every_label():
    labels = np.array([[1, 1, 0, 2], [2, 1, 1, 2], [0, 2, 0, 0]], dtype=np.int32)
    runs = Runs.find(labels)
    assert runs.starts.tolist() == [0, 0, 2, 6]
    assert list(zip(runs.row, runs.left, runs.right, strict=True)) == [
        (0, 0, 1),
        (1, 1, 2),
        (0, 3, 3),
        (1, 0, 0),
        (1, 3, 3),
        (2, 1, 1),
    ]


def test_brightness_of_a_cell_is_the_quartile_of_its_sorted_pixels():
    generator = np.random.default_rng(4)
    labels = generator.integers(0, 5, (30, 40)).astype(np.int32)
    labels[labels == 2] = 0
    flat = generator.normal(0, 3, labels.shape).astype(np.float32)
    found = cell_brightness(labels, flat)
    for number in (1, 3, 4):
        ranked = np.sort(flat[labels == number])
        assert found[number] == ranked[int(BRIGHTNESS_QUANTILE * len(ranked))]
    assert found[0] == found[2] == 0


def test_few_cells_between_the_windows_of_a_large_picture_are_found(monkeypatch):
    monkeypatch.setattr(scale, "MAX_WHOLE", 10_000)
    monkeypatch.setattr(scale, "WINDOW", 32)
    picture, _ = disks([(60, 60), (105, 58)])
    assert len(spread_windows(picture)) == 9
    assert segment(picture).n_cells == 2


def test_scale_of_a_large_picture_comes_from_windows_spread_over_it():
    windows = spread_windows(np.zeros((4000, 3000), dtype=np.float32))
    assert [window.shape for window in windows] == [(512, 512)] * 9
    assert area_radius(np.zeros(3)) is None


def test_examples_of_the_page():
    page = Path(__file__).parents[2] / "docs" / "cells.md"
    found = doctest.testfile(str(page), module_relative=False, verbose=False)
    assert found.attempted > 5
    assert found.failed == 0
