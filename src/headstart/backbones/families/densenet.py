"""DenseNet: dense blocks and the transitions between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headstart.backbones.entry import TORCH_FILES, Entry, timm_entry
from headstart.backbones.families import key_layout, register_backbone

if TYPE_CHECKING:
    from headstart.backbones.stages import StageLayout, Stages

FROM_OLD_TORCHVISION = key_layout(
    "torchvision (before 0.3)", (r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..+)", r"\1\2")
)


def _densenet(depth: int, counts: tuple[int, int], width: int, digits: str) -> Entry:
    return timm_entry(
        f"densenet{depth}",
        f"densenet{depth}.tv_in1k",
        family="DenseNet",
        year=2016,
        paper="Huang et al. 2016, arXiv:1608.06993",
        counts=counts,
        size=224,
        width=width,
        licence="apache-2.0",
        url=f"{TORCH_FILES}densenet{depth}-{digits}.pth",
        digits=digits,
    )


@register_backbone(
    _densenet(121, (7_978_856, 2_834_161_664), 1024, "a639ec97"),
    _densenet(169, (14_149_480, 3_359_843_328), 1664, "b2777c0a"),
    _densenet(201, (20_013_928, 4_291_365_888), 1920, "c1103571"),
    network=("timm", "DenseNet"),
    key_layouts=(FROM_OLD_TORCHVISION,),
)
def densenet_layout(network: Any) -> StageLayout:
    """Dense blocks and the transitions between them; the norm and ReLU after the last block belong to that."""
    from torch import nn

    from headstart.backbones.parts import timm_layout

    parts = dict(network.features.named_children())
    first = list(parts).index("denseblock1")
    stem, rest = list(parts.values())[:first], list(parts.items())[first:]
    last_block, last_norm = rest[-2], rest[-1]
    stages: Stages = [("stem", nn.Sequential(*stem)), *rest[:-2]]
    return timm_layout(network, [*stages, (last_block[0], nn.Sequential(last_block[1], last_norm[1]))])
