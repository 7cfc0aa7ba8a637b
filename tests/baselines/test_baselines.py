"""Features and heads of the baselines: handcrafted descriptors, honest random weights, forest, majority."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from skimage.color import rgb2lab
from skimage.feature import graycomatrix, graycoprops, hog, local_binary_pattern

from headstart.backbones.backbone import load_backbone
from headstart.baselines.random_weights import noise_images, random_weights_extractor, steadied
from headstart.data import ImageResize, read_dataset
from headstart.errors import BundleError, InputError
from headstart.features.cache import FeatureCache
from headstart.features.descriptors import extractor as describer_module
from headstart.features.descriptors.colours import colours_of_greys, colours_of_pixels, lab_channels, lab_of_greys
from headstart.features.descriptors.descriptors import N_CELLS, SIDE, descriptor_names
from headstart.features.descriptors.descriptors import describe as describe_all
from headstart.features.descriptors.edges import edge_strength, orientations_by_cell
from headstart.features.descriptors.extractor import DescriptorExtractor
from headstart.features.descriptors.local_patterns import local_patterns
from headstart.features.descriptors.texture import DISTANCES, HARALICK, N_LEVELS, co_occurrence
from headstart.features.extract import extract_features
from headstart.heads import FittedHead, HeadSpec, cost, fit_heads, searchable_kinds, training_rows
from headstart.study.search.space import HeadTable

NAMES = descriptor_names()


def photograph(seed: int = 0) -> np.ndarray:
    """Smooth coloured noise, square."""
    return noise_images(1 + seed, (SIDE, SIDE))[seed]


def describe(picture: np.ndarray) -> np.ndarray:
    """Descriptors of one picture."""
    return describe_all(picture[None])[0]


def greys() -> np.ndarray:
    """Pictures of noise of many levels, of few, and without any, and a smooth one; (n, SIDE, SIDE)."""
    random = np.random.default_rng(0)
    noise = [random.integers(low, high, (SIDE, SIDE), dtype=np.uint8) for low, high in ((0, 256), (100, 103), (0, 4))]
    flat = [np.full((SIDE, SIDE), level, dtype=np.uint8) for level in (0, 77, 255)]
    return np.stack([*noise, *flat, photograph()[..., 0]])


def named(values: np.ndarray, start: str) -> np.ndarray:
    return values[[place for place, name in enumerate(NAMES) if name.startswith(start)]]


# Descriptors ----------------------------------------------------------------------------------------------------------


def test_every_descriptor_has_a_name_of_its_own() -> None:
    assert len(set(NAMES)) == len(NAMES) == len(describe(photograph()))


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("size", [(SIDE, SIDE), (17, 40), (300, 300)])
def test_blank_pictures_of_any_size_have_finite_descriptors(level: int, size: tuple[int, int]) -> None:
    values = describe(np.full((*size, 3), level, dtype=np.uint8))
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    assert named(values, "gradient energy").max() == 0


def test_half_black_half_white_by_hand() -> None:
    picture = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    picture[:, SIDE // 2 :] = 255
    values = dict(zip(NAMES, describe(picture), strict=True))
    assert values["L* mean"] == pytest.approx(50, abs=0.01)
    assert values["L* deviation"] == pytest.approx(50, abs=0.01)
    assert values["L* skewness"] == pytest.approx(0, abs=0.01)
    assert (values["L* bin 0"], values["L* bin 7"], values["L* bin 3"]) == (0.5, 0.5, 0)
    assert [values[f"L* of cell 0,{column}"] for column in range(N_CELLS)] == pytest.approx([0, 0, 100, 100], abs=0.01)
    whole = np.array([values[f"gradients, orientation {place}"] for place in range(8)])
    assert whole.argmax() == 0  # the edge stands upright, the grey levels change across
    assert values["co-occurrence contrast at 1, range"] > 0  # across the edge levels differ, along it they do not


def test_grey_pictures_have_no_colour() -> None:
    picture = np.repeat(photograph()[..., :1], 3, axis=2)
    values = describe(picture)
    assert np.abs(named(values, "a* mean")).max() < 0.01
    assert np.abs(named(values, "b* deviation")).max() < 0.01


def test_of_a_grey_picture_one_channel_tells_all_that_three_do() -> None:
    grey = greys().reshape(7, -1)
    counts = np.stack([np.bincount(picture, minlength=256) for picture in grey])
    by_pixel = colours_of_pixels(lab_channels(np.repeat(grey[..., None], 3, axis=2)))
    np.testing.assert_allclose(colours_of_greys(counts), by_pixel, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(lab_of_greys()[:, grey], lab_channels(np.repeat(grey[..., None], 3, axis=2)))


def test_a_picture_has_the_same_descriptors_whatever_stands_beside_it() -> None:
    pictures = [np.repeat(picture[..., None], 3, axis=2) for picture in greys()]
    pictures += [np.ascontiguousarray(photograph(seed)) for seed in range(5)]
    order = np.random.default_rng(1).permutation(len(pictures))
    together = describe_all(np.stack([pictures[place] for place in order]))
    np.testing.assert_array_equal(together, np.stack([describe(pictures[place]) for place in order]))


def test_colours_are_those_of_scikit_image() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 4096, 3), dtype=np.uint8)
    pixels[0, :512] //= 32  # dark ones, where lightness is linear
    np.testing.assert_allclose(np.moveaxis(lab_channels(pixels), 0, 2), rgb2lab(pixels), atol=2e-4)


@pytest.mark.parametrize(("n_points", "radius"), [(8, 1), (16, 2)])
def test_local_patterns_are_those_of_scikit_image_but_where_its_rounding_decides(n_points: int, radius: int) -> None:
    pictures = greys()
    found = local_patterns(pictures, n_points, radius)
    angles = 2 * np.pi * np.arange(n_points) / n_points
    rows, columns = np.indices((SIDE, SIDE))
    for picture, codes in zip(pictures, found, strict=True):
        padded = np.pad(picture.astype(np.float64), 2 * radius)
        points = [
            map_coordinates(padded, [rows + 2 * radius + down, columns + 2 * radius + right], order=1)
            for down, right in zip(*np.round([-radius * np.sin(angles), radius * np.cos(angles)], 5), strict=True)
        ]
        bright = np.stack(points) >= picture - 0.01
        n_changes = (bright[1:] != bright[:-1]).sum(axis=0)
        np.testing.assert_array_equal(codes, np.where(n_changes <= 2, bright.sum(axis=0), n_points + 1))
    expected = local_binary_pattern(pictures[0], n_points, radius, "uniform")
    assert (found[0] != expected).mean() < 0.001  # noise of 256 levels seldom interpolates to the very level
    inner = slice(radius, -radius)
    assert (found[3:6, inner, inner] == n_points).all()  # of one level every point is as bright as its pixel


def test_edges_and_texture_are_those_of_scikit_image() -> None:
    pictures = greys()
    strengths, textures = edge_strength(pictures), co_occurrence(pictures)
    orientations = orientations_by_cell(pictures, 4)
    for place, picture in enumerate(pictures):
        values = picture.astype(np.float64)
        np.testing.assert_allclose(strengths[place], np.hypot(*np.gradient(values)) / 255, atol=1e-6)
        # Of whole numbers, whose diagonals are exact; the constant in the length of a histogram grows with them.
        expected = hog(values, 8, (SIDE // 4, SIDE // 4), (1, 1), block_norm="L2")
        np.testing.assert_allclose(orientations[place].ravel(), expected, atol=1e-4)
        counts = graycomatrix(
            picture // 16, DISTANCES, np.arange(4) * np.pi / 4, levels=N_LEVELS, symmetric=True, normed=True
        )
        measures = np.stack([graycoprops(counts, name) for name in HARALICK])
        expected = np.stack([measures.mean(axis=2), np.ptp(measures, axis=2)], axis=2).ravel()
        np.testing.assert_allclose(textures[place], expected, rtol=1e-6, atol=1e-9)


def test_texture_and_colour_do_not_depend_on_the_turn_and_edges_do() -> None:
    picture = photograph()
    first, turned = describe(picture), describe(np.rot90(picture).copy())
    for start in ("L* bin", "a* bin", "b* mean", "co-occurrence", "gradient quantile"):
        np.testing.assert_allclose(named(first, start), named(turned, start), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(named(first, "local pattern"), named(turned, "local pattern"), atol=0.02)
    assert np.abs(named(first, "gradients, ") - named(turned, "gradients, ")).max() > 0.01


def test_stripes_and_spots_differ_in_texture_alone() -> None:
    stripes = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    checks = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    checks[::2, ::2] = checks[1::2, 1::2] = 255
    first, second = describe(stripes), describe(checks)
    np.testing.assert_allclose(named(first, "L* bin"), named(second, "L* bin"))
    assert np.abs(named(first, "local pattern") - named(second, "local pattern")).max() > 0.2
    assert np.abs(named(first, "co-occurrence correlation") - named(second, "co-occurrence correlation")).max() > 0.2


def test_descriptors_are_cached_and_never_change_with_threads(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, preparation = read_dataset(folders), ImageResize((helpers.SIDE, helpers.SIDE))
    plain = extract_features(dataset, DescriptorExtractor(preparation, n_threads=1))
    cache = FeatureCache(tmp_path)
    np.testing.assert_array_equal(
        extract_features(dataset, DescriptorExtractor(preparation, n_threads=3), cache=cache), plain
    )
    by_hand = describe_all(np.stack([dataset.prepared(row, preparation) for row in range(4)]))
    np.testing.assert_array_equal(plain[:4], by_hand)
    assert cache.info().settings[0].backbone == "none (handcrafted)"
    with monkeypatch.context() as patch:
        patch.setattr(describer_module, "describe", lambda pixels: pytest.fail("computed again"))
        np.testing.assert_array_equal(
            extract_features(dataset, DescriptorExtractor(preparation, n_threads=2), cache=cache), plain
        )
    other = extract_features(dataset, DescriptorExtractor(ImageResize((48, 48)), n_threads=1), cache=cache)
    assert not np.array_equal(other, plain)


# Random weights -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "googlenet"])
def test_random_weights_neither_fade_nor_collapse(name: str) -> None:
    """Features of different pictures differ, in many directions, in numbers that any precision holds."""
    backbone = load_backbone(name, weights="random")
    size = (64, 64)
    pictures = noise_images(32, size)[8:]  # not those that set the statistics
    plain = features(backbone, pictures)
    mended = features(steadied(backbone, size), pictures)
    assert 1e-2 < np.abs(mended).mean() < 1e2
    assert directions(mended) > 5
    if name == "googlenet":
        assert np.abs(plain).mean() < 1e-9  # what the mending is for
        assert directions(plain) < 0.7 * directions(mended)


def features(backbone: Any, pictures: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return backbone.module(backbone.normalise(pictures, torch.device("cpu"))).double().numpy()


def directions(rows: np.ndarray) -> float:
    """Effective number of directions that standardised rows vary in."""
    deviation = rows.std(axis=0)
    rows = (rows - rows.mean(axis=0))[:, deviation > 0] / deviation[deviation > 0]
    shares = np.linalg.svd(rows, compute_uv=False) ** 2
    return float(shares.sum() ** 2 / (shares**2).sum())


def test_residual_branches_are_switched_on() -> None:
    norms = [
        module
        for module in steadied(load_backbone("resnet18", weights="random"), (64, 64)).module.modules()
        if isinstance(module, torch.nn.BatchNorm2d)
    ]
    assert all(bool(norm.weight.any()) and not norm.training and norm.momentum == 0.1 for norm in norms)


def test_the_twin_depends_on_the_seed_and_on_nothing_else() -> None:
    given = helpers.extractor()
    first, again = random_weights_extractor(given, seed=3), random_weights_extractor(given, seed=3)
    assert first.backbone.tensors_sha256 == again.backbone.tensors_sha256
    assert first.backbone.tensors_sha256 != random_weights_extractor(given, seed=4).backbone.tensors_sha256
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert random_weights_extractor(given, seed=3).backbone.tensors_sha256 == first.backbone.tensors_sha256
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert first.backbone.weights.is_random
    assert (first.preparation, first.engine) == (given.preparation, given.engine)


def test_the_twin_of_a_quantised_network_computes_in_fp32() -> None:
    given = helpers.extractor()
    given.engine = replace(given.engine, name="openvino", precision="int8", network_sha256="0" * 64)
    assert random_weights_extractor(given, seed=0).engine == replace(given.engine, precision="fp32", network_sha256="")


# Heads that are judged as baselines -----------------------------------------------------------------------------------


def rows(n: int = 90, n_classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    return (generator.normal(size=(n, 6)) + labels[:, None]).astype(np.float32), labels


def test_the_forest_predicts_as_scikit_learn_does() -> None:
    from sklearn.ensemble import RandomForestClassifier

    values, labels = rows()
    weights = np.random.default_rng(1).uniform(0.5, 2, len(labels))
    (head,) = fit_heads([HeadSpec("forest", {"trees": 20})], values, labels, n_classes=3, weights=weights, seed=5)
    used = training_rows(values, labels, n_classes=3, weights=weights, groups=None, seed=5)
    forest = RandomForestClassifier(20, min_samples_leaf=3, random_state=5)
    forest.fit(used.standardised.astype(np.float32), labels, weights)
    expected = forest.predict_proba(used.standardised.astype(np.float32))
    np.testing.assert_allclose(head.predict_proba(values), (20 * expected + 1) / 23, atol=2e-6)
    again = FittedHead.from_tensors(head.spec, head.to_tensors())
    np.testing.assert_array_equal(again.predict_proba(values), head.predict_proba(values))


@pytest.mark.parametrize("n_rows", [90, 2400])
def test_random_splits_are_those_of_extra_trees(n_rows: int) -> None:
    from sklearn.ensemble import ExtraTreesClassifier

    values, labels = rows(n_rows)
    spec = HeadSpec("forest", {"trees": 10, "splits": "random"})
    (head,) = fit_heads([spec], values, labels, n_classes=3, seed=5)
    used = training_rows(values, labels, n_classes=3, weights=None, groups=None, seed=5)
    drawn = {"bootstrap": True, "max_samples": 2000} if n_rows > 2000 else {}
    forest = ExtraTreesClassifier(10, min_samples_leaf=3, max_features=4, random_state=5, **drawn)
    forest.fit(used.standardised.astype(np.float32), labels, np.ones(n_rows))
    expected = forest.predict_proba(used.standardised.astype(np.float32))
    np.testing.assert_allclose(head.predict_proba(values), (10 * expected + 1) / 13, atol=2e-6)


@pytest.mark.parametrize("splits", ["best", "random"])
def test_the_forest_is_the_same_for_a_seed_and_another_for_another(splits: str) -> None:
    values, labels = rows()
    spec = HeadSpec("forest", {"splits": splits})
    found = [fit_heads([spec], values, labels, n_classes=3, seed=seed)[0] for seed in (1, 1, 2)]
    first, same, other = (head.predict_proba(values) for head in found)
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(found[0].predict_proba(values[7:8]), first[7:8])


@pytest.mark.parametrize("damage", [{"left": -1}, {"right": 10**6}, {"left": 0}, {"feature": 6}])
def test_trees_that_lead_astray_are_refused(damage: dict[str, int]) -> None:
    values, labels = rows()
    (head,) = fit_heads([HeadSpec("forest", {"trees": 2})], values, labels, n_classes=3, seed=0)
    tensors = head.to_tensors()
    inner = int(np.flatnonzero(tensors["left"] != np.arange(len(tensors["left"])))[-1])
    for name, value in damage.items():
        tensors[name][inner] = value
    with pytest.raises(BundleError, match="nodes or features that are not there"):
        FittedHead.from_tensors(head.spec, tensors)


def test_the_majority_knows_the_weighted_shares_alone() -> None:
    values, labels = rows(9)
    weights = np.where(labels == 2, 4.0, 1.0)
    (head,) = fit_heads([HeadSpec("majority")], values, labels, n_classes=4, weights=weights, seed=0)
    np.testing.assert_allclose(head.predict_proba(values), np.tile([1 / 6, 1 / 6, 4 / 6, 0], (9, 1)), atol=2e-6)


def test_kinds_of_baselines_are_not_searched() -> None:
    assert not {"forest", "majority"} & set(searchable_kinds())
    for kind in ("forest", "majority"):
        with pytest.raises(InputError, match="kind of head"):
            HeadTable.of(kind, {})
    with pytest.raises(InputError, match="trees"):
        HeadSpec("forest", {"trees": 0})
    assert HeadSpec("forest", {"leaf": 5}).label == "random forest, 50 trees, leaf 5"
    assert HeadSpec("forest", {"splits": "random"}).label == "random forest, 50 trees, splits random"
    assert cost(HeadSpec("majority"), 1000, 300, 2) == 0 < cost(HeadSpec("forest"), 1000, 300, 2)


def test_noise_images_are_always_the_same() -> None:
    np.testing.assert_array_equal(noise_images(2, (20, 30)), noise_images(2, (20, 30)))
    assert noise_images(3, (20, 30)).shape == (3, 20, 30, 3)
    assert len(Counter(noise_images(1, (32, 32)).ravel().tolist())) > 100
