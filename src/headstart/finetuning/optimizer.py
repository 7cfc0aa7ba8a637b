"""AdamW over the unlocked stages: a learning rate for each stage, weight decay for kernels alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import nn

if TYPE_CHECKING:
    from headstart.finetuning.network import UnlockedNetwork
    from headstart.finetuning.spec import FineTuneSpec

_BETAS: Final = (0.9, 0.999)


def make_optimizer(
    network: UnlockedNetwork, spec: FineTuneSpec, device: torch.device
) -> tuple[torch.optim.Optimizer, list[float]]:
    """AdamW with a group for each stage, kernels and the rest apart.

    Returns
    -------
    optimizer : torch.optim.Optimizer
    factors : list of float
        Learning rate of each group as a multiple of the peak rate.
    """
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for distance, _, parameter in network.groups():
        groups.setdefault((distance, parameter.ndim > 1), []).append(parameter)
    factors = [spec.head_factor if distance < 0 else spec.stage_decay**distance for distance, _ in groups]
    listed = [
        {"params": some, "weight_decay": spec.weight_decay if decays else 0.0} for (_, decays), some in groups.items()
    ]
    return torch.optim.AdamW(listed, lr=spec.learning_rate, betas=_BETAS, fused=device.type != "mps"), factors
