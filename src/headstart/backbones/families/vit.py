"""Vision transformers as stages: the embedding of the patches, every block, the last norm.

None of them is listed by name; any of timm's can be asked for. Derived classes may do something of their own between
the blocks, so the stages are proved when a network is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headstart.backbones.families import register_backbone

if TYPE_CHECKING:
    from headstart.backbones.stages import StageLayout, Stages


@register_backbone(network=("timm", "VisionTransformer"), is_exact=False)
def vit_layout(network: Any) -> StageLayout:
    """Stages of timm's ``VisionTransformer``."""
    from headstart.backbones.parts import library_layout
    from headstart.backbones.transformer_parts import PlainEmbedding

    blocks: Stages = [(f"block{number}", block) for number, block in enumerate(network.blocks, 1)]
    return library_layout(network, [("embedding", PlainEmbedding(network)), *blocks, ("norm", network.norm)])


@register_backbone(network=("timm", "Eva"), is_exact=False)
def rotary_vit_layout(network: Any) -> StageLayout:
    """Stages of timm's ``Eva``, which DINOv3's transformers are too: every block is handed rotations."""
    from headstart.backbones.parts import library_layout
    from headstart.backbones.transformer_parts import RotaryBlock, RotaryEmbedding

    blocks: Stages = [(f"block{depth + 1}", RotaryBlock(network, depth)) for depth in range(len(network.blocks))]
    return library_layout(network, [("embedding", RotaryEmbedding(network)), *blocks, ("norm", network.norm)])
