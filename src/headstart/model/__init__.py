"""The fitted model: it predicts, and it is saved as a bundle and loaded from one.

A detector of streams needs no network, so the modules that import torch are imported only when they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.runtime.lazy import lazy_names

if TYPE_CHECKING:
    from headstart.model.bundle import BUNDLE_FORMAT
    from headstart.model.feature_recipe import FeatureRecipe
    from headstart.model.fold_models import FoldModel, FoldModels, load_fold_models
    from headstart.model.load import load_model
    from headstart.model.model import Model, Prediction, Unlocked, image_marks, mark_of
    from headstart.model.novelty import ImageNovelty, NoveltyDetector

__all__ = [
    "BUNDLE_FORMAT",
    "FeatureRecipe",
    "FoldModel",
    "FoldModels",
    "ImageNovelty",
    "Model",
    "NoveltyDetector",
    "Prediction",
    "Unlocked",
    "image_marks",
    "load_fold_models",
    "load_model",
    "mark_of",
]

_HOMES = {
    "BUNDLE_FORMAT": "bundle",
    "FeatureRecipe": "feature_recipe",
    "FoldModel": "fold_models",
    "FoldModels": "fold_models",
    "ImageNovelty": "novelty",
    "Model": "model",
    "NoveltyDetector": "novelty",
    "Prediction": "model",
    "Unlocked": "model",
    "image_marks": "model",
    "load_fold_models": "fold_models",
    "load_model": "load",
    "mark_of": "model",
}

__getattr__ = lazy_names(__name__, _HOMES)
