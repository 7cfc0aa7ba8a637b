"""Lesions found in drawn pictures and in PH2, and numbers measured in them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from headstart.data import ImageDataset
from headstart.lesions import FoundLesion, find_lesion, measure_lesion, measure_names

SKIN, BROWN = np.array([225, 180, 160]), np.array([120, 75, 55])


def drawn(height=120, width=160, *, centre=(60, 80), radii=(25, 35), corners=False, seed=0):
    """A brown ellipse on skin with some noise, and its mask."""
    down, across = np.ogrid[:height, :width]
    mask = ((down - centre[0]) / radii[0]) ** 2 + ((across - centre[1]) / radii[1]) ** 2 <= 1
    noise = np.random.default_rng(seed).normal(0, 3, (height, width, 3))
    pixels = np.where(mask[..., None], BROWN, SKIN) + noise
    if corners:
        pixels[np.hypot(down - height / 2, across - width / 2) > 0.53 * width] = 15
    return pixels.clip(0, 255).astype(np.uint8), mask


def jaccard(first, second):
    return (first & second).sum() / (first | second).sum()


@pytest.mark.parametrize("corners", [False, True])
def test_a_drawn_lesion_is_found(corners):
    pixels, mask = drawn(corners=corners)
    found = find_lesion(pixels)
    assert found.is_found
    assert jaccard(found.mask, mask) > 0.9


def test_black_bars_around_the_picture_change_nothing():
    pixels, mask = drawn()
    barred = np.pad(pixels, ((20, 20), (0, 0), (0, 0)))
    assert jaccard(find_lesion(barred).mask[20:-20], mask) > 0.9


def test_hair_does_not_become_part_of_the_lesion():
    pixels, mask = drawn()
    pixels[:, 30:32] = 30
    assert jaccard(find_lesion(pixels).mask, mask) > 0.88


def test_without_a_lesion_the_whole_picture_stands_for_it():
    noise = np.random.default_rng(0).normal(0, 3, (120, 160, 3))
    for pixels in ((SKIN + noise).clip(0, 255).astype(np.uint8), np.zeros((120, 160, 3), dtype=np.uint8)):
        found = find_lesion(pixels)
        assert not found.is_found
        assert found.share == 1


def test_large_pictures_are_looked_at_smaller_and_masks_come_at_any_size():
    pixels, mask = drawn()
    large = np.asarray(Image.fromarray(pixels).resize((800, 600)))
    found = find_lesion(large)
    assert found.mask.shape == (240, 320)
    assert jaccard(found.at(120, 160), mask) > 0.9


def test_numbers_are_named_and_the_same_each_time():
    pixels, _ = drawn()
    found = measure_lesion(pixels)
    assert found.shape == (len(measure_names()),)
    assert len(set(measure_names())) == len(measure_names())
    assert np.isfinite(found).all()
    assert np.array_equal(found, measure_lesion(pixels))


def numbers(pixels):
    return dict(zip(measure_names(), measure_lesion(pixels).tolist(), strict=True))


def test_a_disk_is_measured_as_one():
    pixels, mask = drawn(radii=(30, 30))
    found = numbers(pixels)
    assert found["lesion found"] == 1
    assert found["share of the picture"] == pytest.approx(mask.mean(), rel=0.06)
    assert found["compactness"] == pytest.approx(1, abs=0.15)
    assert found["solidity"] > 0.95
    assert found["axis ratio"] == pytest.approx(1, abs=0.05)
    assert found["asymmetry of shape across the long axis"] < 0.05
    assert found["edge contrast"] > 15
    assert found["L* less that of the skin"] < -15


def test_half_a_disk_is_asymmetric_and_two_colours_count():
    round_, _ = drawn(radii=(30, 30))
    lying, mask = drawn(radii=(30, 30))
    lying[:, 80:][mask[:, 80:]] = (30, 25, 25)
    assert numbers(lying)["number of colours"] > numbers(round_)["number of colours"]
    both = [f"asymmetry of L* across the {axis} axis" for axis in ("long", "short")]
    assert max(numbers(lying)[name] for name in both) > 10 > max(numbers(round_)[name] for name in both)


def test_a_picture_without_a_lesion_is_measured_whole():
    flat = np.full((60, 80, 3), 200, dtype=np.uint8)
    found = numbers(flat)
    assert (found["lesion found"], found["share of the picture"]) == (0, 1)
    assert all(np.isfinite(list(found.values())))
    tiny = np.zeros((3, 3, 3), dtype=np.uint8)
    assert np.isfinite(measure_lesion(tiny)).all()


def test_a_mask_at_its_own_size_is_itself():
    mask = np.eye(4, dtype=np.bool_)
    assert FoundLesion(mask, is_found=True).at(4, 4) is mask


def test_masks_of_some_ph2_images_are_those_of_dermatologists(ph2):
    """Six images of those that the rule was made on; all 200 stand in docs/lesions.md."""
    dataset = ImageDataset.from_manifest(ph2, columns={"label": "diagnosis"})
    scores = []
    for row in (0, 4, 8, 100, 104, 108):
        name = dataset.names[row].rpartition("/")[2].replace(".jpg", ".png")
        pixels = np.asarray(dataset.load(row))
        with Image.open(ph2.parent / "masks" / name) as picture:
            drawn_mask = np.asarray(picture.convert("L")) > 0
        scores.append(jaccard(find_lesion(pixels).at(*pixels.shape[:2]), drawn_mask))
    assert np.median(scores) > 0.85
