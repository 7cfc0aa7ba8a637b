"""Transfer learning for small image data sets, with an honest estimate of how well it works.

Heavy libraries are imported only when a name that needs them is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from headstart.version import __version__

if TYPE_CHECKING:
    from headstart import cells, signals
    from headstart.data import ImageDataset, read_dataset
    from headstart.errors import HeadstartError
    from headstart.estimators import FrozenFeatures, TransferClassifier
    from headstart.explain import Explanation, explain
    from headstart.model import Model, load_model
    from headstart.pretraining import PretrainSettings
    from headstart.workflow import (
        BackboneRanking,
        CellsCount,
        CurveOptions,
        DataSource,
        FitOptions,
        Paper,
        Pretrained,
        PretrainOptions,
        compare,
        count_cells,
        curve,
        evaluate,
        fit,
        fit_cells,
        paper,
        pretrain,
        rank_backbones,
        read_config,
    )

__all__ = [
    "BackboneRanking",
    "CellsCount",
    "CurveOptions",
    "DataSource",
    "Explanation",
    "FitOptions",
    "FrozenFeatures",
    "HeadstartError",
    "ImageDataset",
    "Model",
    "Paper",
    "PretrainOptions",
    "PretrainSettings",
    "Pretrained",
    "TransferClassifier",
    "__version__",
    "cells",
    "compare",
    "count_cells",
    "curve",
    "evaluate",
    "explain",
    "fit",
    "fit_cells",
    "load_model",
    "paper",
    "pretrain",
    "rank_backbones",
    "read_config",
    "read_dataset",
    "signals",
]

_HOMES = {
    "BackboneRanking": "headstart.workflow",
    "CellsCount": "headstart.workflow",
    "CurveOptions": "headstart.workflow",
    "DataSource": "headstart.workflow",
    "Explanation": "headstart.explain",
    "FitOptions": "headstart.workflow",
    "FrozenFeatures": "headstart.estimators",
    "HeadstartError": "headstart.errors",
    "ImageDataset": "headstart.data",
    "Model": "headstart.model",
    "Paper": "headstart.workflow",
    "PretrainOptions": "headstart.workflow",
    "PretrainSettings": "headstart.pretraining",
    "Pretrained": "headstart.workflow",
    "TransferClassifier": "headstart.estimators",
    "compare": "headstart.workflow",
    "count_cells": "headstart.workflow",
    "curve": "headstart.workflow",
    "evaluate": "headstart.workflow",
    "fit": "headstart.workflow",
    "fit_cells": "headstart.workflow",
    "load_model": "headstart.model",
    "paper": "headstart.workflow",
    "pretrain": "headstart.workflow",
    "rank_backbones": "headstart.workflow",
    "read_config": "headstart.workflow",
    "read_dataset": "headstart.data",
}

_ROOMS = ("cells", "explain", "signals")
"""Rooms that are named as such; `explain` is a function, too."""


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"headstart.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'headstart' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
