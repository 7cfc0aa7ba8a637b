"""Views of an image: fixed, seeded variants for cached features, training and test time."""

from headstart.augment.policies import KINDS, Custom, policy_for_kind, read_policy
from headstart.augment.transforms import RANGES, Ranges
from headstart.augment.views import IDENTITY, POLICIES, SYMMETRIES, View, n_distinct, view_from_json, views

__all__ = [
    "IDENTITY",
    "KINDS",
    "POLICIES",
    "RANGES",
    "SYMMETRIES",
    "Custom",
    "Ranges",
    "View",
    "n_distinct",
    "policy_for_kind",
    "read_policy",
    "view_from_json",
    "views",
]
