"""The fitted model: it predicts, and it is saved as a bundle and loaded from one."""

from headstart.model.bundle import BUNDLE_FORMAT
from headstart.model.feature_recipe import FeatureRecipe
from headstart.model.fold_models import FoldModel, FoldModels, load_fold_models
from headstart.model.load import load_model
from headstart.model.model import Model, Prediction, Unlocked, image_marks

__all__ = [
    "BUNDLE_FORMAT",
    "FeatureRecipe",
    "FoldModel",
    "FoldModels",
    "Model",
    "Prediction",
    "Unlocked",
    "image_marks",
    "load_fold_models",
    "load_model",
]
