"""The place of a network where none takes part: it has no tensors and gives no features."""

from __future__ import annotations

from typing import Final

import torch
from torch import nn

from headstart.backbones.backbone import Backbone, PooledBase
from headstart.backbones.complexity import StageInfo
from headstart.backbones.stages import StagedNetwork, StageLayout
from headstart.backbones.weights import WeightsSource, hash_tensors
from headstart.backbones.weights.provenance import NO_NETWORK

INPUT_SIZE: Final = (224, 224)
"""Height and width in pixels that pictures are shown at to whoever looks at them, the baselines above all."""
_STAGE: Final = "none"


class _Nothing(nn.Module):
    """Rows without a number."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Shape (n_images, 0)."""
        return images.new_zeros((len(images), 0))


class _NoStages(StagedNetwork):
    """One stage that gives nothing, known without running it."""

    def describe(self, input_size: tuple[int, int]) -> tuple[StageInfo, ...]:
        """The stage, which takes images of every size."""
        return (StageInfo(_STAGE, 0, None, 0, 0, (0,)),)


def no_network(n_channels: int = 3) -> Backbone:
    """A backbone without a network: 0 features of every image, for heads on numbers that stand beside the pictures.

    Parameters
    ----------
    n_channels : int
        Channels of an image.
    """
    nothing = _Nothing()
    layout = StageLayout([(_STAGE, nothing)], nn.Identity(), nn.Identity(), lambda network: None)
    module = PooledBase(_NoStages(nothing, layout)).eval()
    module.staged.drop_classifier()
    module.staged.n_channels = n_channels
    empty = hash_tensors({})
    return Backbone(
        name=NO_NETWORK,
        module=module,
        feature_width=0,
        input_size=INPUT_SIZE,
        interpolation="bicubic",
        mean=(0.0,) * n_channels,
        std=(1.0,) * n_channels,
        crop_fraction=1.0,
        weights=WeightsSource(NO_NETWORK, empty, "none"),
        tensors_sha256=empty,
    )
