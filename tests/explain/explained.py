"""Small models that the tests of explanations share."""

from __future__ import annotations

from typing import Any

import helpers
import numpy as np

from headstart.backbones.backbone import load_backbone
from headstart.backbones.feature_block import LAST, FeatureBlock
from headstart.data import ImageDataset, ImageResize
from headstart.engines.engine import Engine
from headstart.features.extract import extract_features
from headstart.features.extractor import Extractor
from headstart.heads import HeadSpec, fit_heads
from headstart.model import FeatureRecipe, Model

SIDE = 64
CLASSES = ("calm", "rough", "wild")
SPREAD = (24.0, 27.0, 30.0)
LOGISTIC = HeadSpec("logistic", {"C": 1.0})


def pictures(n_images: int = 6, *, seed: int = 1, side: int = SIDE) -> np.ndarray:
    return helpers.noise(n_images, seed=seed, spread=SPREAD, side=side)[:, :, :side]


def small_model(
    spec: HeadSpec = LOGISTIC,
    *,
    backbone: str = helpers.BACKBONE,
    blocks: tuple[FeatureBlock, ...] = (LAST,),
    side: int = SIDE,
    n_images: int = 30,
    **changes: Any,
) -> Model:
    """A head on random weights; three classes of noise."""
    network = load_backbone(backbone, weights="random", seed=3)
    preparation = ImageResize((side, side), interpolation=network.interpolation)
    engine = Engine(n_threads=1, batch_size=8)
    extractor = Extractor(network, preparation, engine, blocks=blocks)
    dataset = ImageDataset.from_arrays(pictures(n_images, seed=0, side=side))
    features = np.array(extract_features(dataset, extractor))
    (head,) = fit_heads([spec], features, np.arange(n_images) % 3, n_classes=3, seed=0)
    recipe = FeatureRecipe(extractor.blocks, extractor.beside)
    return Model(network, preparation, engine, head, CLASSES, features=recipe, **changes)
