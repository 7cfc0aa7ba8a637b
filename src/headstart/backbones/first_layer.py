"""The first layer of a network for another number of channels than red, green and blue."""

from __future__ import annotations

import itertools

import torch
from torch import nn

from headstart.backbones.lazy_imports import import_timm
from headstart.errors import InputError


def adapt_first_layer(network: nn.Module, n_channels: int, *, name: str) -> None:
    """Make the first convolution of a network take `n_channels`, in place.

    Its weights become what timm makes of them (``timm.models.adapt_input_conv``), so that a grey picture on all
    channels is seen as strongly as before: for one channel those of red, green and blue are added up; for others they
    are repeated in turn, times 3 / `n_channels`.

    Parameters
    ----------
    network : torch.nn.Module
        Takes three channels.
    n_channels : int >= 1
    name : str
        Name of the backbone in errors.

    Raises
    ------
    InputError
        When it has no convolution of three channels.
    """
    layers = (layer for layer in network.modules() if isinstance(layer, nn.Conv2d))
    first = next((layer for layer in layers if layer.in_channels == 3 and layer.groups == 1), None)
    if first is None:
        raise InputError(f"Backbone {name!r} has no first convolution that could take {n_channels} channels. {_REMEDY}")
    weight = import_timm().models.adapt_input_conv(n_channels, first.weight.detach())
    layout = torch.channels_last
    first.weight = nn.Parameter(weight.contiguous(memory_format=layout), requires_grad=first.weight.requires_grad)
    first.in_channels = n_channels


_REMEDY = "Choose three channels with --channels, or another backbone."


def check_adapted(network: nn.Module, n_channels: int, size: tuple[int, int], *, name: str) -> None:
    """Run a blank image through a network: some look at red, green and blue one by one.

    Raises
    ------
    InputError
        When it does not take images of `n_channels`.
    """
    try:
        with torch.inference_mode():
            network(torch.zeros(1, n_channels, *size))
    except (RuntimeError, IndexError, ValueError, AssertionError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"Backbone {name!r} cannot take {n_channels} channels ({reason}). {_REMEDY}") from error


def in_turn(values: tuple[float, ...], n_channels: int) -> tuple[float, ...]:
    """Mean or deviation of each channel, in step with `adapt_first_layer`: the average for one, else in turn.

    >>> in_turn((0.2, 0.4, 0.6), 1), in_turn((0.2, 0.4, 0.6), 4)
    ((0.4,), (0.2, 0.4, 0.6, 0.2))
    """
    if n_channels == 1:
        return (round(sum(values) / len(values), 12),)
    return tuple(itertools.islice(itertools.cycle(values), n_channels))
