"""Clean-up of dermoscopic pictures: each step, the preparation made of them, and its way into a bundle."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from headstart.data import ImageDataset, ImageResize
from headstart.data.preparation import restore_preparation
from headstart.errors import DataError, InputError
from headstart.explain.checks import mask_on_input
from headstart.lesions import CleanUp, FoundLesion, parse_clean_up
from headstart.lesions.cleaning.preparation import CleanedResize
from headstart.lesions.cleaning.steps import (
    crop_box,
    in_grey_light,
    without_corners,
    without_hair,
    without_rulers,
)

SKIN = np.array([225, 180, 160], dtype=np.uint8)


def picture(height=120, width=160):
    """Skin with a brown square, its corner at (40, 50), its side 40."""
    pixels = np.tile(SKIN, (height, width, 1))
    pixels[40:80, 50:90] = (120, 75, 55)
    return pixels


def test_hair_is_painted_over_and_the_rest_stays():
    clean, hairy = picture(), picture()
    hairy[20:22, :] = 30
    found = without_hair(hairy)
    assert np.abs(found[20:22].astype(int) - SKIN).max() <= 10
    assert np.array_equal(found[50:70], clean[50:70])


def test_marks_away_from_the_lesion_are_painted_over():
    marked = picture()
    marked[110:116, 20:150:10] = 20
    found = without_rulers(marked)
    assert np.abs(found[108:118].astype(int) - SKIN).max() <= 12
    assert np.array_equal(found[45:75, 55:85], marked[45:75, 55:85])


def test_dark_corners_are_painted_like_skin():
    cornered = picture()
    down, across = np.ogrid[:120, :160]
    cornered[np.hypot(down - 60, across - 80) > 85] = 10
    found = without_corners(cornered)
    assert found[0, 0].min() > 100
    assert np.array_equal(found[40:80, 50:90], cornered[40:80, 50:90])
    assert np.array_equal(without_corners(picture()), picture())


def test_light_becomes_grey():
    even = np.tile(np.array([200, 150, 100], dtype=np.uint8), (20, 20, 1))
    assert np.ptp(in_grey_light(even)[0, 0]) <= 1


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        (slice(40, 80), slice(50, 90), (44, 34, 96, 86)),
        (slice(0, 40), slice(0, 40), (0, 0, 52, 52)),
        (slice(0, 120), slice(20, 140), (2, 0, 158, 120)),
    ],
)
def test_crops_are_squares_around_the_lesion_inside_the_picture(rows, columns, expected):
    mask = np.zeros((120, 160), dtype=np.bool_)
    mask[rows, columns] = True
    assert crop_box(FoundLesion(mask, is_found=True), 120, 160) == expected


def test_without_a_lesion_nothing_is_cropped():
    whole = FoundLesion(np.ones((12, 16), dtype=np.bool_), is_found=False)
    assert crop_box(whole, 120, 160) == (0, 0, 160, 120)


def test_steps_are_taken_in_one_order_whatever_the_user_writes():
    assert parse_clean_up("crop+hair") == parse_clean_up("hair + crop") == CleanUp(("hair", "crop"))
    assert parse_clean_up("none") == CleanUp()
    assert np.array_equal(CleanUp().cleaned(picture()), picture())


@pytest.mark.parametrize(("text", "message"), [("hiar", "Did you mean"), ("hair+hair", "twice"), ("", "step of")])
def test_steps_that_are_none_are_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse_clean_up(text)


def test_the_preparation_crops_before_it_resizes_and_comes_back_from_its_settings():
    cleaned = CleanedResize(ImageResize((32, 32)), parse_clean_up("crop"))
    dataset = ImageDataset.from_arrays(picture()[None], ["a"])
    pixels = dataset.prepared(0, cleaned)
    assert pixels.shape == (32, 32, 3)
    assert (pixels[:, :, 0] < 150).mean() > 0.5  # the lesion takes a tenth of the picture, and most of the crop
    restored = restore_preparation(cleaned.settings(), {})
    assert restored == cleaned
    assert np.array_equal(dataset.prepared(0, restored), pixels)


def test_the_part_that_is_shown_is_told_so_that_masks_are_cut_alike():
    cleaned = CleanedResize(ImageResize((32, 32)), parse_clean_up("crop"))
    part = cleaned.shown_part(Image.fromarray(picture()))
    assert part == pytest.approx((44 / 160, 34 / 120, 96 / 160, 86 / 120), abs=0.02)
    assert CleanedResize(ImageResize((32, 32)), parse_clean_up("hair")).shown_part(Image.fromarray(picture())) is None
    mask = np.zeros((120, 160, 3), dtype=np.uint8)
    mask[40:80, 50:90] = 255
    whole = ImageDataset.from_arrays(mask[None], ["a"])
    assert mask_on_input(whole, 0, (32, 32), "squash").mean() == pytest.approx(1600 / 19200, abs=0.01)
    assert mask_on_input(whole, 0, (32, 32), "squash", part).mean() == pytest.approx(1600 / 52**2, abs=0.05)


def test_a_damaged_or_newer_clean_up_is_refused():
    settings = CleanedResize(ImageResize((32, 32)), parse_clean_up("crop")).settings()
    for damaged in ({"steps": ["polish"]}, {}, None):
        with pytest.raises(DataError, match="clean-up of the model"):
            restore_preparation({**settings, "clean_up": damaged}, {})


@pytest.mark.parametrize("changes", [{"channels": ("1", "2", "3")}, {"pixels": "float32"}])
def test_images_that_are_no_colour_pictures_are_refused(changes):
    with pytest.raises(InputError, match="is for colour pictures of skin"):
        CleanedResize(ImageResize((32, 32), **changes), parse_clean_up("crop"))
