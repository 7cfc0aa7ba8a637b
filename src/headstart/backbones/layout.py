"""What a chain of stages is made of, and the parts that several families share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import torch
from torch import nn

Stages = list[tuple[str, nn.Module]]
_HEAD_PARTS = ("global_pool", "head", "head_drop", "fc_norm", "fc", "classifier", "attn_pool", "conv_head", "norm_head")


@dataclass(frozen=True, eq=False)
class StageLayout:
    """Stages of a network, and what comes after the last.

    Attributes
    ----------
    stages : list of (name, module)
    pool : torch.nn.Module
        Last output to features.
    classifier : torch.nn.Module
        Last output to logits.
    drop_classifier : callable
        Removes from the network what only its classifier needs.
    natural : bool
        False for the last resort of a single stage.
    """

    stages: Stages
    pool: nn.Module
    classifier: nn.Module
    drop_classifier: Callable[[Any], None]
    natural: bool = True


class SpatialMean(nn.Module):
    """Mean over height and width; rows that are flat already stay as they are."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Features (n_images, channels) from maps (n_images, channels, height, width)."""
        return maps.mean(dim=(2, 3)) if maps.ndim == 4 else maps


class LibraryHead(nn.Module):
    """What the library's network does after its features; holds the network without counting it as a part."""

    def __init__(self, network: nn.Module, *, pre_logits: bool = False) -> None:
        super().__init__()
        object.__setattr__(self, "network", network)
        self.pre_logits = pre_logits

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Logits, or what the library's own classifier is given."""
        network: Any = self.network
        return torch.as_tensor(network.forward_head(maps, **({"pre_logits": True} if self.pre_logits else {})))


class LibraryBody(nn.Module):
    """The library's features in one piece, the last resort: owns all parameters but those of the head."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        object.__setattr__(self, "network", network)
        for name, child in children_before_head(network).items():
            self.add_module(name, child)
        for name, parameter in network.named_parameters(recurse=False):
            self.register_parameter(name, parameter)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """What the library calls the network's features."""
        network: Any = self.network
        return torch.as_tensor(network.forward_features(images))


def children_before_head(network: nn.Module) -> dict[str, nn.Module]:
    """Parts of a network of timm's in the order of their definition, up to the first that belongs to its head."""
    return dict(takewhile(lambda item: item[0] not in _HEAD_PARTS, network.named_children()))


def sequence(network: Any, names: str) -> nn.Sequential:
    """Parts of a network one after another, by their names with spaces between."""
    return nn.Sequential(*(getattr(network, name) for name in names.split()))


def reset_classifier(network: Any) -> None:
    """Drop the classifier of a network of timm's."""
    network.reset_classifier(0)
