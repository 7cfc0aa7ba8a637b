"""Stages of networks that are not written down by name: taken from their parts, and proved before they are used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from headstart.backbones.families.vit import rotary_transformer_stages, transformer_stages
from headstart.backbones.layout import (
    LibraryBody,
    LibraryHead,
    StageLayout,
    Stages,
    children_before_head,
    reset_classifier,
)
from headstart.errors import InputError

_CONTAINERS = ("stages", "blocks", "layers")
_TRANSFORMERS: dict[str, Callable[[Any], Stages]] = {
    "VisionTransformer": transformer_stages,
    "Eva": rotary_transformer_stages,
}
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


def prove_layout(network: Any) -> StageLayout:
    """The parts of a network as stages, where running them gives its own features bit for bit; else body and head.

    Features are what the library's own classifier would be given. On a device without numbers (``meta``) nothing can be
    proved, so the answer is body and head.
    """
    pool, head = LibraryHead(network, pre_logits=True), LibraryHead(network)
    stages = _proved(network, _candidate(network))
    if stages:
        return StageLayout(stages, pool, head, reset_classifier)
    return StageLayout([("body", LibraryBody(network))], pool, head, reset_classifier, natural=False)


def _candidate(network: Any) -> Stages:
    """Stages that the parts of a network suggest; none where they suggest nothing."""
    kinds = (_TRANSFORMERS[kind.__name__] for kind in type(network).__mro__ if kind.__name__ in _TRANSFORMERS)
    try:
        return next(kinds, _parts)(network)
    except _NO_CHAIN:
        return []


def _parts(network: nn.Module) -> Stages:
    """Children in the order of their definition: a stem, the parts of the first container, what follows it."""
    children = children_before_head(network)
    container = next((name for name in _CONTAINERS if name in children), None)
    if container is None:
        return list(children.items())
    names = list(children)
    place = names.index(container)
    stem = nn.Sequential(*(children[name] for name in names[:place]))
    inner = [(f"{container.removesuffix('s')}{number}", child) for number, child in _numbered(children[container])]
    return [("stem", stem), *inner, *((name, children[name]) for name in names[place + 1 :] if _does(children[name]))]


def _numbered(container: nn.Module) -> Iterator[tuple[int, nn.Module]]:
    return enumerate((child for child in container.children() if _does(child)), 1)


def _does(module: nn.Module) -> bool:
    return not isinstance(module, nn.Identity)


class _OnCopy(nn.Module):
    """A stage that would change the tensor it is given, as an activation in place does, at work on a copy of it."""

    def __init__(self, stage: nn.Module) -> None:
        super().__init__()
        self.stage = stage

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.stage(maps.clone()))


def _proved(network: Any, stages: Stages) -> Stages:
    """The stages if they share no parameter and give the network's own features for one image of noise; else none."""
    owned = [id(parameter) for _, stage in stages for parameter in stage.parameters()]
    if len(owned) != len(set(owned)):
        return []
    height, width = network.pretrained_cfg["input_size"][1:]
    images = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    try:
        with torch.inference_mode():
            expected = network.forward_features(images)
            found, kept = _run(stages, images)
            return kept if isinstance(expected, torch.Tensor) and torch.equal(found, expected) else []
    except _NO_CHAIN:
        return []


def _run(stages: Stages, maps: torch.Tensor) -> tuple[torch.Tensor, Stages]:
    """Output of the last stage, and the stages with those that change their input set to work on a copy."""
    kept: Stages = []
    for name, stage in stages:
        before = maps.clone()
        output = stage(maps)
        kept.append((name, stage if torch.equal(maps, before) else _OnCopy(stage)))
        maps = output
    return maps, kept
