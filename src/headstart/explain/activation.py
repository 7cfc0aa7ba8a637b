"""Activation maps: what the strongest channels of each stage of a network answer to in an image."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from headstart.backbones.stage_outputs import patches, stage_outputs
from headstart.errors import InputError
from headstart.explain.panels import coloured, fitted, page, sheet, words_as_tile
from headstart.runtime.precision import full_precision
from headstart.runtime.threads import torch_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from headstart.backbones.backbone import Backbone
    from headstart.backbones.feature_block import StageOutput

N_CHANNELS: Final = 8
"""Channels shown of each stage, unless another number is asked for."""
TILE: Final = 96
INPUT: Final = 224
LABEL: Final = 116


@dataclass(frozen=True, eq=False)
class StageActivation:
    """The strongest channels of one stage for one image.

    Attributes
    ----------
    stage : str
    n_channels : int
        Number of channels of the stage.
    channels : ndarray of shape (n_shown,), int64
        Numbers of the channels shown, the strongest first.
    strengths : ndarray of shape (n_shown,), float32
        Standard deviation of each over the places of the picture.
    maps : ndarray of shape (n_shown, height, width), float32
        Their activations, on the grid of the stage.
    """

    stage: str
    n_channels: int
    channels: NDArray[np.int64]
    strengths: NDArray[np.float32]
    maps: NDArray[np.float32]


def stages_with_maps(backbone: Backbone, size: tuple[int, int]) -> tuple[str, ...]:
    """Names of the stages that keep places apart; those that see the picture as a whole do not.

    Parameters
    ----------
    backbone : Backbone
    size : (int, int)
        Height and width of the images in pixels.
    """
    return tuple(output.name for output in stage_outputs(backbone.staged, size) if _has_places(output))


def _has_places(output: StageOutput) -> bool:
    return not output.is_flat and output.sides != (1, 1)


def chosen_stages(backbone: Backbone, size: tuple[int, int], names: Sequence[str] = ()) -> tuple[str, ...]:
    """The stages asked for in the order of the network, or all that have maps.

    Raises
    ------
    InputError
        For a stage that the network has not, with the close matches, or one that has no map.
    """
    with_maps = stages_with_maps(backbone, size)
    for name in names:
        backbone.staged.index(name)
        if name not in with_maps:
            raise InputError(
                f"Stage {name!r} of {backbone.name} has no map: it sees the picture as a whole. Stages that have one: "
                f"{', '.join(with_maps) or 'none'}."
            )
    if not with_maps:
        raise InputError(f"No stage of {backbone.name} has a map. Use a network with a convolutional part.")
    return tuple(name for name in with_maps if name in names) if names else with_maps


def activation_maps(
    backbone: Backbone,
    pixels: NDArray[Any],
    *,
    stages: Sequence[str] = (),
    n_channels: int = N_CHANNELS,
    n_threads: int = 1,
) -> Iterator[tuple[StageActivation, ...]]:
    """The strongest channels of every stage for each of some images, by one forward pass of each.

    The strongest channels of a stage are those whose activation varies most over the picture: a channel that answers
    alike everywhere has nothing to show. Figure 10 of the paper shows such maps of chosen layers.

    Parameters
    ----------
    backbone : Backbone
    pixels : ndarray of shape (n_images, height, width, n_channels), uint8 or float32
        Prepared images.
    stages : sequence of str
        Names of stages. Default: all that have maps.
    n_channels : int
        Number of channels of each stage.
    n_threads : int
        Threads of torch.

    Yields
    ------
    tuple of StageActivation
        For each image, in the order of the network.

    Raises
    ------
    InputError
        For a stage that the network has not, or that has no map, or fewer than one channel.

    References
    ----------
    Brodzicki et al. (2020), DOI 10.2478/fcds-2020-0010, section 3.4.
    """
    if n_channels < 1:
        raise InputError(f"{n_channels} channels of a stage cannot be shown. Give one or more.")
    size = (int(pixels.shape[1]), int(pixels.shape[2]))
    chosen = chosen_stages(backbone, size, stages)
    device = next(backbone.module.parameters()).device
    for image in pixels:
        with torch.inference_mode(), torch_threads(n_threads), full_precision():
            images = backbone.normalise(np.ascontiguousarray(image[None]), device)
            yield tuple(_of_stages(backbone, images, chosen, n_channels, size))


def _of_stages(
    backbone: Backbone, images: torch.Tensor, chosen: Sequence[str], n_channels: int, size: tuple[int, int]
) -> Iterator[StageActivation]:
    """Run the stages one after another, as far as the last one chosen."""
    left = set(chosen)
    for stage in backbone.staged.stages:
        if not left:
            return
        images = stage.module(images)
        if stage.name in left:
            left.remove(stage.name)
            yield _strongest(stage.name, _on_grid(patches(images, backbone.staged.network)[0], size), n_channels)


def _on_grid(activation: torch.Tensor, size: tuple[int, int]) -> NDArray[np.float32]:
    """Activation (channels, height, width) of maps, or of the tokens of a transformer (channels, n_patches)."""
    values = activation.float().cpu().numpy()
    if values.ndim == 2:
        height = max(1, round(math.sqrt(values.shape[1] * size[0] / size[1])))
        values = values.reshape(len(values), height, -1)
    return np.ascontiguousarray(values, dtype=np.float32)


def _strongest(stage: str, activation: NDArray[np.float32], n_shown: int) -> StageActivation:
    strengths = activation.reshape(len(activation), -1).std(axis=1)
    order = np.argsort(-strengths, kind="stable")[:n_shown]
    return StageActivation(stage, len(activation), order.astype(np.int64), strengths[order], activation[order])


def activation_page(picture: Image.Image, stages: Sequence[StageActivation], *, title: str) -> Image.Image:
    """The input, and beside it a row of maps for each stage, the strongest channel first.

    Each map is drawn from its own least value (dark) to its own largest (bright), one square for each place of the
    stage: channels are not to be compared by their brightness.
    """
    rows = [[_tile(channel) for channel in stage.maps] for stage in stages]
    captions = [[f"channel {number}" for number in stage.channels.tolist()] for stage in stages]
    labels = sheet([[_label(stage)] for stage in stages], [[" "]] * len(stages), tile=LABEL)
    words = (
        title,
        "Strongest channels of each stage, first stage on top; each map from its own least value to its largest",
    )
    return page([fitted(picture, INPUT, INPUT), labels, sheet(rows, captions, tile=TILE)], words)


def _tile(channel: NDArray[np.float32]) -> Image.Image:
    return fitted(coloured(channel, float(channel.min()), float(channel.max())), TILE, TILE, smooth=False)


def _label(stage: StageActivation) -> Image.Image:
    height, width = stage.maps.shape[1:]
    return words_as_tile(
        (stage.stage, f"{height} x {width} places", f"{stage.n_channels:,} channels"), width=LABEL, height=TILE
    )
