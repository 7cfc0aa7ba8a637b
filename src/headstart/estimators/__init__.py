"""The scikit-learn face: images in, frozen features or class probabilities out."""

from headstart.estimators.features import FrozenFeatures
from headstart.estimators.transfer import TransferClassifier

__all__ = ["FrozenFeatures", "TransferClassifier"]
