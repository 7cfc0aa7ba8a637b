"""The whole job in one call each: fit, evaluate, compare; the command line and Python call the same functions."""

from headstart.workflow.evaluate import compare, evaluate
from headstart.workflow.fit import Run, fit
from headstart.workflow.learning_curve import CurveOptions, LearningCurve, curve
from headstart.workflow.options.fit import DataSource, FitOptions
from headstart.workflow.options.pretrain import PretrainOptions
from headstart.workflow.pretrain import Pretrained, pretrain
from headstart.workflow.rank import BackboneRanking, rank_backbones

__all__ = [
    "BackboneRanking",
    "CurveOptions",
    "DataSource",
    "FitOptions",
    "LearningCurve",
    "PretrainOptions",
    "Pretrained",
    "Run",
    "compare",
    "curve",
    "evaluate",
    "fit",
    "pretrain",
    "rank_backbones",
]
