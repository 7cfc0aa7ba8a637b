"""Kinds of heads, one file each: settings, fit, stored arrays, prediction, cost and words, registered together.

To add a kind write one file here (or anywhere, imported before it is used) that ends in
``register_head(HeadKind(...))``. Specs, searches, ``study.toml`` and its schema, bundles, time estimates and reports
find it by that alone. The file must be light to import: torch and scikit-learn are imported within functions.
"""

from headstart.heads.settings import Scalar, Setting
from headstart.heads.spec import (
    KINDS,
    FitCost,
    FitHeads,
    FitSize,
    HeadKind,
    HeadSpec,
    Layout,
    register_head,
)

__all__ = [
    "KINDS",
    "FitCost",
    "FitHeads",
    "FitSize",
    "HeadKind",
    "HeadSpec",
    "Layout",
    "Scalar",
    "Setting",
    "register_head",
]
