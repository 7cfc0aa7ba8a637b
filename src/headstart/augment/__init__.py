"""Views of an image: fixed, seeded variants for cached features, training and test time."""

from headstart.augment.change import RANGES, Ranges
from headstart.augment.view import IDENTITY, POLICIES, SYMMETRIES, View, n_distinct, views

__all__ = ["IDENTITY", "POLICIES", "RANGES", "SYMMETRIES", "Ranges", "View", "n_distinct", "views"]
