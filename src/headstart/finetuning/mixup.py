"""Pairs of training images mixed: mixup and cutmix on stage maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from headstart.errors import InputError

if TYPE_CHECKING:
    from headstart.finetuning.spec import FineTuneSpec


def mixed(
    maps: torch.Tensor, targets: torch.Tensor, spec: FineTuneSpec, generator: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Maps and targets of a batch, each image mixed with another one of the batch.

    Parameters
    ----------
    maps : Tensor of shape (n, channels, height, width), or (n, ...) for mixup
    targets : Tensor of shape (n, n_classes)
        Shares of the classes.
    spec : FineTuneSpec
    generator : numpy Generator

    References
    ----------
    H. Zhang et al., "mixup", ICLR 2018; on hidden maps V. Verma et al., "Manifold mixup", ICML 2019. S. Yun et al.,
    "CutMix", ICCV 2019.

    Raises
    ------
    InputError
        For cutmix on maps without height and width.
    """
    if spec.mix == "none" or len(maps) < 2:
        return maps, targets
    share = float(generator.beta(spec.mix_alpha, spec.mix_alpha))
    other = torch.from_numpy(generator.permutation(len(maps))).to(maps.device)
    if spec.mix == "mixup":
        return torch.lerp(maps[other], maps, share), torch.lerp(targets[other], targets, share)
    if maps.ndim != 4:
        raise InputError("cutmix needs maps with height and width; those of transformers have none. Use mixup.")
    height, width = maps.shape[-2:]
    top, bottom = _span(height, np.sqrt(1 - share), generator)
    left, right = _span(width, np.sqrt(1 - share), generator)
    pasted = maps.clone(memory_format=torch.preserve_format)
    pasted[:, :, top:bottom, left:right] = maps[other, :, top:bottom, left:right]
    kept = 1 - (bottom - top) * (right - left) / (height * width)
    return pasted, torch.lerp(targets[other], targets, kept)


def _span(length: int, share: float, generator: np.random.Generator) -> tuple[int, int]:
    """First and last place of a stretch of about this share, cut off at the borders."""
    centre, half = int(generator.integers(length)), share * length / 2
    return max(round(centre - half), 0), min(round(centre + half), length)
