"""Networks built here, of any stages, as backbones; and heads with weights written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from headstart.backbones.backbone import Backbone, PooledBase
from headstart.backbones.parts import SpatialMean
from headstart.backbones.stages import StagedNetwork, StageLayout
from headstart.backbones.weights import WeightsSource
from headstart.data import ImageResize
from headstart.engines.engine import Engine
from headstart.heads import FittedHead, HeadSpec
from headstart.model import Model


def backbone_of(network: nn.Module, layout: StageLayout, side: int, width: int) -> Backbone:
    """A network with frozen parameters as a backbone; pixels are scaled to -1..1."""
    staged = StagedNetwork(network, layout)
    module = PooledBase(staged).eval().requires_grad_(False)
    half, none = (0.5,) * 3, WeightsSource("made", "0" * 64, "none")
    return Backbone("toy", module, width, (side, side), "bilinear", half, half, 1.0, none, "0" * 64)


class ToyNetwork(nn.Module):
    """Colours mixed pixel by pixel, then an activation in place and the mean over 2 x 2 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 2, 1)
        self.second = nn.Sequential(nn.ReLU(inplace=True), nn.AvgPool2d(2))
        with torch.no_grad():
            self.first.weight.copy_(torch.tensor([[1.0, -0.5, 0.0], [0.25, 0.0, 1.0]])[..., None, None])
            self.first.bias.copy_(torch.tensor([0.1, -0.2]))


def toy_backbone(side: int = 4) -> Backbone:
    """`ToyNetwork` for images of 4 x 4 pixels; its second stage works in place on what it is given."""
    network = ToyNetwork()
    stages = [("first", network.first), ("second", network.second)]
    return backbone_of(network, StageLayout(stages, SpatialMean(), nn.Identity(), lambda whole: None), side, 2)


def logistic_head(coefficients: Any, *, mean: Any = 0.0, inverse_scale: Any = 1.0) -> FittedHead:
    """A logistic head with coefficients (classes, features) written by hand."""
    weights = np.asarray(coefficients, dtype=np.float64)
    n_classes, n_features = weights.shape
    arrays = {
        "present": np.ones(n_classes, dtype=bool),
        "mean": np.broadcast_to(np.asarray(mean, dtype=np.float64), (n_features,)).copy(),
        "inverse_scale": np.broadcast_to(np.asarray(inverse_scale, dtype=np.float64), (n_features,)).copy(),
        "coefficients": weights,
        "intercepts": np.arange(n_classes) / 10.0,
    }
    return FittedHead(HeadSpec("logistic"), arrays)


def model_of(backbone: Backbone, head: FittedHead, classes: Sequence[str] = ("a", "b"), **changes: Any) -> Model:
    """A model of a network and a head."""
    preparation = ImageResize(backbone.input_size, interpolation="bilinear")
    return Model(backbone, preparation, Engine(n_threads=1, batch_size=4), head, tuple(classes), **changes)
