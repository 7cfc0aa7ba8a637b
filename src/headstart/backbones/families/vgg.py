"""VGG: blocks of convolutions, each with the pooling that ends it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from headstart.backbones.entry import TORCH_FILES, Entry, timm_entry
from headstart.backbones.families import key_layout, register_backbone

if TYPE_CHECKING:
    from torch import nn

    from headstart.backbones.stages import StageLayout

FROM_TORCHVISION = key_layout(
    "torchvision",
    (r"classifier\.0\.", "pre_logits.fc1."),
    (r"classifier\.3\.", "pre_logits.fc2."),
    (r"classifier\.6\.", "head.fc."),
)
FROM_TIMM = key_layout(
    "timm",
    (r"pre_logits\.fc1\.", "classifier.0."),
    (r"pre_logits\.fc2\.", "classifier.3."),
    (r"head\.fc\.", "classifier.6."),
)


def _vgg(depth: int, counts: tuple[int, int], digits: str) -> Entry:
    return timm_entry(
        f"vgg{depth}",
        f"vgg{depth}.tv_in1k",
        family="VGG",
        year=2014,
        paper="Simonyan and Zisserman 2014, arXiv:1409.1556",
        counts=counts,
        size=224,
        width=512,
        licence="bsd-3-clause",
        url=f"{TORCH_FILES}vgg{depth}-{digits}.pth",
        digits=digits,
    )


def _dense_layout(network: Any) -> StageLayout:
    """The blocks, and the two dense layers before the logits as one more stage."""
    from headstart.backbones.parts import SpatialMean, reset_classifier
    from headstart.backbones.stages import StageLayout

    stages = [*_blocks(network), ("fc", network.pre_logits)]
    return StageLayout(stages, SpatialMean(), network.head, reset_classifier)


@register_backbone(
    _vgg(16, (138_357_544, 15_470_264_320), "397923af"),
    _vgg(19, (143_667_240, 19_632_062_464), "dcbb9e9d"),
    network=("timm", "VGG"),
    dense_split=_dense_layout,
    dense_width=4096,
    key_layouts=(FROM_TORCHVISION, FROM_TIMM),
)
def vgg_layout(network: Any) -> StageLayout:
    """Blocks of convolutions, each with the pooling that ends it."""
    from headstart.backbones.parts import LibraryHead, SpatialMean
    from headstart.backbones.stages import StageLayout

    return StageLayout(_blocks(network), SpatialMean(), LibraryHead(network), _drop_dense_layers)


def _blocks(network: Any) -> list[tuple[str, nn.Module]]:
    return [(f"block{number}", block) for number, block in enumerate(_up_to_pooling(network.features), 1)]


def _up_to_pooling(modules: Any) -> Iterator[nn.Sequential]:
    """Modules in groups that each end with a pooling; what follows the last makes one more."""
    from torch import nn

    group: list[nn.Module] = []
    for module in modules:
        group.append(module)
        if isinstance(module, nn.MaxPool2d):
            yield nn.Sequential(*group)
            group = []
    if group:
        yield nn.Sequential(*group)


def _drop_dense_layers(network: Any) -> None:
    from torch import nn

    network.reset_classifier(0)
    network.pre_logits = nn.Identity()
