"""Cropped and slightly turned copies: found alone, together and mirrored; pictures that look alike are none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from scipy.ndimage import map_coordinates

from headstart.data import ImageDataset, audit_dataset
from headstart.data.audit.cropped import probes as probing
from headstart.data.audit.cropped import registration, search
from headstart.data.audit.cropped.probes import (
    N_ORIENTATIONS,
    UNIT,
    described,
    low_frequencies,
    orientation_matrix,
    probes,
)
from headstart.data.audit.cropped.registration import halved, registered_agreement, screened
from headstart.data.audit.cropped.search import cropped_copies
from headstart.data.audit.perceptual_hash import thumbnail

N = 30


def picture(seed: int) -> Image.Image:
    blocks = np.random.default_rng(seed).integers(30, 225, (7, 7, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((90, 90), Image.Resampling.BICUBIC)


def cropped(image: Image.Image) -> Image.Image:
    return image.crop((12, 5, 86, 79))


def rotated(image: Image.Image) -> Image.Image:
    return image.rotate(-12, Image.Resampling.BICUBIC)


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "cropped": cropped,
    "rotated": rotated,
    "cropped and rotated": lambda image: cropped(rotated(image)),
    "mirrored, cropped and rotated": lambda image: ImageOps.mirror(cropped(rotated(image))),
    "turned by a quarter, cropped and darker": lambda image: ImageEnhance.Brightness(
        cropped(image).transpose(Image.Transpose.ROTATE_90)
    ).enhance(0.9),
}


def thumbnails(pictures: list[Image.Image]) -> np.ndarray:
    return np.stack([thumbnail(one) for one in pictures])


def test_every_kind_of_copy_is_found_whichever_comes_first() -> None:
    pictures = [picture(seed) for seed in range(N)]
    pictures += [change(pictures[number]) for number, change in enumerate(COPIES.values())]
    expected = [(number, N + number) for number in range(len(COPIES))]
    assert cropped_copies(thumbnails(pictures)).pairs == expected
    last = len(pictures) - 1
    turned_round = sorted((last - second, last - first) for first, second in expected)
    assert cropped_copies(thumbnails(pictures[::-1])).pairs == turned_round


def test_pairs_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [picture(seed) for seed in range(N)]
    pictures += [change(pictures[number]) for number, change in enumerate(COPIES.values())]
    found = cropped_copies(thumbnails(pictures))
    monkeypatch.setattr(search, "_ROWS_AT_ONCE", 7)
    monkeypatch.setattr(search, "_VIEWED_AT_ONCE", 5)
    monkeypatch.setattr(registration, "_BLOCK", 16)
    assert cropped_copies(thumbnails(pictures), n_threads=3) == found


@pytest.mark.parametrize("reach", [N, 12])
def test_the_pictures_nearest_to_each_are_those_of_all_probes_in_all_orientations_by_brute_force(reach: int) -> None:
    low, shown = low_frequencies(thumbnails([picture(seed % 20) for seed in range(N)])), probes()
    products = np.einsum("fn,opmn->fmop", described(low), plain_views(low)).astype(np.int64)
    found, n_dropped = search._nearest(low, reach, 2)
    assert n_dropped == 0 and len(found.fixed) > N
    assert (found.fixed != found.moving).all()
    for fixed, moving, score, place in zip(found.fixed, found.moving, found.scores, found.maps, strict=True):
        of_pair = products[fixed, moving]
        orientations, numbers = np.nonzero(of_pair == round(score * UNIT**2))
        maps = [orientation_matrix(one) @ shown.maps[number] for one, number in zip(orientations, numbers, strict=True)]
        assert any(np.array_equal(place, one) for one in maps)
        assert round(score * UNIT**2) in of_pair.max(axis=1)


def test_the_nearest_pictures_are_the_same_where_few_views_fit_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    low = low_frequencies(thumbnails([picture(seed) for seed in range(4 * N)]))
    monkeypatch.setattr(search, "_BLOCK", 16)
    monkeypatch.setattr(search, "_NEAREST", (8, 16))
    expected, n_dropped = search._nearest(low, 12, 1)
    monkeypatch.setattr(search, "_MAX_VIEWED", 40)
    monkeypatch.setattr(search, "_ROWS_AT_ONCE", 5)
    assert len(list(search._runs_of_blocks(len(low), 12))) > 3
    found, n_also_dropped = search._nearest(low, 12, 2)
    assert n_also_dropped == n_dropped
    for one, other in zip(vars(found).values(), vars(expected).values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_several_copies_of_one_picture_hang_together() -> None:
    pictures = [picture(seed) for seed in range(N)] + [change(picture(3)) for change in COPIES.values()]
    found = cropped_copies(thumbnails(pictures)).pairs
    assert {row for pair in found for row in pair} == {3, *range(N, N + len(COPIES))}


def test_pictures_that_look_alike_and_pictures_of_nothing_are_no_copies(rng: np.random.Generator) -> None:
    base = np.asarray(picture(0), dtype=np.float64)
    alike = [Image.fromarray(np.clip(base + rng.normal(0, 60, base.shape), 0, 255).astype(np.uint8)) for _ in range(N)]
    assert not cropped_copies(thumbnails(alike)).pairs
    assert not cropped_copies(np.full((N, 32, 32), 9, dtype=np.uint8)).pairs
    assert cropped_copies(thumbnails([picture(0), cropped(picture(0))])).pairs == []  # nothing to hold the two against
    assert cropped_copies(np.empty((0, 32, 32), dtype=np.uint8)).pairs == []


def test_a_lone_blob_has_too_little_detail_to_be_told_by_and_a_third_of_a_picture_is_no_crop_of_it() -> None:
    rows, columns = np.indices((64, 64))
    light = 220 * np.exp(-((rows - 30) ** 2 + (columns - 34) ** 2) / 30)
    blob = thumbnail(Image.fromarray(light.astype(np.uint8)).convert("RGB"))
    image = picture(3)
    pairs = np.stack([blob, blob, *thumbnails([image.crop((20, 20, 70, 70)), image])])
    starts = np.array([np.eye(2, 3), [[0.6, 0.0, 0.0], [0.0, 0.6, 0.0]]])
    found = registered_agreement(pairs, np.array([0, 2]), np.array([1, 3]), starts)
    assert found.correlations.min() > 0.95
    assert found.n_patches[0] < 8 < 12 < found.n_patches[1]
    assert found.is_a_crop().tolist() == [True, False]


def test_chains_of_copies_end_at_sixteen_images() -> None:
    whole = np.random.default_rng(1).integers(30, 225, (5, 60, 3), dtype=np.uint8)
    strip = Image.fromarray(whole).resize((1800, 150), Image.Resampling.BICUBIC)
    frames = [strip.crop((left, 0, left + 150, 150)) for left in range(0, 15 * 40, 15)]
    groups: dict[int, set[int]] = {}
    for first, second in cropped_copies(thumbnails(frames)).pairs:
        joined = groups.get(first, {first}) | groups.get(second, {second})
        groups.update(dict.fromkeys(joined, joined))
    assert groups
    assert max(map(len, groups.values())) <= 16


def test_of_many_images_each_is_compared_with_those_beside_it_and_the_rest_counted() -> None:
    pictures = [picture(seed) for seed in range(98)]
    pictures.insert(5, cropped(picture(4)))
    pictures.append(cropped(picture(10)))
    found = cropped_copies(thumbnails(pictures), max_comparisons=100 * 50)
    assert found.pairs == [(4, 5)]
    assert found.n_left_out == 100 * (100 - 50) // 2


@pytest.mark.parametrize("orientation", range(8))
def test_views_in_an_orientation_are_those_of_the_turned_picture(orientation: int) -> None:
    upright = thumbnail(picture(2))
    turned = upright.T if orientation & 4 else upright
    turned = turned[::-1] if orientation & 2 else turned
    turned = turned[:, ::-1] if orientation & 1 else turned
    low = low_frequencies(np.stack([upright, turned]))
    views = probes().views(low).astype(np.int64)
    assert np.array_equal(views, plain_views(low))
    assert np.abs(views[orientation, :, 0] - views[0, :, 1]).max() <= 1  # of frequencies in single precision


def plain_views(low: NDArray[np.float32]) -> NDArray[np.int64]:
    """What every probe shows of pictures in each orientation, worked out from each turned picture by itself."""
    signs = (-1.0) ** np.arange(probing.N_FREQUENCIES)
    grid = low.astype(np.float64).reshape(-1, len(signs), len(signs))
    views = []
    for orientation in range(N_ORIENTATIONS):
        turned = grid.swapaxes(1, 2) if orientation & 4 else grid
        turned = turned * signs[:, None] if orientation & 2 else turned
        turned = (turned * signs if orientation & 1 else turned).reshape(len(low), -1)
        seen = [turned @ probing._operator(one).T for one in probes().maps]
        views.append([np.round(UNIT * one / np.linalg.norm(one, axis=1, keepdims=True)) for one in seen])
    return np.array(views, dtype=np.int64)


def test_descriptions_are_whole_numbers_of_one_length() -> None:
    numbers = described(low_frequencies(thumbnails([picture(seed) for seed in range(8)])))
    assert np.array_equal(numbers, np.round(numbers))
    np.testing.assert_allclose(np.linalg.norm(numbers, axis=1), 127, rtol=0.02)
    assert not described(low_frequencies(np.full((1, 32, 32), 7, dtype=np.uint8))).any()


def test_registration_recovers_a_known_map() -> None:
    image = picture(4)
    pair = thumbnails([image.crop((0, 0, 81, 81)), image])
    fixed, moving = np.array([0]), np.array([1])
    start = np.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    maps, correlation = screened(halved(pair), fixed, moving, start)
    np.testing.assert_allclose(maps[0], [[0.9, 0.0, -0.05], [0.0, 0.9, -0.05]], atol=0.02)
    assert correlation[0] > 0.98
    found = registered_agreement(pair, fixed, moving, maps)
    assert found.correlations[0] > 0.95
    assert found.n_patches[0] > 12


def test_registration_takes_the_steps_of_the_plain_formula_whatever_the_order_of_pairs(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = halved(thumbnails([picture(seed) for seed in range(6)]))
    fixed, moving = rng.integers(0, 6, 40), rng.integers(0, 6, 40)
    starts = np.eye(2, 3) + rng.normal(0, 0.1, (40, 2, 3))
    monkeypatch.setattr(registration, "_BLOCK", 4)
    maps, correlations = screened(small, fixed, moving, starts)
    for number in range(40):
        pair = (small[one].astype(np.float64) for one in (fixed[number], moving[number]))
        expected, correlation = plainly_registered(*pair, starts[number])
        np.testing.assert_allclose(maps[number], expected, rtol=1e-8, atol=1e-9)
        assert correlations[number] == pytest.approx(correlation, abs=1e-9)


def plainly_registered(fixed: np.ndarray, moving: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, float]:
    """The map of one pair by Gauss-Newton steps, one after the other, and the correlation before the last."""
    used, rows, columns, weights = registration._compared(len(fixed))
    down, across = (np.gradient(fixed, 1 / len(fixed), axis=axis).ravel()[used] for axis in (0, 1))
    slopes = np.stack([down * rows, down * columns, down, across * rows, across * columns, across, np.ones_like(rows)])
    normal = slopes * weights @ slopes.T
    normal += np.eye(7) * (1e-3 * np.trace(normal) / 7 + 1e-6)
    template, found, correlation = fixed.ravel()[used], np.vstack([start, [0, 0, 1]]), 0.0
    for _ in range(6):
        at = (found[:2] @ np.stack([rows, columns, np.ones_like(rows)]) + 0.5) * len(fixed) - 0.5
        inside = ((at > -0.5) & (at < len(fixed) - 0.5)).all(axis=0)
        values = map_coordinates(moving, np.clip(at, 0, len(fixed) - 1.001), order=1)
        shares = weights * inside / max((weights * inside).sum(), 1e-9)
        left, right = values - shares @ values, template - shares @ template
        spreads = [np.sqrt(shares @ one**2) + 1e-3 for one in (left, right)]
        correlation = float(shares @ (left * right) / (spreads[0] * spreads[1]))
        adjusted = (left * spreads[1] / spreads[0] + shares @ template - template) * inside
        step = np.linalg.solve(normal, slopes * weights @ adjusted)[:6].reshape(2, 3)
        change = np.vstack([np.eye(2, 3) + step, [0, 0, 1]])
        if abs(np.linalg.det(change)) >= 0.2:
            found = found @ np.linalg.inv(change)
    return found[:2], correlation


def test_the_audit_names_cropped_copies_apart_from_turned_ones() -> None:
    pictures = [picture(seed) for seed in range(N)]
    pictures += [ImageOps.mirror(pictures[1]), cropped(pictures[2]).resize((90, 90)), pictures[3]]
    labels = [row % 2 for row in range(len(pictures))]
    audit = audit_dataset(ImageDataset.from_arrays(np.stack([np.asarray(one) for one in pictures]), labels=labels))
    assert audit.copies == ((1, N),)
    assert audit.cropped == ((2, N + 1),)
    assert audit.duplicates == ((3, N + 2),)
    names = audit.names
    assert audit.to_json()["cropped_or_rotated_copies"] == [[names[2], names[N + 1]]]
    warning = next(words for words in audit.warnings if "a crop of it" in words)
    assert f"{names[2]} = {names[N + 1]}" in warning
    assert "In 1 of them the labels differ" in warning
    assert "cropped copies and such turned by a few degrees: 1 pair" in audit.lines()


def test_where_groups_are_given_look_alikes_join_none() -> None:
    pictures = [*(picture(seed) for seed in range(N)), cropped(picture(4))]
    labels = ["a", "b"] * ((N + 2) // 2)
    images = ImageDataset.from_images(pictures, labels[: len(pictures)])
    assert audit_dataset(images).cropped == ((4, N),)
    grouped = images.with_groups(np.arange(len(pictures)))
    assert audit_dataset(grouped).cropped == ()
