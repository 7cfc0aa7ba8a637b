"""A pretrained network as headstart uses it: pixels in, features out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from headstart.backbones.build import build, pixels_of, staged
from headstart.backbones.entry import Entry, Pixels
from headstart.backbones.first_layer import adapt_first_layer, check_adapted, in_turn
from headstart.backbones.registry import find_entry
from headstart.backbones.stages import REFUSALS, StagedNetwork, size_refused
from headstart.backbones.weights import RANDOM, WeightsSource, fit_state, hash_tensors, load_into
from headstart.backbones.weights.hub_config import with_hub_config
from headstart.errors import InputError
from headstart.progress import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray


class PooledBase(nn.Module):
    """All stages of a network and the pooling after them.

    Attributes
    ----------
    network : torch.nn.Module
        As its library built it, without its classifier: tensors keep the library's names.
    staged : StagedNetwork
        View of the same network.
    """

    def __init__(self, stages: StagedNetwork) -> None:
        super().__init__()
        self.network = stages.network
        self.staged = stages

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features of shape (n_images, feature_width) from normalised images of shape (n_images, 3, height, width)."""
        return torch.as_tensor(self.staged.pool(self.staged.forward_features(images)))


@dataclass(frozen=True, eq=False)
class Backbone:
    """A frozen pretrained network with all that is needed to run it again elsewhere.

    Attributes
    ----------
    name : str
        headstart's name of it.
    module : PooledBase
        Normalised images (n, 3, height, width) to features (n, feature_width), in evaluation mode.
    feature_width : int
        Numbers per image.
    input_size : tuple of int
        (height, width) in pixels that the weights were trained at.
    interpolation : str
        Resampling that the weights were trained with: ``bicubic`` or ``bilinear``.
    mean, std : tuple of float
        Normalisation of pixel values scaled to 0..1, per channel.
    crop_fraction : float
        Share of the image's side that the publisher's evaluation cut from the centre; recorded, not applied.
    weights : WeightsSource
        Where the weights came from.
    tensors_sha256 : str
        Hash of the tensors in use; part of the cache key.
    hub_config : Mapping or None
        The hub's ``config.json`` of a network named by its hub id: with it a bundle needs no hub.
    """

    name: str
    module: PooledBase
    feature_width: int
    input_size: tuple[int, int]
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop_fraction: float
    weights: WeightsSource
    tensors_sha256: str
    hub_config: Mapping[str, Any] | None = None

    @property
    def staged(self) -> StagedNetwork:
        """The network as a chain of named stages; its original classifier is gone."""
        return self.module.staged

    @property
    def n_channels(self) -> int:
        """Number of channels of an image: three, unless the first layer was adapted to others."""
        return len(self.mean)

    @property
    def is_absent(self) -> bool:
        """Whether no network takes part; see `headstart.backbones.no_network`."""
        return self.weights.is_absent

    @property
    def stage(self) -> str:
        """Name of the stage whose pooled output are the features."""
        return self.staged.names[-1]

    def normalise(self, pixels: NDArray[Any], device: torch.device) -> torch.Tensor:
        """Network input (n, 3, height, width), float32, channels last, from pixels (n, height, width, 3).

        Pixels are uint8 or float32, both on the scale 0..255; floats may leave that range.
        """
        return self.normalise_tensor(torch.from_numpy(pixels).to(device))

    def normalise_tensor(self, pixels: torch.Tensor) -> torch.Tensor:
        """Network input as of `normalise`, from a tensor of pixels, on the device of that tensor."""
        images = pixels.permute(0, 3, 1, 2).float()
        mean = torch.tensor(self.mean, device=pixels.device).view(1, -1, 1, 1) * 255
        std = torch.tensor(self.std, device=pixels.device).view(1, -1, 1, 1) * 255
        return ((images - mean) / std).contiguous(memory_format=torch.channels_last)

    def state(self) -> dict[str, torch.Tensor]:
        """Tensors of the frozen part, for the bundle."""
        return {name: tensor.contiguous() for name, tensor in self.module.state_dict().items()}

    def check_takes(self, size: tuple[int, int]) -> None:
        """Run one blank image through the network: some are bound to one size, others need a least one.

        Parameters
        ----------
        size : tuple of int
            (height, width) in pixels.

        Raises
        ------
        InputError
            When the network cannot take such images.
        """
        if size == self.input_size:
            return
        device = next(self.module.parameters()).device
        try:
            with torch.inference_mode():
                self.module(torch.zeros(1, self.n_channels, *size, device=device))
        except REFUSALS as error:
            refused = size_refused(f"Backbone {self.name!r}", size, error)
            raise InputError(
                f"{refused} It was trained at {self.input_size[0]} x "
                f"{self.input_size[1]}; leave the input size out to use that."
            ) from error


