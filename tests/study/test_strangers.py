"""Strangers beside pictures like solar cells: photographs, and such cells out of focus, cropped or in poor light."""

from __future__ import annotations

from pathlib import Path

import helpers
import numpy as np
import pytest
import skimage
from PIL import Image, ImageEnhance, ImageFilter

from headstart import ImageDataset
from headstart.decisions import fit_novelty
from headstart.features.extract import extract_features
from headstart.heads.training_distance import MEASURES, Measure, fit_distance

SIDE = 64
RATE = 0.05
PHOTOGRAPHS = ("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "rocket.jpg")


def cell(seed: int) -> Image.Image:
    """A picture like one of a solar cell: busbars, fingers, a darker rim, in half of them a dark scratch."""
    draw, (y, x) = np.random.default_rng(seed), np.mgrid[:SIDE, :SIDE]
    grey = 150 + 6 * np.sin(6 * np.pi * (x / SIDE + draw.random())) + draw.normal(0, 4, (SIDE, SIDE))
    for column in (20, 43):
        grey[:, column + draw.integers(-1, 2)] -= 60
    grey[::8] -= 12
    grey *= 1 - ((x - SIDE / 2) ** 2 + (y - SIDE / 2) ** 2) / (2 * SIDE**2)
    if draw.random() < 0.5:
        row, column = draw.integers(8, 50, 2)
        grey[row : row + 12, column : column + 3] -= 70
    return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).convert("RGB")


def photographs() -> list[Image.Image]:
    folder = Path(skimage.__file__).parent / "data"
    return [Image.open(folder / name).convert("RGB").resize((SIDE, SIDE)) for name in PHOTOGRAPHS]


@pytest.fixture(scope="module")
def features() -> dict[str, np.ndarray]:
    """Features of every kind by a tiny network without training: even these tell strangers."""
    new = [cell(seed) for seed in range(2000, 2012)]
    kinds = {
        "training": [cell(seed) for seed in range(150)],
        "like them": [cell(seed) for seed in range(1000, 1060)],
        "photographs": photographs(),
        "blurred": [one.filter(ImageFilter.GaussianBlur(3)) for one in new],
        "cropped": [one.crop((0, 0, SIDE // 4, SIDE // 4)).resize((SIDE, SIDE)) for one in new],
        "dark": [ImageEnhance.Brightness(one).enhance(0.3) for one in new],
    }
    extractor = helpers.extractor()
    stacked = {name: np.stack([np.asarray(one) for one in images]) for name, images in kinds.items()}
    return {name: extract_features(ImageDataset.from_arrays(images), extractor) for name, images in stacked.items()}


@pytest.mark.parametrize("measure", MEASURES)
def test_strangers_are_flagged_and_images_of_the_kind_are_not(
    measure: Measure, features: dict[str, np.ndarray]
) -> None:
    known = features["training"]
    fold, distances = np.arange(len(known)) % 4, np.zeros(len(known))
    for number in range(4):
        inside = fold == number
        distances[inside] = fit_distance(known[~inside], measure).distances(known[inside])
    threshold, distance = fit_novelty(distances, RATE), fit_distance(known, measure)
    flagged = {
        name: threshold.apply(distance.distances(rows)).is_novel.mean()
        for name, rows in features.items()
        if name != "training"
    }
    assert flagged.pop("like them") < RATE + 3 * np.sqrt(RATE * (1 - RATE) / 60)
    assert min(flagged.values()) > 0.9, flagged
