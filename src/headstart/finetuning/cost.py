"""Cost of a fine-tuning: seconds of a step on this machine, for time estimates and budgets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from headstart.finetuning.network import UnlockedNetwork
from headstart.finetuning.spec import frozen_stage
from headstart.heads import FittedHead, HeadSpec
from headstart.runtime.threads import torch_threads

if TYPE_CHECKING:
    from headstart.features.extractor import Extractor
    from headstart.finetuning.spec import FineTuneSpec

_TRIAL_STEPS: Final = 3


def step_seconds(extractor: Extractor, spec: FineTuneSpec, n_classes: int) -> tuple[float, float]:
    """Seconds per image of a training step and of a forward pass, from a few of them on blank maps.

    Parameters
    ----------
    extractor : Extractor
    spec : FineTuneSpec
    n_classes : int

    Returns
    -------
    train, forward : float
        Seconds per image in the shortest of three steps.
    """
    backbone, engine = extractor.backbone, extractor.engine
    stage = frozen_stage(spec.unlock, backbone.staged.names, backbone=backbone.name)
    device = torch.device(engine.device)
    with torch_threads(engine.n_threads):
        backbone.module.to(device)
        images = torch.zeros(spec.batch_size, backbone.n_channels, *extractor.preparation.size, device=device)
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            maps = images if stage is None else backbone.staged.forward_features(images[:1], stage)
            maps = maps.expand(spec.batch_size, *maps.shape[1:]).clone()
            if maps.ndim == 4:
                maps = maps.contiguous(memory_format=torch.channels_last)
        network = UnlockedNetwork(
            backbone,
            stage,
            blank_head(backbone.feature_width, n_classes),
            adapt_norms=spec.norms == "adapt",
            device=device,
        )
        network.fold(maps)
        network.train()
        labels = torch.zeros(spec.batch_size, dtype=torch.int64, device=device)
        train, forward = [], []
        for _ in range(_TRIAL_STEPS):
            start = time.perf_counter()
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=spec.precision == "bf16"):
                logits = network(maps)
            middle = time.perf_counter()
            torch.nn.functional.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]
            train.append(time.perf_counter() - start)
            forward.append(middle - start)
    return min(train) / spec.batch_size, min(forward) / spec.batch_size


def blank_head(n_features: int, n_classes: int) -> FittedHead:
    """A logistic head that gives every image the same probabilities."""
    arrays = {
        "present": np.ones(n_classes, dtype=bool),
        "mean": np.zeros(n_features),
        "inverse_scale": np.ones(n_features),
        "coefficients": np.zeros((n_classes, n_features)),
        "intercepts": np.zeros(n_classes),
    }
    return FittedHead(HeadSpec("logistic"), arrays)
