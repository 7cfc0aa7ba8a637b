"""The scikit-learn face: images in, frozen features or class probabilities out."""

from headstart.estimators.classifier import TransferClassifier
from headstart.estimators.frozen_features import FrozenFeatures

__all__ = ["FrozenFeatures", "TransferClassifier"]
