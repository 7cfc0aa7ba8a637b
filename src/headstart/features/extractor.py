"""The frozen part of a backbone with its preparation and engine: prepared pixels in, features out."""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Iterator
from typing import Any

import numpy as np
import PIL
import torch
from numpy.typing import NDArray

from headstart.backbones.backbone import Backbone
from headstart.data.preparation import Preparation
from headstart.features.engine import Engine


class Extractor:
    """The frozen part of a backbone, ready to turn images into features.

    Parameters
    ----------
    backbone : Backbone
    preparation : Preparation
        From image to pixels of one size.
    engine : Engine
        Where and how the forward pass runs.
    """

    def __init__(self, backbone: Backbone, preparation: Preparation, engine: Engine) -> None:
        self.backbone = backbone
        self.preparation = preparation
        self.engine = engine
        self._device = torch.device(engine.device)
        self._module = backbone.module.to(self._device)

    def settings(self) -> dict[str, Any]:
        """Everything beside the image that shapes its features: the cache key's second half."""
        return {
            "backbone": self.backbone.name,
            "tensors": self.backbone.tensors_sha256,
            "normalisation": [list(self.backbone.mean), list(self.backbone.std)],
            "preparation": self.preparation.settings(),
            "stage": self.backbone.stage,
            "view": "identity",
            "engine": self.engine.settings(),
            "decoder": f"pillow {PIL.__version__}",
            "architecture": f"timm {importlib.metadata.version('timm')}",
        }

    def compute(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of prepared images.

        The batch is filled up to the engine's batch size, so an image's features do not depend on its company.

        Parameters
        ----------
        pixels : ndarray of shape (n_images, height, width, 3), uint8
            At most one batch.

        Returns
        -------
        ndarray of shape (n_images, feature_width), float32
        """
        n_images = len(pixels)
        if n_images < self.engine.batch_size:
            filling = np.zeros((self.engine.batch_size - n_images, *pixels.shape[1:]), dtype=np.uint8)
            pixels = np.concatenate([pixels, filling])
        with torch.inference_mode(), torch_threads(self.engine.n_threads), full_precision():
            features = self._module(self.backbone.normalise(pixels, self._device))
        return np.ascontiguousarray(features[:n_images].float().cpu().numpy())


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Run a block with fp32 meaning fp32 on CUDA too: no TF32, and always the same algorithms."""
    matmul = torch.backends.cuda.matmul
    before, matmul.allow_tf32 = matmul.allow_tf32, False
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        matmul.allow_tf32 = before


@contextlib.contextmanager
def torch_threads(n_threads: int) -> Iterator[None]:
    """Run a block with a fixed number of torch threads, and put the former number back."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
