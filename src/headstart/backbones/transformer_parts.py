"""Modules that the stages of vision transformers are made of: embeddings, and blocks with their rotations."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from headstart.errors import InputError

_BEFORE_BLOCKS = ("patch_embed", "pos_drop", "patch_drop", "norm_pre", "rope")


class _Embedding(nn.Module):
    """Everything before the first block; owns the parameters used there and holds the network for its own code."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        object.__setattr__(self, "network", network)
        for name, child in network.named_children():
            if name in _BEFORE_BLOCKS:
                self.add_module(name, child)
        for name, parameter in network.named_parameters(recurse=False):
            self.register_parameter(name, parameter)


class PlainEmbedding(_Embedding):
    """Images to tokens, as ``VisionTransformer`` embeds its patches."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Tokens (n_images, n_tokens, channels)."""
        network: Any = self.network
        tokens = network._pos_embed(network.patch_embed(images))
        return torch.as_tensor(network.norm_pre(network.patch_drop(tokens)))


class RotaryEmbedding(_Embedding):
    """Images to tokens, as ``Eva`` embeds its patches."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Tokens (n_images, n_tokens, channels); the blocks work out the rotations again."""
        network: Any = self.network
        tokens, _ = network._pos_embed(network.patch_embed(images))
        return torch.as_tensor(network.norm_pre(tokens))


class RotaryBlock(nn.Module):
    """A block together with the rotations of its place, which the network would hand it."""

    def __init__(self, network: Any, depth: int) -> None:
        super().__init__()
        object.__setattr__(self, "network", network)
        self.block = network.blocks[depth]
        self.depth = depth

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens to tokens."""
        return torch.as_tensor(self.block(tokens, rope=self._rotations(tokens.shape[1])))

    def _rotations(self, n_tokens: int) -> torch.Tensor | None:
        network: Any = self.network
        if network.rope is None:
            return None
        if network.dynamic_img_size:
            rotations = network.rope.get_embed(shape=_square_grid(n_tokens - network.num_prefix_tokens))
        elif hasattr(network.rope, "feat_shape"):
            rotations = network.rope.get_embed()
        else:
            rotations = network.rope.get_embed(shape=network.patch_embed.grid_size)
        return torch.as_tensor(rotations[self.depth] if getattr(network, "rope_mixed", False) else rotations)


def _square_grid(n_patches: int) -> tuple[int, int]:
    side = math.isqrt(n_patches)
    if side * side != n_patches:
        raise InputError(f"{n_patches} patches make no square; this network's stages take square images only.")
    return side, side
