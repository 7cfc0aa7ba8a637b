"""Pictures with a patch planted in them, and heads that learned to find it: what heatmaps are tried on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.backbones.backbone import load_backbone
from headstart.backbones.feature_block import LAST, multi_blocks
from headstart.backbones.stage_outputs import stage_outputs
from headstart.data import ImageDataset, ImageResize
from headstart.engines.engine import Engine
from headstart.features.extract import extract_features
from headstart.features.extractor import Extractor
from headstart.heads import HeadSpec, fit_heads
from headstart.model import FeatureRecipe, Model
from headstart.samples.solar_cells import solar_cells

SIDE = 224
PATCH = 28
"""Side of the patch in pixels: 1.6 % of the picture."""
CLASSES = ("plain", "patch")
FEATURES = ("multi", "last")
"""Several stages, which are the default, and the last one alone."""
HEADS = {
    "logistic": HeadSpec("logistic"),
    "LDA": HeadSpec("lda"),
    "ridge": HeadSpec("ridge"),
    "SVM": HeadSpec("svm"),
    "dense": HeadSpec("dense"),
    "kNN": HeadSpec("knn"),
    "forest": HeadSpec("forest"),
}


@dataclass(frozen=True, eq=False)
class Planted:
    """Solar cells without defects, every second with a patch.

    Attributes
    ----------
    pixels : ndarray of shape (n, 224, 224, 3), uint8
    labels : ndarray of shape (n,)
        1 where the patch is.
    boxes, decoys : ndarray of shape (n, 2)
        Top and left of the patch and of the patch that tells nothing; -1 where there is none.
    """

    pixels: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    decoys: np.ndarray

    def part(self, rows: np.ndarray) -> Planted:
        """Some of the pictures."""
        return Planted(self.pixels[rows], self.labels[rows], self.boxes[rows], self.decoys[rows])


def planted(n_images: int, *, seed: int, decoy: bool = False) -> Planted:
    """Solar cells, half of them with a patch of stripes at random; where asked for, every one with a decoy of rings."""
    cells = solar_cells()
    generator = np.random.default_rng(seed)
    chosen = generator.permutation(np.flatnonzero(cells.probability == 0))[:n_images]
    resize = ImageResize((SIDE, SIDE), interpolation="bilinear")
    dataset = cells.dataset(cells.probability > 0.5).subset(np.sort(chosen))
    pixels = np.stack([resize.apply(resize.prepare(dataset.stored(row))) for row in range(n_images)])
    labels = generator.permutation(np.arange(n_images) % 2)
    boxes, decoys = np.full((n_images, 2), -1), np.full((n_images, 2), -1)
    for row in range(n_images):
        places = _places(generator)
        if labels[row]:
            boxes[row] = places[0]
            _stamp(pixels[row], places[0], _stripes(generator))
        if decoy:
            decoys[row] = places[1]
            _stamp(pixels[row], places[1], _rings(generator))
    return Planted(pixels, labels, boxes, decoys)


def _places(generator: np.random.Generator) -> np.ndarray:
    """Two places that do not come near each other, shape (2, 2)."""
    while True:
        places = generator.integers(0, SIDE - PATCH, size=(2, 2))
        if np.abs(places[0] - places[1]).max() >= 2 * PATCH:
            return places


def _stamp(pixels: np.ndarray, place: np.ndarray, texture: np.ndarray) -> None:
    """Lay a texture, -1..1, over a picture in the contrast of the picture itself."""
    top, left = place
    inside = pixels[top : top + PATCH, left : left + PATCH]
    mean, deviation = inside.mean(), max(float(pixels.std()), 20.0)
    inside[:] = np.clip(mean + 1.5 * deviation * texture[..., None], 0, 255).astype(np.uint8)


def _stripes(generator: np.random.Generator) -> np.ndarray:
    phase = generator.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[:PATCH, :PATCH]
    return np.sign(np.sin((rows + columns) * 2 * np.pi / 8 + phase))


def _rings(generator: np.random.Generator) -> np.ndarray:
    phase = generator.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[:PATCH, :PATCH] - (PATCH - 1) / 2
    return np.sign(np.sin(np.hypot(rows, columns) * 2 * np.pi / 8 + phase))


def extractor(features: str = "last", *, weights: str | None = None, seed: int = 0, n_threads: int = 2) -> Extractor:
    """EfficientNet-Lite0 at 224 px, its own weights or random ones, with features of `FEATURES`."""
    network = load_backbone("efficientnet_lite0", weights=weights, offline=True, seed=seed)
    outputs = stage_outputs(network.staged, (SIDE, SIDE))
    blocks = multi_blocks(outputs, backbone=network.name) if features == "multi" else (LAST,)
    engine = Engine(n_threads=n_threads, batch_size=8)
    resize = ImageResize((SIDE, SIDE), interpolation=network.interpolation)
    return Extractor(network, resize, engine, blocks=blocks)


def features_of(pictures: Planted, network: Extractor) -> np.ndarray:
    """Pooled features of pictures."""
    return np.array(extract_features(ImageDataset.from_arrays(pictures.pixels), network))


def model_of(spec: HeadSpec, features: np.ndarray, labels: np.ndarray, network: Extractor) -> Model:
    """A model whose head is fitted on features of training pictures."""
    (head,) = fit_heads([spec], features, labels, n_classes=2, seed=0)
    recipe = FeatureRecipe.of(network)
    return Model(network.backbone, network.preparation, network.engine, head, CLASSES, features=recipe)


def hits(maps: np.ndarray, boxes: np.ndarray, *, margin: int = 0) -> np.ndarray:
    """Whether the highest place of every map lies on its box, or within some pixels of it."""
    flat = maps.reshape(len(maps), -1).argmax(axis=1)
    peaks = np.stack(np.unravel_index(flat, maps.shape[1:]), axis=1)
    return np.asarray(((peaks >= boxes - margin) & (peaks < boxes + PATCH + margin)).all(axis=1))


def accuracy(model: Model, pictures: Planted, features: np.ndarray) -> float:
    """Share of pictures that the head classifies rightly."""
    return float((model.head.predict_proba(features).argmax(axis=1) == pictures.labels).mean())
