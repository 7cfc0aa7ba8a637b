"""The fitted model: it predicts, and it is saved as a bundle and loaded from one."""

from headstart.model.bundle import BUNDLE_FORMAT
from headstart.model.feature_recipe import FeatureRecipe
from headstart.model.load import load_model
from headstart.model.model import Model, Prediction, Unlocked, image_marks

__all__ = ["BUNDLE_FORMAT", "FeatureRecipe", "Model", "Prediction", "Unlocked", "image_marks", "load_model"]
