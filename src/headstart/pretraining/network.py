"""The network that is pretrained: its library's own, with a classifier for the source's classes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from headstart.backbones.build import build, pixels_of
from headstart.backbones.entry import Entry, Pixels
from headstart.backbones.stages import REFUSALS, size_refused
from headstart.backbones.weights import RANDOM, WeightsSource, hash_tensors, load_into
from headstart.backbones.weights.load import classifier_name
from headstart.errors import InputError
from headstart.progress import Progress


def build_network(
    entry: Entry, n_classes: int, *, weights: str | None, seed: int, offline: bool, progress: Progress | None = None
) -> tuple[nn.Module, WeightsSource]:
    """The network with a new classifier, and the source of the weights it starts from.

    Parameters
    ----------
    entry : Entry
    n_classes : int
    weights : str or None
        A file to start from; None or ``random``: weights drawn by the seed.
    seed : int
    offline : bool
    progress : Progress, optional

    Raises
    ------
    WeightsError
        When the file does not fit.
    InputError
        When the network has no classifier that could be exchanged.
    """
    network = build(entry, seed=seed)
    if weights in (None, RANDOM):
        start = WeightsSource(f"{RANDOM} (seed {seed})", hash_tensors(network.state_dict()), "none")
    else:
        start = load_into(network, entry, weights, offline, progress=progress)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        _exchange_classifier(network, entry, n_classes)
    return network.to(memory_format=torch.channels_last).requires_grad_(True), start  # type: ignore[call-overload]


def _exchange_classifier(network: nn.Module, entry: Entry, n_classes: int) -> None:
    reset: Any = getattr(network, "reset_classifier", None)  # every network of timm's has it
    if reset is not None:
        reset(n_classes)
        return
    place, _, name = classifier_name(network).rpartition(".")
    holder: Any = network.get_submodule(place) if name else None
    last = getattr(holder, name, None) if name else None
    if not isinstance(last, nn.Linear):
        raise InputError(f"Backbone {entry.name!r} has no dense layer at its end to exchange. Use another backbone.")
    setattr(holder, name, nn.Linear(last.in_features, n_classes))


def pixels_for(entry: Entry, network: nn.Module, input_size: int | None) -> Pixels:
    """Input of the network: its own normalisation at the requested size.

    Raises
    ------
    InputError
        When it cannot take images of that size.
    """
    own = pixels_of(entry, network)
    size = own.input_size if input_size is None else (input_size, input_size)
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(2, 3, *size))
    except REFUSALS as error:
        refused = size_refused(f"Backbone {entry.name!r}", size, error)
        raise InputError(f"{refused} Leave --input-size out, or take a larger one.") from error
    return replace(own, input_size=size, crop_fraction=1.0)
