"""Stages of networks that are not written down by name: taken from their parts, and proved before they are used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from headstart.backbones.families import Split
from headstart.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from headstart.backbones.stages import StageLayout, Stages

_CONTAINERS = ("stages", "blocks", "layers")
_NO_CHAIN = (
    AssertionError,
    AttributeError,
    IndexError,
    InputError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)


def proved_layout(network: Any, guess: Split | None = None) -> StageLayout:
    """The parts of a network as stages, where running them gives its own features bit for bit; else body and head.

    Features are what the library's own classifier would be given. On a device without numbers (``meta``) nothing can be
    proved, so the answer is body and head.

    Parameters
    ----------
    network : torch.nn.Module
        A network of timm with its original classifier.
    guess : callable, optional
        From the network to the layout to be proved. Default: `parts_layout`.
    """
    from headstart.backbones.parts import LibraryBody, library_layout

    try:
        stages = _proved(network, (guess or parts_layout)(network).stages)
    except _NO_CHAIN:
        stages = []
    if stages:
        return library_layout(network, stages)
    return library_layout(network, [("body", LibraryBody(network))], natural=False)


def parts_layout(network: nn.Module) -> StageLayout:
    """Children in the order of their definition: a stem, the parts of the first container, what follows it."""
    from torch import nn

    from headstart.backbones.parts import children_before_head, library_layout

    children = children_before_head(network)
    container = next((name for name in _CONTAINERS if name in children), None)
    if container is None:
        return library_layout(network, list(children.items()))
    names = list(children)
    place = names.index(container)
    stem = nn.Sequential(*(children[name] for name in names[:place]))
    inner = [(f"{container.removesuffix('s')}{number}", child) for number, child in _numbered(children[container])]
    after = [(name, children[name]) for name in names[place + 1 :] if _does(children[name])]
    return library_layout(network, [("stem", stem), *inner, *after])


def _numbered(container: nn.Module) -> Iterator[tuple[int, nn.Module]]:
    return enumerate((child for child in container.children() if _does(child)), 1)


def _does(module: nn.Module) -> bool:
    """Whether a module computes anything."""
    from torch import nn

    return not isinstance(module, nn.Identity)


def _proved(network: Any, stages: Stages) -> Stages:
    """The stages if they share no parameter and give the network's own features for one image of noise; else none."""
    import torch

    owned = [id(parameter) for _, stage in stages for parameter in stage.parameters()]
    if len(owned) != len(set(owned)):
        return []
    height, width = network.pretrained_cfg["input_size"][1:]
    images = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = network.forward_features(images)
        found, safe = _run(stages, images)
    return safe if isinstance(expected, torch.Tensor) and torch.equal(found, expected) else []


def _run(stages: Stages, maps: torch.Tensor) -> tuple[torch.Tensor, Stages]:
    """Output of the last stage, and the stages with those that change their input set to work on a copy."""
    import torch

    from headstart.backbones.parts import OnCopy

    safe: Stages = []
    for name, stage in stages:
        before = maps.clone()
        output = stage(maps)
        safe.append((name, stage if torch.equal(maps, before) else OnCopy(stage)))
        maps = output
    return maps, safe
