"""The whole job in one call each: fit, evaluate, compare; the command line and Python call the same functions."""

from headstart.workflow.curve import Curve, CurveOptions, curve
from headstart.workflow.fit import Run, fit
from headstart.workflow.judge import compare, evaluate
from headstart.workflow.options import DataSource, FitOptions
from headstart.workflow.pretrain import Pretrained, pretrain
from headstart.workflow.pretrainoptions import PretrainOptions
from headstart.workflow.rank import BackboneRanking, rank_backbones

__all__ = [
    "BackboneRanking",
    "Curve",
    "CurveOptions",
    "DataSource",
    "FitOptions",
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
