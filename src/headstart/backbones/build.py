"""Building a network with its original classifier, as its library builds it, its stages, and the pixels it expects."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from headstart.backbones.entry import Entry, Pixels, Triple
from headstart.backbones.families import find_split
from headstart.backbones.families.generic import proved_layout
from headstart.backbones.lazy_imports import import_timm
from headstart.backbones.stages import StagedNetwork, StageLayout
from headstart.errors import InputError


def build(entry: Entry, *, seed: int = 0, device: str = "cpu") -> nn.Module:
    """The architecture with its original classifier and seeded random weights, in evaluation mode.

    Auxiliary classifiers of GoogLeNet and Inception-v3 take no part in evaluation and are not built. Nothing is read
    from disk or network.

    Parameters
    ----------
    entry : Entry
        Facts of the backbone; of a network named by its hub id with its configuration, see
        `headstart.backbones.weights.hub_config.with_hub_config`.
    seed : int
        Seed of the random weights; torch's own generator is left as it was.
    device : {"cpu", "meta"}
        ``meta`` allocates nothing: for counting.

    Raises
    ------
    InputError
        When timm does not know the architecture that a hub configuration names.
    """
    with torch.random.fork_rng(devices=[]), torch.device(device):
        torch.manual_seed(seed)
        if entry.build is not None:
            network = entry.build()
        elif entry.hub_config is not None:
            network = _build_from_config(entry.name, entry.hub_config)
        else:
            network = import_timm().create_model(entry.library_name, pretrained=False)
    built: nn.Module = network.eval()
    return built


def staged(network: nn.Module, entry: Entry) -> StagedNetwork:
    """A network with its original classifier as a chain of stages.

    Parameters
    ----------
    network : torch.nn.Module
        As `build` gives it, or the library's own with auxiliary classifiers.
    entry : Entry
        Says whether the old dense layers belong to the features.
    """
    return StagedNetwork(network, stage_layout(network, dense=entry.dense))


def stage_layout(network: nn.Module, *, dense: bool = False) -> StageLayout:
    """Stages of a network, by its family; of an unknown one by its parts, if these prove to be a chain.

    Parameters
    ----------
    network : torch.nn.Module
        With its original classifier.
    dense : bool
        Count the old dense layers of AlexNet and VGG among the stages.
    """
    known = find_split(network)
    if known is None or not known.is_exact:
        return proved_layout(network, None if known is None else known.split)
    return known.dense_split(network) if dense and known.dense_split else known.split(network)


def pixels_of(entry: Entry, network: nn.Module) -> Pixels:
    """Input that a built network expects, as its entry or its library's own registry says.

    Raises
    ------
    InputError
        When it takes other than three channels.
    """
    if entry.pixels is not None:
        return entry.pixels
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


def _build_from_config(name: str, hub_config: Mapping[str, Any]) -> Any:
    """A network from a hub configuration, which timm reads from a folder."""
    config = dict(hub_config)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config), encoding="utf-8")
        try:
            return import_timm().create_model(f"local-dir:{folder}", pretrained=False)
        except (RuntimeError, ValueError, TypeError, KeyError) as error:
            reason = str(error).strip().partition("\n")[0][:200]
            raise InputError(
                f"{name}: timm cannot build its architecture {config['architecture']!r} ({reason}). "
                "A newer timm may know it."
            ) from error