def load_backbone(
    name: str,
    *,
    weights: str | Path | None = None,
    offline: bool = False,
    seed: int = 0,
    n_channels: int = 3,
    progress: Progress | None = None,
) -> Backbone:
    """A backbone by name, with pretrained weights.

    Parameters
    ----------
    name : str
        A name that ``headstart backbones`` lists, any timm name, or ``hf-hub:OWNER/MODEL``; see
        `headstart.backbones.registry.find_entry`.
    weights : str or Path, optional
        A file (``.safetensors`` or ``.pth``), or ``random``. Default: looked for, see
        `headstart.backbones.weights.find_weights`.
    offline : bool
        Never touch the network.
    seed : int
        Seed of random weights.
    n_channels : int
        Channels of an image. For others than three the first layer is adapted; see
        `headstart.backbones.first_layer.adapt_first_layer`.
    progress : Progress, optional
        Told of a download, and of what in a file was not used.

    Raises
    ------
    InputError
        Unknown name, or a network that cannot take so many channels.
    WeightsError
        Weights missing, damaged or not fitting.
    """
    entry = with_hub_config(find_entry(name), offline=offline)
    network = build(entry, seed=seed)
    if weights == RANDOM:
        source = WeightsSource(f"random (seed {seed})", hash_tensors(network.state_dict()), "none")
    else:
        source = load_into(network, entry, weights, offline, progress=progress)
    return _backbone(entry, network, source, n_channels)


def _backbone(entry: Entry, network: nn.Module, source: WeightsSource, n_channels: int) -> Backbone:
    pixels = _as_trained(pixels_of(entry, network), source)
    module = _frozen_part(network, entry)
    feature_width = entry.feature_width or _feature_width(module, pixels)
    if n_channels != len(pixels.mean):
        adapt_first_layer(module.network, n_channels, name=entry.name)
        check_adapted(module, n_channels, pixels.input_size, name=entry.name)
        module.staged.n_channels = n_channels
    return Backbone(
        name=entry.name,
        module=module,
        feature_width=feature_width,
        input_size=pixels.input_size,
        interpolation=pixels.interpolation,
        mean=pixels.mean if n_channels == 3 else in_turn(pixels.mean, n_channels),
        std=pixels.std if n_channels == 3 else in_turn(pixels.std, n_channels),
        crop_fraction=pixels.crop_fraction,
        weights=source,
        tensors_sha256=hash_tensors(module.state_dict()),
        hub_config=entry.hub_config,
    )


def _as_trained(pixels: Pixels, source: WeightsSource) -> Pixels:
    """Input that the weights expect: those of `headstart pretrain` say at which size they were trained."""
    if source.pretraining is None:
        return pixels
    height, width = source.pretraining["input_size"]
    return replace(pixels, input_size=(int(height), int(width)), crop_fraction=1.0)


def _frozen_part(network: nn.Module, entry: Entry) -> PooledBase:
    """The network without its classifier, frozen, in channels-last memory."""
    stages = staged(network, entry)
    stages.drop_classifier()
    module = PooledBase(stages)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module.eval().requires_grad_(False)


def _feature_width(module: PooledBase, pixels: Pixels) -> int:
    with torch.inference_mode():
        return int(module(torch.zeros(1, 3, *pixels.input_size)).shape[1])


def restore_backbone(
    name: str,
    state: dict[str, torch.Tensor],
    weights: WeightsSource,
    *,
    source: str,
    hub_config: Mapping[str, Any] | None = None,
    n_channels: int = 3,
) -> Backbone:
    """A backbone rebuilt from a bundle's tensors, without looking for weights anywhere.

    Parameters
    ----------
    name : str
    state : dict of str to Tensor
        As `Backbone.state` gave it.
    weights : WeightsSource
        What the bundle says of them.
    source : str
        The file, for messages.
    hub_config : Mapping, optional
        Configuration of a network named by its hub id, as `Backbone.hub_config` had it.
    n_channels : int
        Channels of an image, as `Backbone.n_channels` said.

    Raises
    ------
    WeightsError
        When the tensors do not fit the architecture.
    """
    entry = replace(find_entry(name), hub_config=hub_config)
    backbone = _backbone(entry, build(entry), weights, n_channels)
    fit_state(backbone.module, state, source=source)
    return replace(backbone, tensors_sha256=hash_tensors(backbone.module.state_dict()))
