"""Modules that stages are made of where the library has none, and the layouts that many of its networks share."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

import torch
from torch import nn

from headstart.backbones.stages import StageLayout, Stages

_HEAD_PARTS = ("global_pool", "head", "head_drop", "fc_norm", "fc", "classifier", "attn_pool", "conv_head", "norm_head")


class SpatialMean(nn.Module):
    """Mean over height and width; rows that are flat already stay as they are."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Features (n_images, channels) from maps (n_images, channels, height, width)."""
        return maps.mean(dim=(2, 3)) if maps.ndim == 4 else maps


class LibraryHead(nn.Module):
    """The library's way from features to logits; holds the network without counting it as a part."""

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
        """Maps that the library calls the network's features."""
        network: Any = self.network
        return torch.as_tensor(network.forward_features(images))


class GoogLeNetInput(nn.Module):
    """torchvision's change of normalisation, for a GoogLeNet that was built with it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        object.__setattr__(self, "network", network)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images as the network's first convolution expects them."""
        network: Any = self.network
        return torch.as_tensor(network._transform_input(images))


class OnCopy(nn.Module):
    """A stage that would change the tensor it is given, as an activation in place does, at work on a copy of it."""

    def __init__(self, stage: nn.Module) -> None:
        super().__init__()
        self.stage = stage

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Output of the stage, its input left as it was."""
        return torch.as_tensor(self.stage(maps.clone()))


def children_before_head(network: nn.Module) -> dict[str, nn.Module]:
    """Parts of a network of timm's in the order of their definition, up to the first that belongs to its head."""
    return dict(takewhile(lambda item: item[0] not in _HEAD_PARTS, network.named_children()))


def sequence(network: Any, names: str) -> nn.Sequential:
    """Parts of a network one after another, by their names with spaces between."""
    return nn.Sequential(*(getattr(network, name) for name in names.split()))


def reset_classifier(network: Any) -> None:
    """Drop the classifier of a network of timm's."""
    network.reset_classifier(0)


def drop_timm_classifier(network: Any) -> None:
    """Drop the classifier of a network of timm's, an auxiliary one of Inception-v3 too."""
    network.reset_classifier(0)
    if getattr(network, "AuxLogits", None) is not None:
        network.AuxLogits, network.aux_logits = None, False


def timm_layout(network: Any, stages: Stages) -> StageLayout:
    """Layout of a convolutional network of timm's: its features are the mean of the last map."""
    return StageLayout(stages, SpatialMean(), LibraryHead(network), drop_timm_classifier)


def library_layout(network: Any, stages: Stages, *, natural: bool = True) -> StageLayout:
    """Layout of any network of timm's: its features are what the library's own classifier would be given."""
    pool, head = LibraryHead(network, pre_logits=True), LibraryHead(network)
    return StageLayout(stages, pool, head, reset_classifier, natural=natural)
