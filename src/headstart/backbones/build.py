"""Building a network with its original classifier, as its library builds it, and the pixels it expects."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from headstart.backbones.entry import Entry
from headstart.backbones.lazy_imports import import_timm, import_torchvision
from headstart.backbones.registry import HUB_FAMILY
from headstart.backbones.weights.download import Limits, fetch_hub
from headstart.backbones.weights.local_store import find_carried
from headstart.backbones.weights.locate import hub_file
from headstart.errors import InputError, WeightsError
from headstart.progress import Silent

Triple = tuple[float, float, float]
_HUB_CONFIG = "config.json"


@dataclass(frozen=True)
class Pixels:
    """What the weights of a network expect of an image.

    Attributes
    ----------
    input_size : tuple of int
        (height, width) in pixels.
    interpolation : str
        Resampling: ``bicubic`` or ``bilinear``.
    mean, std : tuple of float
        Normalisation of pixel values scaled to 0..1, per channel.
    crop_fraction : float
        Share of the resized image's side that the publisher's own evaluation cut from its centre; recorded, not
        applied: headstart squashes the whole image unless asked otherwise.
    """

    input_size: tuple[int, int]
    interpolation: str
    mean: Triple
    std: Triple
    crop_fraction: float


_HALVES: Triple = (0.5, 0.5, 0.5)
_TORCHVISION_PIXELS = {
    "alexnet": Pixels((224, 224), "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 224 / 256),
    # torchvision turns its own normalisation into this one inside the network (`transform_input`)
    "googlenet": Pixels((224, 224), "bilinear", _HALVES, _HALVES, 224 / 256),
}


def build(entry: Entry, *, seed: int = 0, offline: bool = False, device: str = "cpu") -> nn.Module:
    """The architecture with its original classifier and seeded random weights, in evaluation mode.

    Auxiliary classifiers of GoogLeNet and Inception-v3 take no part in evaluation and are not built. Nothing but the
    configuration of a network named by its hub id is read from disk or network.

    Parameters
    ----------
    entry : Entry
    seed : int
        Of the random weights; torch's own generator is left as it was.
    offline : bool
        Read a hub network's configuration from the local cache only.
    device : {"cpu", "meta"}
        ``meta`` allocates nothing: for counting.

    Raises
    ------
    WeightsError
        When the configuration of a hub network cannot be had.
    """
    with torch.random.fork_rng(devices=[]), torch.device(device):
        torch.manual_seed(seed)
        if entry.library == "torchvision":
            network = _build_torchvision(entry)
        elif entry.family == HUB_FAMILY:
            network = _build_from_config(with_hub_config(entry, offline=offline))
        else:
            network = import_timm().create_model(entry.library_name, pretrained=False)
    built: nn.Module = network.eval()
    return built


def _build_torchvision(entry: Entry) -> Any:
    models = import_torchvision().models
    if entry.library_name == "googlenet":
        return models.googlenet(weights=None, aux_logits=False, init_weights=True)
    return models.get_model(entry.library_name, weights=None)


def pixels_of(entry: Entry, network: nn.Module) -> Pixels:
    """What a built network expects of an image, from its library's own registry.

    Raises
    ------
    InputError
        When it takes other than three channels.
    """
    if entry.library == "torchvision":
        return _TORCHVISION_PIXELS[entry.library_name]
    config: Any = network.pretrained_cfg
    if len(config["mean"]) != 3 or config["input_size"][0] != 3:
        raise InputError(
            f"Backbone {entry.name!r} takes images of {config['input_size'][0]} channels; headstart gives it three "
            "(red, green, blue). Use another backbone."
        )
    return Pixels(
        input_size=(int(config["input_size"][1]), int(config["input_size"][2])),
        interpolation=str(config["interpolation"]),
        mean=triple(config["mean"]),
        std=triple(config["std"]),
        crop_fraction=float(config["crop_pct"]),
    )


def triple(values: Any) -> Triple:
    """Three numbers, one per channel."""
    first, second, third = (float(value) for value in values)
    return first, second, third


def with_hub_config(entry: Entry, *, offline: bool) -> Entry:
    """The entry of a hub network with its ``config.json``, from the local cache or, unless `offline`, the hub.

    Raises
    ------
    WeightsError
        When it cannot be had, is damaged, or describes no timm model.
    """
    if entry.hub_id is None or entry.hub_config is not None or entry.family != HUB_FAMILY:
        return entry
    text = _hub_config(entry.name, entry.hub_id, offline=offline)
    try:
        config = json.loads(text)
    except ValueError as error:
        raise WeightsError(
            f"{entry.name}: its config.json is damaged ({error}). Remove it and fetch it again."
        ) from error
    if not isinstance(config, Mapping) or not isinstance(config.get("architecture"), str):
        raise WeightsError(f"{entry.name}: its config.json names no architecture; it is no model of timm's.")
    return replace(entry, hub_config=config)


def _hub_config(name: str, hub_id: str, *, offline: bool) -> str:
    """Content of a hub network's configuration: as carried here, from the local cache, or from the hub."""
    carried = find_carried(name)
    if carried is not None and carried[1].config:
        return carried[1].config
    path = hub_file(hub_id, _HUB_CONFIG)
    if path is None and offline:
        raise WeightsError(
            f"{name}: its {_HUB_CONFIG} is not in the local Hugging Face cache, and --offline forbids to ask the hub. "
            f"Carry it here: `headstart backbones fetch {name} --to DIR` where there is a network, then `headstart "
            "backbones add DIR` here."
        )
    if path is None:
        path = fetch_hub(hub_id, _HUB_CONFIG, limits=Limits(), progress=Silent())
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read ({error}). Remove it and fetch it again.") from error


def _build_from_config(entry: Entry) -> Any:
    """A network from a hub configuration, which timm reads from a folder."""
    config = dict(entry.hub_config or {})
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config), encoding="utf-8")
        try:
            return import_timm().create_model(f"local-dir:{folder}", pretrained=False)
        except (RuntimeError, ValueError, TypeError, KeyError) as error:
            reason = str(error).strip().partition("\n")[0][:200]
            raise InputError(
                f"{entry.name}: timm cannot build its architecture {config['architecture']!r} ({reason}). "
                "A newer timm may know it."
            ) from error
