"""ResNet: a stem and four layers of residual blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headstart.backbones.entry import TORCH_FILES, Entry, timm_entry
from headstart.backbones.families import register_backbone

if TYPE_CHECKING:
    from headstart.backbones.stages import StageLayout


def _resnet(depth: int, counts: tuple[int, int], digits: str) -> Entry:
    return timm_entry(
        f"resnet{depth}",
        f"resnet{depth}.tv_in1k",
        family="ResNet",
        year=2015,
        paper="He et al. 2015, arXiv:1512.03385",
        counts=counts,
        size=224,
        width=512 if depth < 50 else 2048,
        licence="bsd-3-clause",
        url=f"{TORCH_FILES}resnet{depth}-{digits}.pth",
        digits=digits,
    )


@register_backbone(
    _resnet(18, (11_689_512, 1_814_073_344), "f37072fd"),
    _resnet(34, (21_797_672, 3_663_761_408), "b627a593"),
    _resnet(50, (25_557_032, 4_089_184_256), "0676ba61"),
    _resnet(101, (44_549_160, 7_801_405_440), "63fe2227"),
    _resnet(152, (60_192_808, 11_513_626_624), "394f9c45"),
    network=("timm", "ResNet"),
)
def resnet_layout(network: Any) -> StageLayout:
    """The stem with its pooling, and the four layers."""
    from headstart.backbones.parts import sequence, timm_layout

    layers = [(f"layer{number}", getattr(network, f"layer{number}")) for number in range(1, 5)]
    return timm_layout(network, [("stem", sequence(network, "conv1 bn1 act1 maxpool")), *layers])
