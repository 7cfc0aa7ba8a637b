"""The whole job in one call each: fit, evaluate, compare; the command line and Python call the same functions.

What needs heavy libraries is imported only when it is used: the command line's help reads the options alone.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from headstart.runtime.lazy import lazy_names

if TYPE_CHECKING:
    from headstart.workflow.cells import fit_cells
    from headstart.workflow.cells_count.count import CellsCount, count_cells
    from headstart.workflow.compare import compare
    from headstart.workflow.evaluate import evaluate
    from headstart.workflow.fit import fit
    from headstart.workflow.learning_curve import LearningCurve, curve
    from headstart.workflow.options.config import read_config
    from headstart.workflow.options.data import DataSource
    from headstart.workflow.options.fit import FitOptions
    from headstart.workflow.options.learning_curve import CurveOptions
    from headstart.workflow.options.pretrain import PretrainOptions
    from headstart.workflow.paper.make import Paper, paper
    from headstart.workflow.pretrain import Pretrained, pretrain
    from headstart.workflow.rank import BackboneRanking, rank_backbones
    from headstart.workflow.run import Run

__all__ = [
    "BackboneRanking",
    "CellsCount",
    "CurveOptions",
    "DataSource",
    "FitOptions",
    "LearningCurve",
    "Paper",
    "PretrainOptions",
    "Pretrained",
    "Run",
    "compare",
    "count_cells",
    "curve",
    "evaluate",
    "fit",
    "fit_cells",
    "paper",
    "pretrain",
    "rank_backbones",
    "read_config",
]

_HOMES = {
    "BackboneRanking": "rank",
    "CellsCount": "cells_count.count",
    "CurveOptions": "options.learning_curve",
    "DataSource": "options.data",
    "FitOptions": "options.fit",
    "LearningCurve": "learning_curve",
    "Paper": "paper.make",
    "PretrainOptions": "options.pretrain",
    "Pretrained": "pretrain",
    "Run": "run",
    "compare": "compare",
    "count_cells": "cells_count.count",
    "curve": "learning_curve",
    "evaluate": "evaluate",
    "fit": "fit",
    "fit_cells": "cells",
    "paper": "paper.make",
    "pretrain": "pretrain",
    "rank_backbones": "rank",
    "read_config": "options.config",
}


class _Package(ModuleType):
    """Type of this package, whose ``fit`` stays the function when the module of that name is imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

__getattr__ = lazy_names(__name__, _HOMES)
