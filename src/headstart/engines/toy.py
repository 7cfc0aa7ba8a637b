"""A backbone of a few hundred numbers, with which an engine is tried."""

from __future__ import annotations

import torch
from torch import nn

from headstart.backbones.backbone import Backbone, PooledBase
from headstart.backbones.stages import StagedNetwork, StageLayout
from headstart.backbones.weights import RANDOM, WeightsSource

TOY_SIZE = (32, 32)


def toy_backbone() -> Backbone:
    """One convolution with batch normalisation, and pooling; its weights are constants, so nothing is drawn."""
    stage = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
    for tensor in stage.parameters():
        nn.init.constant_(tensor, 0.1)
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network = nn.Sequential(stage, pool).eval().requires_grad_(False)
    layout = StageLayout([("stage", stage)], pool, nn.Identity(), lambda module: None)
    module = PooledBase(StagedNetwork(network, layout))
    return Backbone(
        name="a tiny network",
        module=module.to(memory_format=torch.channels_last),  # type: ignore[call-overload]  # torch's stubs lack it
        feature_width=8,
        input_size=TOY_SIZE,
        interpolation="bilinear",
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        crop_fraction=1.0,
        weights=WeightsSource(source=RANDOM, sha256="", licence=""),
        tensors_sha256="",
    )
