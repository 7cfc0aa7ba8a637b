"""The backbone of a run with random weights: what the architecture alone brings, before it has learned anything.

Batch normalisation has no statistics before training, and without them deep random networks fade: GoogLeNet's features
come out at 5e-13 with nearly all of their variance in one direction, Xception's at 5e-5; timm's ResNets start with
their residual branches switched off. So the statistics are set on noise made from a seed, which no image of the user
takes part in, and branches that are switched off are switched on. Nothing is fitted, so nothing can leak.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from headstart.backbones.backbone import load_backbone
from headstart.backbones.weights import RANDOM, hash_tensors
from headstart.features.extractor import Extractor
from headstart.runtime.threads import torch_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.backbones.backbone import Backbone

N_NOISE: Final = 8
_OCTAVES: Final = (4, 8, 16, 32, 64)


def random_weights_extractor(extractor: Extractor, *, seed: int) -> Extractor:
    """An extractor as the one given, preparation, blocks and engine the same, whose network has random weights.

    A quantised network cannot be taken over: where the engine's precision is int8, the baseline computes in fp32.

    Parameters
    ----------
    extractor : Extractor
    seed : int
        Seed of the weights.
    """
    given = extractor.backbone
    fresh = load_backbone(given.name, weights=RANDOM, offline=True, seed=seed, n_channels=given.n_channels)
    backbone = steadied(fresh, extractor.preparation.size)
    engine = extractor.engine
    if engine.precision == "int8":
        engine = replace(engine, precision="fp32", network_sha256="")
    return Extractor(
        backbone,
        extractor.preparation,
        engine,
        blocks=extractor.blocks,
        averaged=extractor.averaged,
        network_cache=extractor.network_cache,
    )


def steadied(backbone: Backbone, size: tuple[int, int]) -> Backbone:
    """The backbone with its batch normalisations set on seeded noise; as it was where it has none.

    Parameters
    ----------
    backbone : Backbone
        With random weights; its tensors are changed.
    size : (int, int)
        Height and width of the network's input in pixels.
    """
    norms = [module for module in backbone.module.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        return backbone
    momenta = [norm.momentum for norm in norms]
    with torch.no_grad(), torch_threads(1):  # sums are then added in one order, whatever the number of threads
        for norm in norms:
            if norm.weight is not None and not norm.weight.any():
                norm.weight.fill_(1.0)
            norm.reset_running_stats()
            norm.momentum = None  # the statistics of the one batch, not a step towards them
            norm.train()
        backbone.module(backbone.normalise(noise_images(N_NOISE, size, backbone.n_channels), torch.device("cpu")))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
    return replace(backbone, tensors_sha256=hash_tensors(backbone.module.state_dict()))


def noise_images(n_images: int, size: tuple[int, int], n_channels: int = 3) -> NDArray[np.uint8]:
    """Coloured noise of several grains, always the same, (n_images, height, width, n_channels)."""
    generator = torch.Generator().manual_seed(0)
    total = torch.zeros(n_images, n_channels, *size)
    for cells in _OCTAVES:
        coarse = torch.rand(n_images, n_channels, cells, cells, generator=generator) - 0.5
        total += torch.nn.functional.interpolate(coarse, size, mode="bilinear", align_corners=False)
    pixels = (total * (255 / 2) + 127.5).clamp(0, 255).round().to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous().numpy()
